#include "audio/windows.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/rng.h"

namespace sori {
namespace {

std::vector<float> noise(double seconds, double amplitude, std::uint64_t seed = 1) {
  const Rng rng(seed, Draw::kNoise);
  std::vector<float> out(static_cast<std::size_t>(seconds * 16000));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(amplitude * (2 * rng.uniform(i) - 1));
  return out;
}

void silence(std::vector<float>& samples, double from, double to) {
  std::fill(samples.begin() + static_cast<std::ptrdiff_t>(from * 16000),
            samples.begin() + static_cast<std::ptrdiff_t>(to * 16000), 0.0f);
}

TEST(CutWindows, AudioThatFitsIsOneWindowAndNoAudioIsNone) {
  EXPECT_TRUE(cut_windows({}).empty());
  for (const std::size_t size : {std::size_t{1}, std::size_t{479999}, std::size_t{480000}}) {
    const std::vector<Window> windows = cut_windows(std::vector<float>(size, 0.1f));
    ASSERT_EQ(windows.size(), 1u);
    EXPECT_EQ(windows[0].begin, 0u);
    EXPECT_EQ(windows[0].end, size);
  }
}

TEST(CutWindows, CutsInThePauseOfTheLastThird) {
  std::vector<float> samples = noise(40, 0.3);
  silence(samples, 10.0, 11.0);  // too early to be worth a cut
  silence(samples, 24.0, 24.4);
  const std::vector<Window> windows = cut_windows(samples);
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_GE(windows[0].end, 24.14 * 16000);  // 0.15 s of silence on both sides, to a step of 10 ms
  EXPECT_LE(windows[0].end, 24.26 * 16000);
}

// A short window has its pause wherever the sentence ends: all but its first third is looked at.
TEST(CutWindows, LooksForAPauseInEightSeconds) {
  std::vector<float> samples = noise(40, 0.3);
  silence(samples, 4.0, 4.5);
  std::vector<Window> windows = cut_windows(samples, {10});
  EXPECT_GE(windows[0].end, 4.14 * 16000);
  EXPECT_LE(windows[0].end, 4.36 * 16000);
  windows = cut_windows(samples, {13});  // 5 s and more
  EXPECT_GE(windows[0].end, 5 * 16000);
}

// In the middle of the first pause, not in the deepest or latest; without a pause, where it is quietest.
TEST(CutWindows, CutsAtTheFirstPauseWhereAsked) {
  std::vector<float> samples = noise(40, 0.3);
  for (std::size_t i = 5 * 16000; i < 6 * 16000; ++i) samples[i] *= 0.05f;  // 26 dB down
  silence(samples, 8.0, 9.0);
  std::vector<Window> windows = cut_windows(samples, {10, true});
  EXPECT_NEAR(static_cast<double>(windows[0].end), 5.5 * 16000, 0.02 * 16000);
  windows = cut_windows(samples, {10});
  EXPECT_GE(windows[0].end, 8.14 * 16000);
  std::vector<float> loud = noise(40, 0.3);
  for (std::size_t i = 7 * 16000; i < 8 * 16000; ++i) loud[i] *= 0.5f;  // 6 dB down is no pause
  EXPECT_EQ(cut_windows(loud, {10, true})[0].end, cut_windows(loud, {10})[0].end);
}

TEST(CutWindows, PrefersALongPauseToAShortDip) {
  std::vector<float> samples = noise(40, 0.3);
  silence(samples, 22.0, 22.05);
  for (std::size_t i = 26 * 16000; i < 26.5 * 16000; ++i) samples[i] *= 0.1f;
  const std::vector<Window> windows = cut_windows(samples);
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_GE(windows[0].end, 26.1 * 16000);
  EXPECT_LE(windows[0].end, 26.4 * 16000);
}

TEST(CutWindows, CoversEverySampleOnceWhateverTheLength) {
  const std::vector<float> all = noise(100, 0.2);
  for (const double max_seconds : {1.0, 1.013, 2.5, 30.0})
    for (const std::size_t size : {16000u, 16001u, 16160u, 17000u, 40001u, 480001u, 480160u, 500000u, 1600000u}) {
      const std::span<const float> samples(all.data(), size);
      std::size_t expected = 0;
      for (const Window& w : cut_windows(samples, {max_seconds})) {
        EXPECT_EQ(w.begin, expected);
        EXPECT_GT(w.end, w.begin);
        EXPECT_LE(static_cast<double>(w.end - w.begin), max_seconds * 16000);
        expected = w.end;
      }
      EXPECT_EQ(expected, size);
    }
}

TEST(CutWindows, NeverLeavesAScrapOfSilenceAtTheEnd) {
  std::vector<float> samples = noise(30.1, 0.3);
  silence(samples, 29.0, 30.1);
  const std::vector<Window> windows = cut_windows(samples);
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_GE(windows[1].end - windows[1].begin, 16000u);
}

TEST(CutWindows, SilenceIsCutAsLateAsPossible) {
  const std::vector<Window> windows = cut_windows(std::vector<float>(70 * 16000, 0.0f));
  ASSERT_EQ(windows.size(), 3u);
  EXPECT_EQ(windows[0].end, 480000u);
  EXPECT_EQ(windows[1].end, 960000u);
}

TEST(CutWindows, RefusesWindowsUnderASecond) { EXPECT_THROW(cut_windows(std::vector<float>(10), {0.5}), Bug); }

}  // namespace
}  // namespace sori
