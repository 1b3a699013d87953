#include "audio/noise.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "audio/rate.h"
#include "base/error.h"
#include "base/rng.h"

namespace sori {
namespace {

std::size_t samples_in(double seconds) { return static_cast<std::size_t>(std::llround(seconds * kSampleRate)); }

using Samples = std::vector<double>;

Samples white(std::size_t n, std::uint64_t seed) {
  const Rng rng(seed, Draw::kNoise);
  Samples out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = rng.normal(i);
  return out;
}

Samples pink(std::size_t n, std::uint64_t seed) {
  Samples out = white(n, seed);
  double slow = 0, middle = 0, fast = 0;
  for (double& x : out) {
    slow = 0.99765 * slow + 0.0990460 * x;
    middle = 0.96300 * middle + 0.2965164 * x;
    fast = 0.57000 * fast + 1.0526913 * x;
    x = slow + middle + fast + 0.1848 * x;
  }
  return out;
}

// Syllables of a sawtooth, which a voice is like, behind a low pass at 500 Hz, from where on voices get softer.
void add_talker(Samples& out, std::uint64_t seed, std::uint64_t talker) {
  const Rng rng(seed, Draw::kNoise, 1, talker);
  std::uint64_t draws = 0;
  const auto between = [&](double low, double high) { return low + (high - low) * rng.uniform(draws++); };
  const double voice = between(90, 250);  // Hz
  const double pass = 1 - std::exp(-2 * std::numbers::pi * 500 / kSampleRate);
  double phase = 0, smooth = 0;
  for (std::size_t at = 0; at < out.size();) {
    const std::size_t length = samples_in(between(0.12, 0.32));  // three to eight syllables a second
    const double pitch = voice * between(0.85, 1.15) / kSampleRate, loudness = between(0, 1);
    for (std::size_t i = 0; i < length && at < out.size(); ++i, ++at) {
      phase += pitch;
      phase -= std::floor(phase);
      smooth += pass * (2 * phase - 1 - smooth);
      out[at] +=
          loudness * smooth * std::sin(std::numbers::pi * (static_cast<double>(i) + 0.5) / static_cast<double>(length));
    }
  }
}

Samples babble(std::size_t n, std::uint64_t seed) {
  constexpr std::uint64_t kTalkers = 8;
  Samples out(n);
  for (std::uint64_t t = 0; t < kTalkers; ++t) add_talker(out, seed, t);
  return out;
}

Samples made(Noise noise, std::size_t n, std::uint64_t seed) {
  switch (noise) {
    case Noise::kWhite:
      return white(n, seed);
    case Noise::kPink:
      return pink(n, seed);
    case Noise::kBabble:
      return babble(n, seed);
  }
  require(false, "a noise is one of three");
  return {};
}

}  // namespace

const char* name_of(Noise noise) {
  return noise == Noise::kWhite ? "white" : noise == Noise::kPink ? "pink" : "babble";
}

std::vector<float> make_noise(Noise noise, double seconds, double level, std::uint64_t seed) {
  const Samples x = made(noise, samples_in(seconds), seed);
  double energy = 0;
  for (const double sample : x) energy += sample * sample;
  const double gain = std::pow(10, level / 20) * std::sqrt(static_cast<double>(x.size()) / energy);
  std::vector<float> out(x.size());
  std::ranges::transform(x, out.begin(), [gain](double sample) { return static_cast<float>(gain * sample); });
  return out;
}

std::vector<float> make_silence(double seconds) { return std::vector<float>(samples_in(seconds)); }

}  // namespace sori
