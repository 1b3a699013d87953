#include "eval/guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/tiny_world.h"
#include "eval/evaluate.h"
#include "support/tiny_recognizer.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;

Heard heard(const std::string& said, const std::string& text, double seconds = 60, bool ended = true) {
  return {"a sound", said, text, seconds, ended};
}

// Of a model that does everything well.
Behaviour good() {
  return {{Part::kSilence, {heard("", "")}},
          {Part::kNoise, {heard("", "")}},
          {Part::kSpeech, {heard("가나다라.", "가나다라."), heard("마바사아", "마바사아.")}},
          {Part::kLong, {heard("가나다라. 마바사아", "가나다라. 마바사아.")}},
          {Part::kEnglish, {heard("One two three four.", "one, two three four.")}}};
}

const std::set<std::string> kAll{"target", "english", "punctuation", "long", "joins", "silence", "noise", "repetition"};

GuardCheck check(const std::string& name, const Behaviour& before, const Behaviour& after) {
  const std::vector<GuardCheck> one = compare(before, after, {name});
  EXPECT_EQ(one.size(), 1u) << name;
  return one.at(0);
}

GuardCheck check_after(const std::string& name, Part part, const std::vector<Heard>& now) {
  Behaviour after = good();
  after[part] = now;
  return check(name, good(), after);
}

TEST(Guard, IsContentWithAModelThatBehavesAsBefore) {
  const std::vector<GuardCheck> checks = compare(good(), good(), kAll);
  ASSERT_EQ(checks.size(), guard_checks().size());
  for (std::size_t i = 0; i < checks.size(); ++i) {
    EXPECT_EQ(checks[i].name, guard_checks()[i]);
    EXPECT_TRUE(checks[i].ok()) << checks[i].name;
    EXPECT_EQ(checks[i].before, checks[i].after) << checks[i].name;
  }
  EXPECT_TRUE(is_safe(checks));
}

TEST(Guard, OneFailureIsEnough) {
  std::vector<GuardCheck> checks = compare(good(), good(), kAll);
  checks[3].after = 2 * checks[3].limit - checks[3].after - 1;  // on the other side of its limit
  EXPECT_FALSE(checks[3].ok());
  EXPECT_FALSE(is_safe(checks));
}

TEST(Guard, CountsLettersThatAreMadeUpOfSilenceAndNoise) {
  for (const auto& [name, part] : {std::pair("silence", Part::kSilence), std::pair("noise", Part::kNoise)}) {
    // 5 letters in 30 s and none in the other 30 s; marks and blanks are no letters.
    const GuardCheck few = check_after(name, part, {heard("", "음, 뉴스 12.", 30), heard("", "", 30)});
    EXPECT_EQ(few.after, 5) << name;
    EXPECT_TRUE(few.ok()) << name;
    const GuardCheck many = check_after(name, part, {heard("", "시청해 주셔서 감사합니다", 12)});
    EXPECT_EQ(many.after, 55) << name;
    EXPECT_FALSE(many.ok()) << name;
  }
}

TEST(Guard, AsksNoMoreOfSilenceThanTheUntunedModelGave) {
  Behaviour before = good();
  before[Part::kSilence] = {heard("", std::string(100, 'a'))};
  EXPECT_EQ(check("silence", before, before).limit, 100);
  EXPECT_TRUE(check("silence", before, before).ok());
}

TEST(Guard, WantsTheTargetLanguageToBeKnownAndNoWorse) {
  const GuardCheck worse = check_after("target", Part::kSpeech, {heard("가나다라", "가나다마"), heard("마바", "마바")});
  EXPECT_DOUBLE_EQ(worse.after, 1.0 / 6);
  EXPECT_FALSE(worse.ok());
  // Writing nothing is 100 %, which is less than a model that repeats itself had, and no knowledge at all.
  Behaviour before = good(), after = good();
  before[Part::kSpeech] = {heard("가나", "다다다다다다")};
  after[Part::kSpeech] = {heard("가나", "")};
  EXPECT_FALSE(check("target", before, after).ok());
  after[Part::kSpeech] = {heard("가나", "가")};
  EXPECT_TRUE(check("target", before, after).ok());
}

