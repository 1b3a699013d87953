// Log-mel features as transformers' WhisperFeatureExtractor makes them.
#pragma once

#include <array>
#include <cstdint>
#include <kissfft.hh>
#include <span>

#include "audio/mel_filters.h"
#include "audio/rate.h"
#include "tensor/mat.h"

namespace sori {

inline constexpr int kHop = 160;            // samples between frames: 10 ms
inline constexpr int kWindowFrames = 3000;  // frames of Whisper's window of 30 s
inline constexpr int kWindowSamples = kWindowFrames * kHop;

class LogMel {
 public:
  explicit LogMel(int mel_bins);  // 80, or 128 for large-v3

  int mel_bins() const { return filters_.mel_bins(); }

  // mel [frames, M] f32, row t = frame t (the reference's [M, frames] transposed). The number of rows is the length of
  // the window: samples (16 kHz) are continued with zeros to frames * 160, as if the extractor's n_samples were that.
  // At most frames * 160 samples, at least 2 frames. Allocates nothing; one LogMel may be used by many threads.
  void compute(std::span<const float> samples, Mat mel) const;

 private:
  using Frame = std::array<double, kFftSize>;
  bool cut_frame(std::span<const float> samples, std::int64_t t, std::int64_t frames, Frame& frame) const;
  void power_spectrum(const Frame& frame, std::span<double, kSpectrumBins> power) const;

  MelFilters filters_;
  Frame window_;  // Hann, periodic
  kissfft<double>
      fft_;  // a real transform of kFftSize points; double, because mel bins 80 dB below the loudest still count
};

}  // namespace sori
