#include "text/splitter.h"

namespace sori {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> split(std::string_view text) {
  const auto words = split_words(text);
  return {words.begin(), words.end()};
}

TEST(Splitter, KeepsOneBlankBeforeAWord) {
  EXPECT_THAT(split("The cat  sat"), ElementsAre("The", " cat", " ", " sat"));
  EXPECT_THAT(split("안녕 하세요"), ElementsAre("안녕", " 하세요"));
}

TEST(Splitter, SeparatesLettersNumbersAndTheRest) {
  EXPECT_THAT(split("abc123가나!?x"), ElementsAre("abc", "123", "가나", "!?", "x"));
  EXPECT_THAT(split("½²Ⅲ٣a"), ElementsAre("½²Ⅲ٣", "a"));
}

TEST(Splitter, CutsLowerCaseContractionsOnly) {
  EXPECT_THAT(split("it's I'LL we've o're 'd"),
              ElementsAre("it", "'s", " I", "'", "LL", " we", "'ve", " o", "'re", " '", "d"));
  EXPECT_THAT(split("'l"), ElementsAre("'", "l"));
  EXPECT_THAT(split("!'s"), ElementsAre("!'", "s"));  // an apostrophe inside a run of marks stays there
  EXPECT_THAT(split("'"), ElementsAre("'"));
}

TEST(Splitter, LeavesTheLastBlankOfARunToTheNextWord) {
  EXPECT_THAT(split("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(split("a\n\nb"), ElementsAre("a", "\n", "\n", "b"));  // only U+0020 joins a word
  EXPECT_THAT(split("a \n"), ElementsAre("a", " \n"));
  EXPECT_THAT(split("   "), ElementsAre("   "));
  EXPECT_THAT(split(" "), ElementsAre(" "));
}

// \s is White_Space: U+0085 and U+3000 are in it, U+200B and U+FEFF are not.
TEST(Splitter, KnowsWhichCharactersAreBlank) {
  EXPECT_THAT(split("a\u0085\u3000b"), ElementsAre("a", "\u0085", "\u3000", "b"));
  EXPECT_THAT(split("a\u200B\uFEFFb"), ElementsAre("a", "\u200B\uFEFF", "b"));
}

TEST(Splitter, TreatsACombiningMarkAsNoLetter) {
  EXPECT_THAT(split("e\u0301x"), ElementsAre("e", "\u0301", "x"));
  EXPECT_THAT(split("\u1100\u1161\u11A8"), ElementsAre("\u1100\u1161\u11A8"));  // conjoining jamo are letters
}

// Assigned in Unicode 15.1 and 16.0, after the oldest ICU we build with; both ends of a range and their neighbours.
TEST(Splitter, KnowsLettersAndNumbersOfNewerUnicode) {
  EXPECT_THAT(split("!\U0002EBF0\U0002EE5Da"), ElementsAre("!", "\U0002EBF0\U0002EE5Da"));
  EXPECT_THAT(split("\U0002EE5E!"), ElementsAre("\U0002EE5E!"));
  EXPECT_THAT(split("1\U00010D40\U00010D49\U00010D4A"), ElementsAre("1\U00010D40\U00010D49", "\U00010D4A"));
}

TEST(Splitter, GivesNothingForNothing) { EXPECT_TRUE(split_words("").empty()); }

}  // namespace
}  // namespace sori