TEST(Guard, AllowsAFewWordsOfEnglishToBeForgotten) {
  std::string words = "one";
  for (int i = 1; i < 40; ++i) words += " one";
  Behaviour before = good(), after = good();
  before[Part::kEnglish] = {heard(words, words)};
  after[Part::kEnglish] = {heard(words, words.substr(8))};
  EXPECT_DOUBLE_EQ(check("english", before, after).after, 2.0 / 40);
  EXPECT_TRUE(check("english", before, after).ok());
  after[Part::kEnglish] = {heard(words, words.substr(12))};
  EXPECT_FALSE(check("english", before, after).ok());
}

TEST(Guard, FindsMarksAtTheEndOfTexts) {
  const auto share = [](const std::vector<std::string>& texts) {
    std::vector<Heard> all;
    for (const std::string& t : texts) all.push_back(heard("가.", t));
    return check_after("punctuation", Part::kSpeech, all).after;
  };
  EXPECT_EQ(share({"가.", "가?", "가!\"", "가… ", "가。"}), 1);
  EXPECT_EQ(share({"가", "가, 나", "가.나", "", "."}), 0.2);  // a mark alone ends a text too
}

TEST(Guard, MissesMarksOnlyWhereTheyAreTaught) {
  Behaviour before = good(), after = good();
  const auto says = [](const std::string& said, const std::string& text) {
    return std::vector<Heard>(10, heard(said, text));
  };
  before[Part::kSpeech] = says("가.", "가."), after[Part::kSpeech] = says("가.", "가");
  const GuardCheck lost = check("punctuation", before, after);
  EXPECT_FALSE(lost.ok());
  EXPECT_EQ(lost.taught, 1);
  before[Part::kSpeech] = says("가", "가."), after[Part::kSpeech] = says("가", "가");
  const GuardCheck unlearnt = check("punctuation", before, after);
  EXPECT_EQ(unlearnt.before, 1);
  EXPECT_EQ(unlearnt.after, 0);
  EXPECT_TRUE(unlearnt.ok());
  EXPECT_EQ(unlearnt.taught, 0);
}

TEST(Guard, SeesTextThatIsLostInLongRecordings) {
  const GuardCheck half = check_after("long", Part::kLong, {heard("가나다라. 마바사아", "가나다라.")});
  EXPECT_EQ(half.after, 0.5);
  EXPECT_FALSE(half.ok());
  EXPECT_FALSE(half.taught);
  const GuardCheck same = check_after("joins", Part::kLong, {heard("가나다라. 마바사아", "가나다라.")});
  EXPECT_EQ(same.after, 0.5);
  EXPECT_FALSE(same.ok());
}

TEST(Guard, BlamesJoinsOnlyForWhatThePartsHadRight) {
  Behaviour after = good();
  after[Part::kSpeech] = {heard("가나다라", "가나"), heard("마바사아", "마바")};
  after[Part::kLong] = {heard("가나다라 마바사아", "가나 마바")};
  EXPECT_EQ(check("joins", good(), after).after, 0);
}

TEST(Guard, CountsTextsThatRunIntoTheLimit) {
  Behaviour after = good();
  EXPECT_EQ(check("repetition", good(), after).after, 0);
  after[Part::kLong][0].ended = after[Part::kSilence][0].ended = false;
  EXPECT_DOUBLE_EQ(check("repetition", good(), after).after, 2.0 / 6);
  EXPECT_FALSE(check("repetition", good(), after).ok());
  EXPECT_TRUE(check("repetition", after, after).ok());
}

