#include "audio/log_mel.h"

#include <complex>
#include <numbers>

namespace sori {
namespace {

constexpr double kFloor = 1e-10;    // power below this counts as this
constexpr float kSilence = -10;     // log10(kFloor)
constexpr float kDynamicRange = 8;  // decades kept below the window's loudest mel bin

}  // namespace

LogMel::LogMel(int mel_bins) : filters_(mel_bins), fft_(kFftSize / 2, false) {
  for (int i = 0; i < kFftSize; ++i) window_[i] = 0.5 - 0.5 * std::cos(2 * std::numbers::pi * i / kFftSize);
}

// The windowed samples of frame t, which is centred on sample t * kHop; the window of frames * kHop samples is mirrored
// at both ends. False when all of them are zero.
bool LogMel::cut_frame(std::span<const float> samples, std::int64_t t, std::int64_t frames, Frame& frame) const {
  const std::int64_t have = std::ssize(samples), last = frames * kHop - 1, begin = t * kHop - kFftSize / 2;
  bool sound = false;
  for (std::int64_t k = 0; k < kFftSize; ++k) {
    std::int64_t i = std::abs(begin + k);
    if (i > last) i = 2 * last - i;
    const double x = i < have ? samples[static_cast<std::size_t>(i)] : 0.0;
    sound |= x != 0;
    frame[static_cast<std::size_t>(k)] = x * window_[static_cast<std::size_t>(k)];
  }
  return sound;
}

void LogMel::power_spectrum(const Frame& frame, std::span<double, kSpectrumBins> power) const {
  std::array<std::complex<double>, kFftSize / 2> bins;
  fft_.transform_real(frame.data(), bins.data());
  power[0] = bins[0].real() * bins[0].real();  // the first and the last bin are real and share bins[0]
  power[kFftSize / 2] = bins[0].imag() * bins[0].imag();
  for (std::size_t k = 1; k < bins.size(); ++k) power[k] = std::norm(bins[k]);
}

void LogMel::compute(std::span<const float> samples, Mat mel) const {
  require(mel.type == DType::kF32 && mel.cols == mel_bins(), "log-mel is f32 [frames, mel bins]");
  require(mel.rows >= 2, "mirroring half a frame needs two frames");
  require(std::ssize(samples) <= mel.rows * kHop, "samples fit the window");
  Frame frame;
  std::array<double, kSpectrumBins> power;
  float loudest = kSilence;
  for (std::int64_t t = 0; t < mel.rows; ++t) {
    float* out = mel.row<float>(t);
    if (!cut_frame(samples, t, mel.rows, frame)) {
      std::fill_n(out, mel.cols, kSilence);
      continue;
    }
    power_spectrum(frame, power);
    for (int m = 0; m < mel_bins(); ++m) {
      out[m] = static_cast<float>(std::log10(std::max(filters_.apply(m, power), kFloor)));
      loudest = std::max(loudest, out[m]);
    }
  }
  for (std::int64_t t = 0; t < mel.rows; ++t)
    for (float& x : std::span(mel.row<float>(t), static_cast<std::size_t>(mel.cols)))
      x = (std::max(x, loudest - kDynamicRange) + 4) / 4;
}

}  // namespace sori
