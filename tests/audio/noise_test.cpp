#include "audio/noise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numbers>
#include <span>

#include "audio/rate.h"

namespace sori::test {
namespace {

constexpr Noise kNoises[] = {Noise::kWhite, Noise::kPink, Noise::kBabble};
constexpr std::size_t kFrame = 512, kFrames = 300;  // of the spectrum: 31 Hz a bin

double level_of(std::span<const float> samples) {  // dB
  double energy = 0;
  for (const float x : samples) energy += static_cast<double>(x) * x;
  return 10 * std::log10(energy / static_cast<double>(samples.size()));
}

std::vector<float> frames_of(Noise noise) {
  return make_noise(noise, static_cast<double>(kFrame * kFrames) / kSampleRate, -26, 5);
}

// Energy of each bin below the middle, over all frames, by its definition behind a Hann window.
std::vector<double> spectrum(const std::vector<float>& samples) {
  std::vector<std::complex<double>> turn(kFrame);
  for (std::size_t i = 0; i < kFrame; ++i)
    turn[i] = std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(i) / kFrame);
  std::vector<double> energy(kFrame / 2);
  for (std::size_t frame = 0; frame < kFrames; ++frame)
    for (std::size_t k = 0; k < energy.size(); ++k) {
      std::complex<double> sum = 0;
      for (std::size_t i = 0; i < kFrame; ++i)
        sum += samples[frame * kFrame + i] * (1 - turn[i].real()) * turn[i * k % kFrame];
      energy[k] += std::norm(sum);
    }
  return energy;
}

double of_bins(const std::vector<double>& energy, std::size_t first, std::size_t last) {
  double sum = 0;
  for (std::size_t k = first; k < last; ++k) sum += energy[k];
  return sum;
}

// Four deviations of the energy of so many bins, each a sum over frames of squares of normal numbers, in dB. A Hann
// window makes neighbours depend on each other: a third of the bins count.
double spread(std::size_t bins) {
  return 4 * 10 / std::numbers::ln10 / std::sqrt(static_cast<double>(kFrames * bins) / 3);
}

TEST(Noises, HaveTheLevelThatWasAskedFor) {
  // Each sample is rounded to f32: a relative error of 2^-24, and the square's is twice that.
  const double bound = 10 * std::log10(1 + 2 * 0x1p-24 + 0x1p-40);
  for (const Noise noise : kNoises) {
    for (const double level : {-26.0, -60.0, -80.0})
      EXPECT_NEAR(level_of(make_noise(noise, 2, level, 1)), level, bound) << name_of(noise);
  }
}

TEST(Noises, AreAFunctionOfTheirSeed) {
  for (const Noise noise : kNoises) {
    EXPECT_EQ(make_noise(noise, 0.5, -26, 1), make_noise(noise, 0.5, -26, 1)) << name_of(noise);
    EXPECT_NE(make_noise(noise, 0.5, -26, 1), make_noise(noise, 0.5, -26, 2)) << name_of(noise);
    EXPECT_EQ(make_noise(noise, 0.5, -26, 1).size(), 8000u);
  }
}

TEST(Noises, WhiteIsAsStrongInEveryHertz) {
  const std::vector<double> energy = spectrum(frames_of(Noise::kWhite));
  const double all = of_bins(energy, 4, 256) / 252;
  for (std::size_t first = 4; first < 256; first *= 2)
    EXPECT_NEAR(10 * std::log10(of_bins(energy, first, 2 * first) / (static_cast<double>(first) * all)), 0,
                spread(first) + spread(252))
        << first;
}

TEST(Noises, PinkIsAsStrongInEveryOctave) {
  const std::vector<double> energy = spectrum(frames_of(Noise::kPink));
  const double kRipple = 1;  // dB: what the filter promises of one octave against another
  for (std::size_t first = 4; first < 64; first *= 2)
    EXPECT_NEAR(10 * std::log10(of_bins(energy, first, 2 * first) / of_bins(energy, 64, 128)), 0,
                kRipple + spread(first) + spread(64))
        << first;
}

TEST(Noises, BabbleHasTheSpectrumAndThePaceOfVoices) {
  const std::vector<float> babble = frames_of(Noise::kBabble);
  const std::vector<double> energy = spectrum(babble);
  EXPECT_GT(10 * std::log10(of_bins(energy, 2, 32) / of_bins(energy, 64, 256)), 20);  // below 1 kHz, above 2 kHz
  // Levels of 32 ms rise and fall by syllables, which those of a steady noise do not.
  const auto deviation = [](const std::vector<float>& samples) {
    double sum = 0, squares = 0;
    for (std::size_t frame = 0; frame < kFrames; ++frame) {
      const double level = level_of(std::span(samples).subspan(frame * kFrame, kFrame));
      sum += level, squares += level * level;
    }
    return std::sqrt(squares / kFrames - sum * sum / kFrames / kFrames);
  };
  EXPECT_GT(deviation(babble), 4 * deviation(frames_of(Noise::kWhite)));
}

TEST(Noises, SilenceIsNothingAtAll) { EXPECT_EQ(make_silence(0.25), std::vector<float>(4000)); }

}  // namespace
}  // namespace sori::test
