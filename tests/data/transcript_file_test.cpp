#include "data/transcript_file.h"

#include <gtest/gtest.h>

#include "data/corpus_files.h"

namespace sori {
namespace {

EncodingChoice choose(const std::vector<std::string>& pieces, Encoding otherwise) {
  return choose_encoding(
      pieces.size(), [&](std::size_t i) { return std::string_view(pieces[i]); }, otherwise);
}

TEST(Encoding, IsDecidedByTheMajorityNotByThePiece) {
  const EncodingChoice choice = choose({kMon949, kJjang949, kHello949, "ascii"}, Encoding::kUtf8);
  EXPECT_EQ(choice.encoding, Encoding::kCp949);
  EXPECT_EQ(choice.sampled, 3u);  // plain ASCII tells nothing
  EXPECT_EQ(choice.cp949, 3u);
  EXPECT_EQ(choice.utf8, 1u);
  EXPECT_EQ(decode_text(kJjang949, choice.encoding)->text, "짱");
}

TEST(Encoding, FallsBackWhereTheBytesTellNothing) {
  EXPECT_EQ(choose({kJjang949}, Encoding::kCp949).encoding, Encoding::kCp949);
  EXPECT_EQ(choose({kJjang949}, Encoding::kUtf8).encoding, Encoding::kUtf8);
  EXPECT_EQ(choose({}, Encoding::kCp949).encoding, Encoding::kCp949);
  EXPECT_EQ(choose({"안녕하세요"}, Encoding::kCp949).encoding, Encoding::kUtf8);
}

TEST(Encoding, LooksAtAThousandPiecesSpreadOverAll) {
  std::vector<std::string> pieces(5000, "ascii");
  for (std::size_t i = 0; i < pieces.size(); i += 5) pieces[i] = kMon949;  // exactly those that a step of 5 meets
  const EncodingChoice choice = choose(pieces, Encoding::kUtf8);
  EXPECT_EQ(choice.sampled, 1000u);
  EXPECT_EQ(choice.encoding, Encoding::kCp949);
}

TEST(Decoding, TriesTheOtherEncodingAndSaysSo) {
  const auto other = decode_text("안녕", Encoding::kCp949);
  ASSERT_TRUE(other);
  EXPECT_EQ(other->text, "안녕");
  EXPECT_TRUE(other->other_encoding);
  const auto right = decode_text(kBwelk949, Encoding::kCp949);
  ASSERT_TRUE(right);
  EXPECT_EQ(right->text, "뷁");
  EXPECT_FALSE(right->other_encoding);
  EXPECT_TRUE(decode_text(kMon949, Encoding::kUtf8)->other_encoding);
}

TEST(Decoding, NeverReplacesWhatIsInNoEncoding) {
  for (const std::string bytes : {"\xC8", "\xC8\x41\xFF", "\x80", "\xFF", "\xED\xA0\x80", "\xC0\xAF\x81\x20"})
    for (const Encoding encoding : {Encoding::kUtf8, Encoding::kCp949})
      EXPECT_FALSE(decode_text(bytes, encoding)) << ::testing::PrintToString(bytes);
  EXPECT_FALSE(decode_text("\xFF\xFE\x48\xC5", Encoding::kUtf8)) << "UTF-16";
}

TEST(Decoding, TakesTheByteOrderMarkOff) {
  const auto text = decode_text("\xEF\xBB\xBF안녕", Encoding::kCp949);
  ASSERT_TRUE(text);
  EXPECT_EQ(text->text, "안녕");
  EXPECT_FALSE(text->other_encoding);
}

TEST(PlainText, HasSingleBlanksAndComposedSyllables) {
  EXPECT_EQ(plain_text(" \t가\u3000나\r\n\n다\u00A0"), "가 나 다");
  EXPECT_EQ(plain_text("\u1112\u1161\u11AB"), "한");
  EXPECT_EQ(plain_text(" \n"), "");
}

TEST(ControlCharacters, AreFoundButWhiteSpaceIsNone) {
  EXPECT_FALSE(has_control("가\t나\r\n"));
  EXPECT_TRUE(has_control(std::string("a\0b", 3)));
  EXPECT_TRUE(has_control("a\x1B[31m"));
  EXPECT_TRUE(has_control("a\x7F"));
  EXPECT_TRUE(has_control("\u009B"));
}

}  // namespace
}  // namespace sori
