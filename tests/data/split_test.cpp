#include "data/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "data/corpus.h"
#include "support/temporary.h"

namespace sori {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

TEST(SentenceKey, SeesOnlyLettersAndDigits) {
  EXPECT_EQ(sentence_key("몬 소리야, 그건 또."), sentence_key("몬소리야 그건또"));
  EXPECT_EQ(sentence_key("TV 봤어?"), sentence_key("tv 봤어"));
  EXPECT_EQ(sentence_key("\u1112\u1161\u11AB"), sentence_key("한"));
  EXPECT_NE(sentence_key("3시"), sentence_key("4시"));
  EXPECT_NE(sentence_key("아"), sentence_key("어"));
}

TEST(SplitRule, DividesAsAskedWithinWhatChanceAllows) {
  const SplitRule rule = SplitRule::parse("90,5,5");
  constexpr int kSentences = 20000;
  std::map<std::string_view, int> counts;
  for (int i = 0; i < kSentences; ++i) ++counts[rule.split_of(sentence_key("문장 " + std::to_string(i)))];
  // Five standard deviations of a binomial count.
  const double spread5 = 5 * std::sqrt(kSentences * 0.05 * 0.95), spread90 = 5 * std::sqrt(kSentences * 0.9 * 0.1);
  EXPECT_NEAR(counts["train"], kSentences * 0.90, spread90);
  EXPECT_NEAR(counts["dev"], kSentences * 0.05, spread5);
  EXPECT_NEAR(counts["eval"], kSentences * 0.05, spread5);
}

TEST(SplitRule, GivesNothingToASplitOfZeroPercent) {
  for (const auto& [percent, only] : {std::pair{"100,0,0", "train"}, {"0,100,0", "dev"}, {"0,0,100", "eval"}}) {
    const SplitRule rule = SplitRule::parse(percent);
    for (const std::uint64_t key : {std::uint64_t{0}, std::uint64_t{1} << 63, UINT64_MAX})
      EXPECT_EQ(rule.split_of(key), only);
  }
}

TEST(SplitRule, RefusesWhatIsNotAHundredPercent) {
  for (const char* percent :
       {"", "90", "90,5", "90,5,6", "90,5,5,0", "90;5;5", "110,-5,-5", "a,b,c", "90,5,5 ", "nan,5,5"}) {
    const auto error = error_of([&] { SplitRule::parse(percent); });
    ASSERT_TRUE(error) << percent;
    EXPECT_EQ(error->kind(), ErrorKind::kUsage);
    EXPECT_THAT(error->what(), HasSubstr("--split-percent"));
  }
  EXPECT_FALSE(error_of([] { SplitRule::parse("99.5,0.25,0.25"); }));
}

TEST(SplitNames, AreRecognisedInFoldersTheOutermostFirst) {
  EXPECT_EQ(split_of_name("Validation"), "dev");
  EXPECT_EQ(split_of_name("test"), "eval");
  EXPECT_EQ(split_of_name("eval_clean"), "eval_clean");
  EXPECT_EQ(split_of_name("Eval_Noise"), "eval_noise");
  EXPECT_EQ(split_of_name("eval_a/b"), "");
  EXPECT_EQ(split_of_name("trainer"), "");
  EXPECT_EQ(split_of_path("a/test/train/x.wav"), "eval");
  EXPECT_EQ(split_of_path("train"), "");  // a file, not a folder
}

TEST(SplitNames, CanBeFileNames) {
  EXPECT_TRUE(is_split_name("eval_clean-2"));
  for (const std::string name : {"", "a/b", "..", "a b", "rejected", "한", "a\n"})
    EXPECT_FALSE(is_split_name(name)) << name;
  EXPECT_FALSE(is_split_name(std::string(65, 'a')));
}

}  // namespace
}  // namespace sori
