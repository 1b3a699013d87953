#include "base/unicode.h"

#include <gmock/gmock.h>

namespace sori {
namespace {

using Points = std::vector<char32_t>;

TEST(Utf8, AcceptsOnlyShortestFormsOfCharacters) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("a\xC2\x80\xEA\xB0\x80\xF4\x8F\xBF\xBF"));
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                          "\xF5\x80\x80\x80", "\xEA\xB0", "\xEA\xB0\x41", "\xFF"})
    EXPECT_FALSE(is_utf8(bad)) << testing::PrintToString(bad);
}

// As bytes.decode("utf-8", "replace"): one U+FFFD for each longest start of a character.
TEST(Utf8, ReplacesInvalidBytesAsPythonDoes) {
  EXPECT_EQ(code_points("\xEA\xB0\x80!"), (Points{0xAC00, '!'}));
  EXPECT_EQ(code_points("\xEA\xB0!"), (Points{0xFFFD, '!'}));
  EXPECT_EQ(code_points("\xF0\x9F\x98"), (Points{0xFFFD}));
  EXPECT_EQ(code_points("\xED\xA0\x80"), (Points{0xFFFD, 0xFFFD, 0xFFFD}));
  EXPECT_EQ(code_points("\xC0\x80"), (Points{0xFFFD, 0xFFFD}));
  EXPECT_EQ(code_points("\xF0\x80\x80"), (Points{0xFFFD, 0xFFFD, 0xFFFD}));
  EXPECT_EQ(code_points("\xF4\x90\x80\x80"), (Points{0xFFFD, 0xFFFD, 0xFFFD, 0xFFFD}));
}

TEST(Utf8, RoundTripsEveryCharacter) {
  Points all;
  for (char32_t c = 0; c <= 0x10FFFF; ++c)
    if (c < 0xD800 || c > 0xDFFF) all.push_back(c);
  const std::string bytes = to_utf8(all);
  EXPECT_TRUE(is_utf8(bytes));
  EXPECT_TRUE(code_points(bytes) == all);
}

TEST(Utf8, WritesAReplacementForWhatIsNoCharacter) {
  EXPECT_EQ(to_utf8({0xD800}), "\xEF\xBF\xBD");
  EXPECT_EQ(to_utf8({0x110000}), "\xEF\xBF\xBD");
}

TEST(Nfc, ComposesJamoAndAccents) {
  EXPECT_EQ(nfc(to_utf8({0x1112, 0x1161, 0x11AB})), to_utf8({0xD55C}));  // 한
  EXPECT_EQ(nfc("e\xCC\x81"), "\xC3\xA9");
  EXPECT_EQ(nfc(to_utf8({0x3131})), to_utf8({0x3131})) << "compatibility jamo stay";
  EXPECT_EQ(nfc(to_utf8({0xF900})), to_utf8({0x8C48})) << "a compatibility ideograph has a canonical form";
  EXPECT_EQ(nfc(""), "");
}

TEST(LowerCase, KnowsNoLocale) {
  EXPECT_EQ(lower_case("IÄ가"), "iä가");
  EXPECT_EQ(lower_case(to_utf8({0x130})), to_utf8({'i', 0x307}));
}

TEST(Properties, FollowTheUnicodeCategories) {
  EXPECT_TRUE(is_letter(U'가') && is_letter(U'A') && is_letter(0x3131) && !is_letter('1') && !is_letter(0x301));
  EXPECT_TRUE(is_number('7') && is_number(0x2160) && is_number(0xBD) && !is_number('a'));
  EXPECT_TRUE(is_mark(0x301) && !is_mark('a'));
  EXPECT_TRUE(is_space(' ') && is_space(0x3000) && is_space(0xA0) && is_space(0x85) && !is_space(0x200B));
  EXPECT_TRUE(is_hangul(0xAC00) && is_hangul(0xD7A3) && !is_hangul(0xABFF) && !is_hangul(0xD7A4) && !is_hangul(0x3131));
}

TEST(Cp949, DecodesWansungAndMicrosoftsExtension) {
  EXPECT_EQ(cp949_to_utf8("\xB0\xA1"), "가");
  EXPECT_EQ(cp949_to_utf8("\x94\xEE"), "뷁");
  EXPECT_EQ(cp949_to_utf8("\xC2\xAF"), "짱");
  EXPECT_EQ(cp949_to_utf8("\xC6\x52"), "힣");
  EXPECT_EQ(cp949_to_utf8("a \xB0\xA1\n"), "a 가\n");
  EXPECT_EQ(cp949_to_utf8(""), "");
}

TEST(Cp949, RefusesWhatPythonRefuses) {
  for (const char* bad : {"\xB0", "\xB0\x20", "\x80", "\xFF", "\xC9\xA1", "\xFE\xFE", "\xB0\xA1\xFF", "\xC6\x53"})
    EXPECT_EQ(cp949_to_utf8(bad), std::nullopt) << testing::PrintToString(bad);
}

// Every pair of bytes that is accepted gives one character, and no character comes from two of them.
TEST(Cp949, KnowsEachCharacterOnce) {
  std::set<std::string> seen;
  int hangul = 0;
  for (int high = 0x81; high <= 0xFE; ++high)
    for (int low = 0x41; low <= 0xFE; ++low) {
      const auto text = cp949_to_utf8(std::string{static_cast<char>(high), static_cast<char>(low)});
      if (!text) continue;
      const Points points = code_points(*text);
      if (points.size() != 1) continue;
      EXPECT_TRUE(seen.insert(*text).second) << *text;
      hangul += is_hangul(points[0]);
    }
  EXPECT_EQ(hangul, 11172) << "CP949 has every modern syllable";
  EXPECT_EQ(seen.size(), 17048u) << "8822 characters of the extension and 8226 of KS X 1001";
}

TEST(Printable, IsAlwaysUtf8WithoutControls) {
  EXPECT_EQ(printable("a/\xFF\n\x1B.wav"), "a/\uFFFD\uFFFD\uFFFD.wav");
  EXPECT_EQ(printable("회의 \"1\".wav"), "회의 \"1\".wav");
}

}  // namespace
}  // namespace sori
