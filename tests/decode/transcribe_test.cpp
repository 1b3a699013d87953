#include "decode/transcribe.h"

#include <gtest/gtest.h>

#include "audio/sound_files.h"
#include "support/temporary.h"
#include "support/tiny_recognizer.h"

namespace sori::test {
namespace {

using sori::testing::TemporaryFolder;

// A second of sound is the least that cut_windows() cuts to: 50 audio states.
WhisperConfig second_config() {
  WhisperConfig c = tiny_config();
  c.max_source_positions = 50;
  return c;
}

class TranscribeTest : public ::testing::Test {
 protected:
  TranscribeTest() {
    const std::vector<float> sound = noise(3, 60000);  // 3.75 s
    write_sound(folder / "sound.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, kSampleRate, 1, sound);
  }
  TemporaryFolder folder;
  TinyWhisper tiny{second_config()};
  TinyRecognizer recognizer{tiny, 3, 10};
};

TEST_F(TranscribeTest, JoinsTheTextsOfTheWindows) {
  const Transcript t = transcribe(*recognizer.recognizer, folder / "sound.wav");
  const std::vector<float> sound = read_audio(folder / "sound.wav").samples;
  const std::vector<Window> windows = cut_windows(sound, {1});
  ASSERT_EQ(t.parts.size(), windows.size());
  ASSERT_GE(windows.size(), 4u);
  EXPECT_NEAR(t.seconds, 3.75, 1e-6);
  std::string joined;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const auto& [begin, end] = windows[i];
    const Decoded alone = recognizer(
        {{sound.begin() + static_cast<std::ptrdiff_t>(begin), sound.begin() + static_cast<std::ptrdiff_t>(end)}})[0];
    EXPECT_EQ(t.parts[i].text, alone.text);
    EXPECT_EQ(t.parts[i].ended, alone.ended);
    EXPECT_NEAR(t.parts[i].start * kSampleRate, static_cast<double>(begin), 1e-3);
    EXPECT_NEAR(t.parts[i].end * kSampleRate, static_cast<double>(end), 1e-3);
    joined += (joined.empty() ? "" : " ") + alone.text;
  }
  EXPECT_EQ(t.text(), joined);
  EXPECT_GT(joined.size(), 20u);
}

TEST_F(TranscribeTest, ShowsProgressAndTheTextAsItIsWritten) {
  std::string shown;
  double last = 0, all = 0;
  int pieces = 0, calls = 0;
  const Transcript t = transcribe(*recognizer.recognizer, folder / "sound.wav",
                                  {[&](double done, double total) {
                                     EXPECT_GT(done, last);
                                     last = done, all = total, ++calls;
                                   },
                                   [&](const std::string& piece) { shown += piece, ++pieces; }});
  EXPECT_EQ(shown, t.text());
  EXPECT_GT(pieces, std::ssize(t.parts));  // not only at the ends of windows
  EXPECT_EQ(calls, std::ssize(t.parts));
  EXPECT_NEAR(last, all, 1e-6);
  EXPECT_NEAR(last, 3.75, 1e-6);
}

TEST_F(TranscribeTest, OfAMissingFileIsAnErrorThatNamesIt) {
  const auto error = sori::testing::error_of([&] { transcribe(*recognizer.recognizer, folder / "none.wav"); });
  ASSERT_TRUE(error);
  EXPECT_NE(std::string(error->what()).find("none.wav"), std::string::npos);
}

TEST(Transcript, LeavesOutWindowsThatSayNothing) {
  EXPECT_EQ((Transcript{3, {{0, 1, "a"}, {1, 2, ""}, {2, 3, "b"}}}.text()), "a b");
  EXPECT_EQ(Transcript{}.text(), "");
}

}  // namespace
}  // namespace sori::test
