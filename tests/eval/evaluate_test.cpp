#include "eval/evaluate.h"

#include <gtest/gtest.h>

#include "audio/sound_files.h"
#include "decode/transcribe.h"
#include "support/temporary.h"
#include "support/tiny_recognizer.h"

namespace sori::test {
namespace {

using sori::testing::TemporaryFolder;

WhisperConfig second_config() {  // windows of a second, the least that audio is cut to
  WhisperConfig c = tiny_config();
  c.max_source_positions = 50;
  return c;
}

class Evaluation : public ::testing::Test {
 protected:
  Evaluation() {
    const double seconds[] = {0.4, 0.9, 2.6, 0.1};
    for (std::size_t i = 0; i < 4; ++i) {
      Utterance u;
      u.id = fmt::format("u{}", i);
      u.audio = (folder / fmt::format("{}.wav", i)).string();
      u.duration = seconds[i];
      u.text = fmt::format("문장 {}", i);
      write_sound(u.audio, SF_FORMAT_WAV | SF_FORMAT_FLOAT, kSampleRate, 1,
                  noise(i, static_cast<std::size_t>(seconds[i] * kSampleRate)));
      utterances.push_back(u);
    }
  }

  TemporaryFolder folder;
  TinyWhisper tiny{second_config()};
  TinyRecognizer recognizer{tiny, 3, 10};
  std::vector<Utterance> utterances;
};

TEST_F(Evaluation, ScoresTheTextThatTranscriptionWrites) {
  const EvalResult result = evaluate(*recognizer.recognizer, utterances);
  ASSERT_EQ(result.predictions.size(), 4u);
  Score sum;
  for (std::size_t i = 0; i < 4; ++i) {
    const Transcript t = transcribe(*recognizer.recognizer, utterances[i].audio);
    EXPECT_EQ(result.predictions[i].text, t.text()) << i;
    EXPECT_EQ(t.parts.size() > 1, i == 2);  // the long one is cut
    sum += score_pair(utterances[i].text, t.text());
  }
  EXPECT_EQ(result.score.cer, sum.cer);
  EXPECT_EQ(result.score.cer_with_blanks, sum.cer_with_blanks);
  EXPECT_EQ(result.score.wer, sum.wer);
  EXPECT_EQ(result.score.cer.reference_length, 4 * 3);
  EXPECT_NEAR(result.audio_seconds, 4.0, 1e-6);
  EXPECT_EQ(result.max_new_tokens, 10);
}

TEST_F(Evaluation, OfAPerfectModelIsZero) {
  for (Utterance& u : utterances) u.text = transcribe(*recognizer.recognizer, u.audio).text();
  const EvalResult result = evaluate(*recognizer.recognizer, utterances);
  EXPECT_EQ(result.score.cer.errors(), 0);
  EXPECT_EQ(result.score.wer.errors(), 0);
}

TEST_F(Evaluation, HearsOnlyThePartOfAFileThatAnUtteranceIs) {
  const std::vector<float> whole = read_audio(utterances[2].audio).samples;
  Utterance part = utterances[2];
  part.cut = true, part.offset = 1, part.duration = 0.5;
  const EvalResult result = evaluate(*recognizer.recognizer, {part});
  EXPECT_EQ(result.predictions[0].text, recognizer({{whole.begin() + 16000, whole.begin() + 24000}})[0].text);
  EXPECT_NEAR(result.audio_seconds, 0.5, 1e-6);
}

TEST_F(Evaluation, TellsProgressOnceAnUtterance) {
  std::vector<std::size_t> seen;
  evaluate(*recognizer.recognizer, utterances, [&](std::size_t done, std::size_t all) {
    seen.push_back(done);
    EXPECT_EQ(all, 4u);
  });
  EXPECT_EQ(seen, (std::vector<std::size_t>{1, 2, 3, 4}));
}

TEST_F(Evaluation, RefusesAnUnreadableFileBeforeItDecodes) {
  utterances[3].text = "secret";
  write_bytes(utterances[3].audio, "RIFF, and nothing else");
  const auto error = sori::testing::error_of([&] { evaluate(*recognizer.recognizer, utterances); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kInput);
  EXPECT_NE(std::string(error->what()).find("utterance u3"), std::string::npos) << error->what();
  EXPECT_EQ(std::string(error->what()).find("secret"), std::string::npos);
  EXPECT_EQ(recognizer.recognizer->work().windows, 0);
  std::filesystem::remove(utterances[3].audio);
  const auto missing = sori::testing::error_of([&] { evaluate(*recognizer.recognizer, utterances); });
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->kind(), ErrorKind::kInput);
}

TEST_F(Evaluation, OfNothingIsNothing) {
  const EvalResult result = evaluate(*recognizer.recognizer, {});
  EXPECT_TRUE(result.predictions.empty());
  EXPECT_EQ(to_json(result).at("utterances"), 0);
}

Prediction prediction(std::int64_t errors, std::int64_t length, bool ended = true) {
  Prediction p;
  p.score.cer = {errors, 0, 0, length};
  p.ended = ended;
  return p;
}

TEST(EvalResult, FindsTheWorst) {
  EvalResult r;
  r.predictions = {prediction(1, 10), prediction(5, 10), prediction(1, 2), prediction(9, 9), prediction(5, 10)};
  EXPECT_EQ(worst(r, 3), (std::vector<std::size_t>{3, 1, 4}));  // 1/2 ties with 5/10, which has more errors
  EXPECT_EQ(worst(r, 99).size(), 5u);
}

TEST(EvalResult, BecomesJson) {
  EvalResult r;
  r.predictions = {prediction(1, 4), prediction(2, 4, false)};
  for (const Prediction& p : r.predictions) r.score += p.score;
  r.score.wer = {1, 2, 3, 12};
  r.audio_seconds = 1800, r.wall_seconds = 5, r.max_new_tokens = 128;
  const Json json = to_json(r);
  EXPECT_EQ(json.at("cer").at("rate"), 0.375);
  EXPECT_EQ(json.at("cer").at("reference_length"), 8);
  EXPECT_EQ(json.at("wer").at("substitutions"), 1);
  EXPECT_EQ(json.at("wer").at("deletions"), 2);
  EXPECT_EQ(json.at("wer").at("insertions"), 3);
  EXPECT_EQ(json.at("wer").at("rate"), 0.5);
  EXPECT_TRUE(json.contains("cer_with_blanks"));
  EXPECT_EQ(json.at("normaliser"), "sori-ko/1");
  EXPECT_EQ(json.at("utterances"), 2);
  EXPECT_EQ(json.at("hours"), 0.5);
  EXPECT_EQ(json.at("max_new_tokens"), 128);
  EXPECT_EQ(json.at("cut_off"), 1);
  EXPECT_EQ(json.at("seconds_per_utterance"), 2.5);
  EXPECT_GT(json.at("peak_resident_bytes").get<std::uint64_t>(), 0u);
}

TEST(Predictions, AreALineForEachUtterance) {
  const TemporaryFolder folder;
  std::vector<Utterance> utterances(2);
  utterances[0].id = "a", utterances[0].audio = "/x/a.wav", utterances[0].text = "가";
  utterances[1].id = "b", utterances[1].audio = "/x/\xFF.wav";
  EvalResult r;
  r.predictions = {prediction(1, 2), prediction(0, 1)};
  r.predictions[0].text = "각";
  write_predictions(folder / "p.jsonl", utterances, r);
  const std::string text = read_file(folder / "p.jsonl");
  const auto lines = split_lines(text);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(parse_json(lines[0], "p"),
            (Json{{"id", "a"}, {"audio_filepath", "/x/a.wav"}, {"text", "가"}, {"pred_text", "각"}, {"cer", 0.5}}));
  EXPECT_TRUE(parse_json(lines[1], "p").contains("audio_filepath_bytes"));
}

}  // namespace
}  // namespace sori::test
