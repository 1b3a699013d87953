#include "decode/file_windows.h"

#include <gtest/gtest.h>

#include <numeric>

#include "audio/sound_files.h"
#include "support/temporary.h"
#include "support/tiny_recognizer.h"

namespace sori::test {
namespace {

using sori::testing::TemporaryFolder;

// 16 bit at 16 kHz, so that what is read is what was written.
std::vector<float> write_noise(const Path& path, std::size_t samples) {
  std::vector<int> pcm(samples);
  std::vector<float> out(samples);
  const std::vector<float> values = noise(1, samples);
  for (std::size_t i = 0; i < samples; ++i) {
    // Louder and softer, so that some places are quieter than others.
    const double envelope = 0.5 + 0.5 * std::sin(static_cast<double>(i) / 3000);
    pcm[i] = static_cast<int>(values[i] * envelope * 32768);
    out[i] = static_cast<float>(pcm[i]) / 32768;
  }
  write_bytes(path, pcm16(pcm));
  return out;
}

TEST(FileWindows, AreThoseOfTheWholeSoundHoweverLong) {
  const TemporaryFolder folder;
  for (const std::size_t n : {std::size_t{1}, std::size_t{16000}, std::size_t{16001}, std::size_t{37 * 16000 + 77}}) {
    const Path path = folder / "sound.pcm";
    const std::vector<float> whole = write_noise(path, n);  // windows of 1 s, blocks of 16 s
    FileWindows file(path, {1, 1});
    EXPECT_NEAR(file.seconds(), static_cast<double>(n) / kSampleRate, 1e-9);
    std::vector<float> samples;
    for (const Window& w : cut_windows(whole, {1})) {
      ASSERT_TRUE(file.next(samples));
      EXPECT_NEAR(file.begin() * kSampleRate, static_cast<double>(w.begin), 1e-3);
      EXPECT_NEAR(file.end() * kSampleRate, static_cast<double>(w.end), 1e-3);
      ASSERT_EQ(samples, std::vector<float>(whole.begin() + static_cast<std::ptrdiff_t>(w.begin),
                                            whole.begin() + static_cast<std::ptrdiff_t>(w.end)));
    }
    EXPECT_FALSE(file.next(samples));
    EXPECT_FALSE(file.next(samples));
  }
}

// A block begins where the last window ended, in the middle of sound: what is resampled there must not begin anew.
TEST(FileWindows, OfAnotherSampleRateAreThoseOfTheWholeSound) {
  const TemporaryFolder folder;
  for (const int rate : {44100, 11025, 48000}) {
    for (const double start : {0.0, 0.7}) {
      const Path path = folder / "sound.wav";
      write_sound(path, SF_FORMAT_WAV | SF_FORMAT_FLOAT, rate, 1, sine(1000, 0.5, 50, rate));  // no place is quiet
      const std::vector<float> whole = read_audio(path, {.start = start}).samples;
      FileWindows file(path, {1, 1}, start);
      std::vector<float> all, samples;
      while (file.next(samples)) {
        EXPECT_NEAR((file.begin() - start) * kSampleRate, static_cast<double>(all.size()), 1e-3);
        all.insert(all.end(), samples.begin(), samples.end());
      }
      ASSERT_EQ(all.size(), whole.size()) << rate;
      double worst = 0;
      for (std::size_t i = 0; i < all.size(); ++i)
        worst = std::max(worst, std::abs(static_cast<double>(all[i]) - whole[i]));
      // soxr's high quality is good for 20 bits of full scale, on either side.
      EXPECT_LE(worst, 2 * 0x1p-20) << rate << " from " << start;
    }
  }
}

TEST(FileWindows, OfAPartStayInside) {
  const TemporaryFolder folder;
  const Path path = folder / "sound.pcm";
  const std::vector<float> whole = write_noise(path, 5 * 16000);
  FileWindows file(path, {}, 1.5, 2.25);
  std::vector<float> samples;
  ASSERT_TRUE(file.next(samples));
  EXPECT_EQ(samples, std::vector<float>(whole.begin() + 24000, whole.begin() + 36000));
  EXPECT_EQ(file.begin(), 1.5);
  EXPECT_FALSE(file.next(samples));
}

// What fits a window is not cut; what does not is cut into shorter pieces.
TEST(FileWindows, OfLongRecordingsAreOfThePractisedLength) {
  const TemporaryFolder folder;
  const Path path = folder / "sound.pcm";
  const std::vector<float> whole = write_noise(path, 5 * 16000);
  const auto count = [&](const WindowLength& length) {
    FileWindows file(path, length);
    std::vector<float> samples;
    std::vector<std::size_t> sizes;
    while (file.next(samples)) sizes.push_back(samples.size());
    return sizes;
  };
  EXPECT_EQ(count({.whole = 5, .piece = 2}), std::vector<std::size_t>{whole.size()});
  const std::vector<std::size_t> pieces = count({.whole = 4.9, .piece = 2});
  EXPECT_GE(pieces.size(), 3u);
  EXPECT_EQ(std::accumulate(pieces.begin(), pieces.end(), std::size_t{0}), whole.size());
  for (const std::size_t n : pieces) EXPECT_LE(n, 2u * 16000);
}

TEST(FileWindows, OfAnUnreadableFileAreAnErrorThatNamesIt) {
  const TemporaryFolder folder;
  write_bytes(folder / "sound.wav", "RIFF is not enough");
  const auto error = sori::testing::error_of([&] { FileWindows(folder / "sound.wav", {}); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kInput);
  EXPECT_NE(std::string(error->what()).find("sound.wav"), std::string::npos);
}

}  // namespace
}  // namespace sori::test
