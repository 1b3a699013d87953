// The triangles that gather 201 spectral powers into mel bins (Slaney's scale and area normalisation, 0 - 8 kHz).
#pragma once

#include <span>
#include <vector>

namespace sori {

inline constexpr int kFftSize = 400;                    // samples: 25 ms
inline constexpr int kSpectrumBins = kFftSize / 2 + 1;  // 40 Hz apart

class MelFilters {
 public:
  explicit MelFilters(int mel_bins);

  int mel_bins() const { return static_cast<int>(bands_.size()); }
  // Weighted sum of power [kSpectrumBins] under the triangle of one mel bin.
  double apply(int mel_bin, std::span<const double> power) const;

 private:
  struct Band {
    int first = 0;  // spectral bin of weights[0]; all other weights are zero
    std::vector<double> weights;
  };
  std::vector<Band> bands_;
};

}  // namespace sori