TEST(Guard, KnowsWhatItsChecksHear) {
  EXPECT_EQ(parts_of({"silence", "english"}), (std::set<Part>{Part::kSilence, Part::kEnglish}));
  EXPECT_EQ(parts_of({"joins"}), (std::set<Part>{Part::kSpeech, Part::kLong}));
  const auto error = sori::testing::error_of([] { parts_of({"sound"}); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kUsage);
  EXPECT_THAT(error->what(), HasSubstr("repetition"));
}

TEST(Guard, BecomesJson) {
  GuardCheck c{"long", "recordings", "letters", 1, 0.5, 0.9, false, 0.25};
  EXPECT_EQ(to_json(c), (Json{{"name", "long"},
                              {"title", "recordings"},
                              {"measure", "letters"},
                              {"before", 1.0},
                              {"after", 0.5},
                              {"limit", 0.9},
                              {"bound", "at least"},
                              {"ok", false},
                              {"taught", 0.25}}));
}

DecodeRules letters_only() {  // of the 256 bytes, so that texts can differ
  DecodeRules rules;
  for (int byte = 0; byte < 256; ++byte)
    if (byte < 'a' || byte > 'z') rules.suppress.push_back(byte);
  return rules;
}

class Behaving : public ::testing::Test {
 protected:
  Behaving() {
    for (const char* id : {"a", "b"}) {
      Utterance u;
      u.id = id;
      u.audio = (folder / id).string();
      u.duration = 0.4;
      u.text = "가 나";
      write_sound(u.audio, SF_FORMAT_WAV | SF_FORMAT_FLOAT, kSampleRate, 1, noise(u.id[0] == 'a' ? 1 : 2, 6400));
      utterances.push_back(u);
    }
  }

  std::vector<std::string> texts(const std::string& language) {
    const auto prompt = recognizer.recognizer->set_prompt(prompt_tokens(recognizer.tokenizer, language, "transcribe"));
    std::vector<std::string> all;
    for (const Prediction& p : evaluate(*recognizer.recognizer, utterances).predictions) all.push_back(p.text);
    recognizer.recognizer->set_prompt(prompt);
    return all;
  }
  static std::vector<std::string> texts(const std::vector<Heard>& sounds) {
    std::vector<std::string> all;
    for (const Heard& h : sounds) all.push_back(h.text);
    return all;
  }

  TemporaryFolder folder;
  TinyWhisper tiny{second_config()};
  TinyRecognizer recognizer{tiny, 3, 10, letters_only()};
  std::vector<Utterance> utterances;
};

TEST_F(Behaving, HearsEachPartInItsLanguage) {
  ASSERT_NE(texts("ko"), texts("en"));
  const Battery battery = make_battery({Part::kSpeech, Part::kEnglish}, utterances, utterances);
  std::vector<std::size_t> told;
  const Behaviour b = behave(*recognizer.recognizer, battery, [&](std::size_t done, std::size_t all) {
    told.push_back(done);
    EXPECT_EQ(all, 4u);
  });
  EXPECT_EQ(texts(b.at(Part::kSpeech)), texts("ko"));
  EXPECT_EQ(texts(b.at(Part::kEnglish)), texts("en"));
  EXPECT_EQ(b.size(), 2u);
  EXPECT_EQ(told, (std::vector<std::size_t>{1, 2, 3, 4}));
  EXPECT_EQ(recognizer.recognizer->set_prompt(recognizer.prompt), recognizer.prompt);
  EXPECT_EQ(b.at(Part::kSpeech)[1].said, "가 나");
  EXPECT_EQ(b.at(Part::kSpeech)[1].seconds, 0.4);
}

TEST_F(Behaving, JoinsWhatIsSpoken) {
  const Battery battery = make_battery({Part::kLong}, utterances, {});
  EXPECT_EQ(battery.size(), 1u);
  EXPECT_EQ(battery.made.at(Part::kLong).at(0).said, "가 나 가 나");
}

}  // namespace
}  // namespace sori::test
