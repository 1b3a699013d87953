#include "audio/mel_filters.h"

#include "audio/rate.h"
#include "base/error.h"

namespace sori {
namespace {

// Slaney's mel scale (Auditory Toolbox, 1998): linear below 1 kHz, 27 steps a factor of 6.4 above it.
constexpr double kLinearHz = 200.0 / 3.0;  // Hz a mel
constexpr double kBreakHz = 1000.0;
constexpr double kBreakMel = kBreakHz / kLinearHz;

double log_step() { return std::log(6.4) / 27.0; }

double mel_of(double hz) { return hz < kBreakHz ? hz / kLinearHz : kBreakMel + std::log(hz / kBreakHz) / log_step(); }

double hz_of(double mel) {
  return mel < kBreakMel ? mel * kLinearHz : kBreakHz * std::exp((mel - kBreakMel) * log_step());
}

}  // namespace

MelFilters::MelFilters(int mel_bins) {
  require(mel_bins > 0 && mel_bins <= kSpectrumBins, "mel bins are at least 1 and at most the spectrum's bins");
  const double top_mel = mel_of(kSampleRate / 2.0);
  const double bin_hz = static_cast<double>(kSampleRate) / kFftSize;
  const auto corner = [&](int i) { return hz_of(top_mel * i / (mel_bins + 1)); };
  for (int m = 0; m < mel_bins; ++m) {
    const double low = corner(m), peak = corner(m + 1), high = corner(m + 2);
    Band band;
    for (int k = 0; k < kSpectrumBins; ++k) {
      const double hz = k * bin_hz;
      const double height = std::min((hz - low) / (peak - low), (high - hz) / (high - peak));
      if (height <= 0) continue;
      if (band.weights.empty()) band.first = k;
      band.weights.push_back(height * 2.0 / (high - low));  // every triangle has area 1 (in Hz)
    }
    bands_.push_back(std::move(band));
  }
}

double MelFilters::apply(int mel_bin, std::span<const double> power) const {
  const Band& band = bands_[static_cast<std::size_t>(mel_bin)];
  double sum = 0;
  for (std::size_t i = 0; i < band.weights.size(); ++i)
    sum += band.weights[i] * power[static_cast<std::size_t>(band.first) + i];
  return sum;
}

}  // namespace sori
