// sori guard as a user types it. What its checks measure is tested in tests/eval/guard_test.cpp.
#include <gmock/gmock.h>

#include "cli/verbs.h"
#include "eval/guard.h"
#include "report/words.h"

namespace sori::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class Guarding : public Verbs {
 protected:
  void SetUp() override {  // so little that the model writes what it wrote before
    steps = "1";
    ASSERT_EQ(train("run", {"--method", "lora", "--lora-r", "3", "--learning-rate", "1e-7"}), 0);
  }

  Ran guard(std::vector<std::string> more) const {
    std::vector<std::string> words{
        "guard", "--model",          path("model"), "--data", path("data"),       "--compute",
        compute, "--max-new-tokens", "6",           "--json", path("guard.json"), "--audio-context",
        "exact"};
    words.insert(words.end(), more.begin(), more.end());
    return ran([&] { return run(words); });
  }
  Ran guard_adapter(std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--adapter", path("run")});
    return guard(more);
  }

  const std::vector<std::string> kSpeech{"--checks", "target,punctuation,long,joins"};
  Json result() const { return read_json(folder / "guard.json"); }
  std::vector<std::string> checked() const {
    std::vector<std::string> names;
    const Json checks = result().at("checks");
    for (const Json& c : checks) names.push_back(c.at("name"));
    return names;
  }
};

TEST_F(Guarding, SaysSafeOfAModelThatIsAsItWas) {
  const Ran r = guard_adapter({"--checks", "silence,noise,repetition,joins"});
  EXPECT_EQ(r.code, 0) << r.output << r.error;
  EXPECT_THAT(r.output,
              HasSubstr("safe to replace: 4 of 4 checks are ok; not checked: target, english, punctuation, long\n"));
  EXPECT_THAT(r.output, Not(HasSubstr("NOT OK")));
  EXPECT_EQ(result().at("ok"), true);
  EXPECT_THAT(checked(), ElementsAre("joins", "silence", "noise", "repetition"));
  const Json checks = result().at("checks");
  for (const Json& c : checks) EXPECT_EQ(c.at("before"), c.at("after")) << c;
  EXPECT_EQ(result().at("adapter"), path("run"));
  EXPECT_EQ(result().at("judges").at("before").at("adapter"), "");
  EXPECT_EQ(result().at("judges").at("after").at("adapter"), path("run"));
}

TEST_F(Guarding, SaysNotSafeWithAnExitCodeOfItsOwn) {
  const Ran r = guard_adapter();  // random weights know no language
  EXPECT_EQ(r.code, kExitNotSafe) << r.output << r.error;
  EXPECT_THAT(r.output, HasSubstr("NOT OK"));
  EXPECT_THAT(r.output, HasSubstr("\nnot safe to replace: target"));
  EXPECT_THAT(r.output, HasSubstr("not checked: english\n"));
  EXPECT_EQ(result().at("ok"), false);
  EXPECT_THAT(result().at("not_checked"), ElementsAre("english"));
  EXPECT_EQ(result().at("utterances"), 3);
}

TEST_F(Guarding, JudgesATunedFolderAsItJudgesItsAdapter) {
  guard_adapter(kSpeech);
  const Json by_adapter = result().at("checks");
  ASSERT_EQ(run({"merge", path("model"), path("run"), path("tuned")}), 0);
  EXPECT_EQ(guard(with(kSpeech, {"--tuned", path("tuned")})).code, kExitNotSafe);
  EXPECT_EQ(result().at("checks"), by_adapter);
  EXPECT_EQ(result().at("tuned"), path("tuned"));
}

TEST_F(Guarding, HearsEnglishWhateverTheModelWasTunedFor) {
  ASSERT_EQ(run({"prepare", path("corpus"), path("english"), "--language", "en"}), 0);
  EXPECT_EQ(guard_adapter({"--english", path("english"), "--checks", "english"}).code, 0);
  EXPECT_THAT(checked(), ElementsAre("english"));
  EXPECT_EQ(result().at("english_utterances"), 14);  // of all splits
  const Ran korean = guard_adapter({"--english", path("data")});
  EXPECT_EQ(korean.code, 3);
  EXPECT_THAT(korean.error, HasSubstr("its language is ko"));
}

TEST_F(Guarding, ShowsTextsOnlyWhenAsked) {
  const std::vector<std::string> target{"--checks", "target"};
  const Ran silent = guard_adapter(target);
  EXPECT_THAT(silent.output + silent.error, Not(HasSubstr("소리 l")));  // a transcript of dev
  EXPECT_THAT(to_text(result()), Not(HasSubstr("소리 l")));
  EXPECT_THAT(guard_adapter(with(target, {"--show-text"})).output, HasSubstr("said   소리 l\n  before "));
}

TEST_F(Guarding, IsTheSameEveryTime) {
  const std::vector<std::string> sounds{"--checks", "silence,target"};
  guard_adapter(sounds);
  const Json once = result();
  guard_adapter(with(sounds, {"--batch", "3"}));
  EXPECT_EQ(result(), once);
}

TEST_F(Guarding, RefusesWhatItCannotDo) {
  struct Case {
    std::vector<std::string> words;
    int code;
    const char* says;
  };
  const std::vector<Case> cases{
      {{}, 2, "--adapter and --tuned"},
      {{"--adapter", path("run"), "--tuned", path("model")}, 2, "--adapter and --tuned"},
      {{"--adapter", path("run"), "--checks", "sound"}, 2, "\"sound\" is not a check"},
      {{"--adapter", path("run"), "--checks", "english"}, 2, "needs English speech"},
      {{"--adapter", path("nowhere")}, 4, "nowhere"},
      {{"--tuned", path("nowhere")}, 4, "is not a folder"},
  };
  for (const Case& c : cases) {
    std::filesystem::remove(folder / "guard.json");
    const Ran r = guard(c.words);
    EXPECT_EQ(r.code, c.code) << c.says;
    EXPECT_THAT(r.error, HasSubstr(c.says));
    EXPECT_FALSE(std::filesystem::exists(folder / "guard.json"));
  }
}

TEST(GuardNames, AreKnownToAReportInKorean) {
  std::vector<std::string> known;
  for (const words::CheckWords& c : words::kKoreanChecks) known.emplace_back(c.name);
  EXPECT_EQ(known, guard_checks());
}

}  // namespace
}  // namespace sori::test
