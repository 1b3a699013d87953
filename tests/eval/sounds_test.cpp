#include "eval/sounds.h"

#include <gtest/gtest.h>

#include "audio/noise.h"
#include "audio/windows.h"
#include "cli/tiny_world.h"
#include "support/tiny_recognizer.h"

namespace sori::test {
namespace {

std::vector<Utterance> lasting(const std::vector<double>& seconds) {
  std::vector<Utterance> all;
  for (const double s : seconds) {
    Utterance u;
    u.id = fmt::format("u{}", all.size());
    u.text = fmt::format("말 {}", all.size());
    u.duration = s;
    all.push_back(u);
  }
  return all;
}

std::vector<std::string> said(const std::vector<Sound>& sounds) {
  std::vector<std::string> all;
  for (const Sound& s : sounds) all.push_back(s.said);
  return all;
}

TEST(Joined, LastsAMinuteAndWhatTheLastUtteranceAdds) {
  const std::vector<std::string> expected{"말 0 말 1 말 2", "말 3 말 4 말 5"};
  EXPECT_EQ(said(joined(lasting({25, 25, 25, 30, 29.4, 30}))), expected);  // the pauses count too
}

TEST(Joined, LeavesNoUtteranceOut) {
  EXPECT_EQ(said(joined(lasting({70, 20, 30}))), (std::vector<std::string>{"말 0 말 1 말 2"}));
  EXPECT_EQ(said(joined(lasting({5, 6}))), (std::vector<std::string>{"말 0 말 1"}));
  EXPECT_TRUE(joined({}).empty());
}

TEST(Joined, IsThePartsWithPausesBetween) {
  const TemporaryFolder folder;
  std::vector<Utterance> parts = lasting({0.5, 0.25});
  std::vector<std::vector<float>> samples;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    parts[i].audio = (folder / fmt::format("{}.wav", i)).string();
    samples.push_back(noise(i, 8000));
    write_sound(parts[i].audio, SF_FORMAT_WAV | SF_FORMAT_FLOAT, kSampleRate, 1, samples[i]);
  }
  parts[1].cut = true, parts[1].offset = 0.25;  // the second half of its file
  std::vector<float> expected = samples[0];
  expected.resize(8000 + static_cast<std::size_t>(kPauseSeconds * kSampleRate));
  expected.insert(expected.end(), samples[1].begin() + 4000, samples[1].end());
  EXPECT_EQ(joined(parts).at(0).samples(), expected);
}

TEST(Silences, AndNoisesHaveTheirLengthsAndNoWords) {
  for (const auto& sounds : {silences(), noises()}) {
    double seconds = 0;
    for (const Sound& s : sounds) {
      seconds += static_cast<double>(s.samples().size()) / kSampleRate;
      EXPECT_EQ(s.said, "");
      EXPECT_EQ(s.samples(), s.samples()) << s.id;
    }
    EXPECT_EQ(seconds, 3 * (30 + 5));
  }
}

TEST(Hear, WritesWhatTheWindowsOfASoundSay) {
  TinyWhisper tiny{second_config()};
  TinyRecognizer recognizer{tiny, 3, 10};
  const std::vector<float> whole = noise(1, 41600), shorter = noise(2, 9000);
  std::size_t told = 0;
  const std::vector<Heard> heard =
      hear(*recognizer.recognizer, {{"long", "가", [&] { return whole; }}, {"short", "", [&] { return shorter; }}},
           [&] { ++told; });
  std::vector<std::vector<float>> windows;
  for (const Window& w : cut_windows(whole, {1}))
    windows.emplace_back(whole.begin() + static_cast<std::ptrdiff_t>(w.begin),
                         whole.begin() + static_cast<std::ptrdiff_t>(w.end));
  std::string text;
  bool ended = true;
  for (const Decoded& d : recognizer(windows)) {
    if (!d.text.empty()) text += (text.empty() ? "" : " ") + d.text;
    ended = ended && d.ended;
  }
  ASSERT_EQ(heard.size(), 2u);
  EXPECT_GT(windows.size(), 2u);
  EXPECT_EQ(heard[0].text, text);
  EXPECT_EQ(heard[0].ended, ended);
  EXPECT_EQ(heard[0].said, "가");
  EXPECT_EQ(heard[0].seconds, 2.6);
  EXPECT_EQ(heard[1].id, "short");
  EXPECT_EQ(heard[1].text, recognizer({shorter})[0].text);
  EXPECT_EQ(told, 2u);
}

}  // namespace
}  // namespace sori::test
