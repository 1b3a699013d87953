#include "audio/log_mel.h"

#include <gtest/gtest.h>

#include <complex>
#include <numbers>
#include <thread>
#include <vector>

#include "base/rng.h"

namespace sori {
namespace {

std::vector<float> noise(std::size_t count, double amplitude, std::uint64_t seed = 1) {
  const Rng rng(seed, Draw::kNoise);
  std::vector<float> out(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<float>(amplitude * (2 * rng.uniform(i) - 1));
  return out;
}

// [frames, M]
std::vector<float> log_mel(const std::vector<float>& samples, std::int64_t frames, int mel_bins = 80) {
  std::vector<float> out(static_cast<std::size_t>(frames * mel_bins), -99.0f);
  LogMel(mel_bins).compute(samples, Mat(out.data(), frames, mel_bins));
  return out;
}

// The definition, term by term: O(n^2) Fourier sums over the zero-padded, mirrored window.
std::vector<double> definition(std::vector<float> samples, std::int64_t frames, int mel_bins) {
  const std::int64_t n = frames * 160;
  samples.resize(static_cast<std::size_t>(n), 0.0f);
  const MelFilters filters(mel_bins);
  std::vector<double> out;
  double loudest = -1e9;
  for (std::int64_t t = 0; t < frames; ++t) {
    std::array<double, 201> power{};
    for (int k = 0; k <= 200; ++k) {
      std::complex<double> sum = 0;
      for (int j = 0; j < 400; ++j) {
        std::int64_t i = t * 160 + j - 200;
        if (i < 0) i = -i;
        if (i >= n) i = 2 * (n - 1) - i;
        const double hann = std::pow(std::sin(std::numbers::pi * j / 400), 2);
        sum += hann * samples[static_cast<std::size_t>(i)] *
               std::polar(1.0, -2 * std::numbers::pi * ((k * j) % 400) / 400);
      }
      power[static_cast<std::size_t>(k)] = std::norm(sum);
    }
    for (int m = 0; m < mel_bins; ++m) out.push_back(std::log10(std::max(1e-10, filters.apply(m, power))));
  }
  for (const double x : out) loudest = std::max(loudest, x);
  for (double& x : out) x = (std::max(x, loudest - 8) + 4) / 4;
  return out;
}

// log10 of at most 10 is kept in f32 (half an ulp), then a maximum, a sum and a quotient of at most 3.5 are rounded.
constexpr double kF32 = std::numeric_limits<float>::epsilon();
constexpr double kRounding = kF32 * (10.0 / 2 / 4 + 3 * 3.5 / 2);

struct Shape {
  std::size_t samples;
  std::int64_t frames;
  int mel_bins;
};

class LogMelShapes : public testing::TestWithParam<Shape> {};

TEST_P(LogMelShapes, EqualsTheDefinition) {
  const Shape& s = GetParam();
  const std::vector<float> samples = noise(s.samples, 0.3);
  const std::vector<float> ours = log_mel(samples, s.frames, s.mel_bins);
  const std::vector<double> truth = definition(samples, s.frames, s.mel_bins);
  ASSERT_EQ(ours.size(), truth.size());
  for (std::size_t i = 0; i < ours.size(); ++i)
    ASSERT_NEAR(ours[i], truth[i], kRounding)
        << "frame " << i / static_cast<std::size_t>(s.mel_bins) << " mel " << i % static_cast<std::size_t>(s.mel_bins);
}

// Windows that are full (both mirrors hear sound), partly filled, nearly empty, and the shortest there is.
INSTANTIATE_TEST_SUITE_P(Shapes, LogMelShapes,
                         testing::Values(Shape{1600, 10, 80}, Shape{1600, 10, 128}, Shape{1599, 10, 80},
                                         Shape{801, 12, 80}, Shape{1, 4, 80}, Shape{320, 2, 80}, Shape{319, 2, 128},
                                         Shape{2403, 40, 80}));

TEST(LogMel, QuietPartsAreLimitedToEightDecadesBelowTheLoudest) {
  std::vector<float> samples = noise(3200, 0.5);
  std::fill(samples.begin() + 1600, samples.end(), 0.0f);
  const std::vector<float> mel = log_mel(samples, 20);
  const auto [least, most] = std::minmax_element(mel.begin(), mel.end());
  EXPECT_NEAR(*most - *least, 8.0 / 4, kRounding);
}

TEST(LogMel, SilenceAndNothingAreTheSame) {
  for (const float x : log_mel(std::vector<float>(1600, 0.0f), 10)) EXPECT_EQ(x, -1.5f);  // (log10(1e-10) + 4) / 4
  for (const float x : log_mel({}, 10)) EXPECT_EQ(x, -1.5f);
}

TEST(LogMel, AShorterWindowGivesTheFramesOfALongerOneWhereTheSoundIsFarFromItsEnd) {
  const std::vector<float> samples = noise(8000, 0.3);
  const std::vector<float> brief = log_mel(samples, 60), full = log_mel(samples, kWindowFrames);
  EXPECT_TRUE(std::equal(brief.begin(), brief.end(), full.begin()));
}

TEST(LogMel, AToneLiesInItsBandAtEveryFrame) {
  std::vector<float> tone(16000);
  for (std::size_t i = 0; i < tone.size(); ++i)
    tone[i] = static_cast<float>(0.5 * std::sin(2 * std::numbers::pi * 1000 * static_cast<double>(i) / 16000));
  const std::vector<float> mel = log_mel(tone, 100);
  // 1 kHz is mel 15 of 45.245; the 80 peaks are 45.245 / 81 apart, the first at one such step: 15 / 0.5586 - 1 = 25.85.
  for (std::size_t t = 2; t < 98; ++t) {
    const auto row = mel.begin() + static_cast<std::ptrdiff_t>(t * 80);
    EXPECT_EQ(std::max_element(row, row + 80) - row, 26) << t;
  }
}

TEST(LogMel, WritesOnlyItsOwnColumns) {
  std::vector<float> wide(4 * 100, 7.0f);
  LogMel(80).compute(noise(600, 0.1), Mat(wide.data(), DType::kF32, 4, 80, 100));
  for (std::size_t r = 0; r < 4; ++r)
    for (std::size_t c = 80; c < 100; ++c) EXPECT_EQ(wide[r * 100 + c], 7.0f);
}

TEST(LogMel, OneObjectServesManyThreads) {
  const LogMel shared(80);
  const std::vector<float> a = noise(16000, 0.3, 1), b = noise(16000, 0.3, 2);
  std::vector<float> out_a(100 * 80), out_b(100 * 80);
  std::thread other([&] { shared.compute(b, Mat(out_b.data(), 100, 80)); });
  shared.compute(a, Mat(out_a.data(), 100, 80));
  other.join();
  EXPECT_EQ(out_a, log_mel(a, 100));
  EXPECT_EQ(out_b, log_mel(b, 100));
}

TEST(LogMel, RefusesSamplesBeyondTheWindowAndWrongShapes) {
  std::vector<float> out(10 * 80);
  const LogMel mel(80);
  EXPECT_THROW(mel.compute(std::vector<float>(1601), Mat(out.data(), 10, 80)), Bug);
  EXPECT_THROW(mel.compute(std::vector<float>(10), Mat(out.data(), 10, 79)), Bug);
  EXPECT_THROW(mel.compute(std::vector<float>(10), Mat(out.data(), 1, 80)), Bug);
}

}  // namespace
}  // namespace sori
