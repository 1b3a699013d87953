#include "metrics/normaliser.h"

#include <gtest/gtest.h>

namespace sori {
namespace {

TEST(Normaliser, KeepsLettersAndDigitsOnly) {
  EXPECT_EQ(normalise_for_cer(" 아, 진짜?! 70% (칠십)… "), "아진짜70칠십");
  EXPECT_EQ(normalise_for_cer("don't e-mail: a_b@c.kr"), "dontemailabckr");
  EXPECT_EQ(normalise_for_cer("3.5"), "35");
  EXPECT_EQ(normalise_for_cer("ㅋㅋ 한글 漢字 Ⅳ ½ ①"), "ㅋㅋ한글漢字ⅳ½①");
  EXPECT_EQ(normalise_for_cer(""), "");
  EXPECT_EQ(normalise_for_cer(" ?!\n"), "");
}

TEST(Normaliser, KeepsSingleBlanksBetweenWords) {
  EXPECT_EQ(normalise_for_wer("  나는 \t\n 너를   봤다 . "), "나는 너를 봤다");
  EXPECT_EQ(normalise_for_wer("하나 - 둘"), "하나 둘");
  EXPECT_EQ(normalise_for_wer("well-known"), "wellknown");
  EXPECT_EQ(normalise_for_wer("가\u3000나\u00A0다"), "가 나 다");  // ideographic and no-break blanks
  EXPECT_EQ(normalise_for_wer(" . "), "");
}

TEST(Normaliser, FoldsCaseInEveryScript) { EXPECT_EQ(normalise_for_cer("ÄÖ KBS Ж Σα"), "äökbsжσα"); }

TEST(Normaliser, JoinsDecomposedHangulAndAccents) {
  EXPECT_EQ(normalise_for_cer("\u1112\u1161\u11AB\u1100\u1173\u11AF"), "한글");
  EXPECT_EQ(normalise_for_cer("e\u0301"), "\u00E9");
}

TEST(Normaliser, MarksBelongToTheirLetterAndToNothingElse) {
  EXPECT_EQ(normalise_for_cer("\u0915\u093F\u0902"), "\u0915\u093F\u0902");  // Devanagari ki with a nasal sign
  EXPECT_EQ(normalise_for_cer("\u0E01\u0E33 \u0E01\u0E49"), "\u0E01\u0E33\u0E01\u0E49");  // Thai
  EXPECT_EQ(normalise_for_cer("1\uFE0F\u20E3 \u2764\uFE0F"), "1");  // keycap and heart: variation selectors are marks
  EXPECT_EQ(normalise_for_cer("\u0301"), "");
  EXPECT_EQ(normalise_for_wer("\uAC00 \u0301\uB098"), "\uAC00 \uB098");
}

TEST(Normaliser, SurvivesInvalidUtf8) {
  EXPECT_EQ(normalise_for_wer("가\xFF\xEA\xB0 나\xC0"), "가 나");
  EXPECT_EQ(normalise_for_cer(std::string_view("\0a\0", 3)), "a");
}

TEST(Normaliser, ChangesNothingTheSecondTime) {
  for (const char* text :
       {"아, 진짜?! 70%  (칠십)…", "ÄÖ İstanbul Ⅳ", "\u0915\u093F\u0902 x\u0301\u0302", "e\u0301-\u0301"}) {
    const std::string once = normalise_for_wer(text);
    EXPECT_EQ(normalise_for_wer(once), once);
    EXPECT_EQ(normalise_for_cer(once), normalise_for_cer(text));
  }
}

TEST(Normaliser, HasAName) { EXPECT_EQ(kNormaliserName, "sori-ko/1"); }

}  // namespace
}  // namespace sori
