// Layer normalisation (Ba, Kiros & Hinton, 2016); the variance divides by C, as torch.nn.LayerNorm does.
#pragma once

#include <cmath>

#include "ops/reference/matrix.h"

namespace sori::reference {

inline constexpr double kLayerNormEpsilon = 1e-5;  // Whisper's

template <class T>
struct LayerNormOutput {
  Matrix<T> y;      // [N, C]
  Matrix<T> stats;  // [N, 2]: mean, 1 / sqrt(variance + epsilon)
};

template <class T>
LayerNormOutput<T> layer_norm(const Matrix<T>& x, const Matrix<T>& gain, const Matrix<T>& bias) {
  using std::sqrt;
  LayerNormOutput<T> out{Matrix<T>(x.rows, x.cols), Matrix<T>(x.rows, 2)};
  const auto n = static_cast<double>(x.cols);
  for (std::int64_t r = 0; r < x.rows; ++r) {
    T sum{}, squares{};
    for (std::int64_t c = 0; c < x.cols; ++c) sum += x(r, c);
    const T mean = sum / n;
    for (std::int64_t c = 0; c < x.cols; ++c) squares += (x(r, c) - mean) * (x(r, c) - mean);
    const T rstd = 1.0 / sqrt(squares / n + kLayerNormEpsilon);
    for (std::int64_t c = 0; c < x.cols; ++c) out.y(r, c) = (x(r, c) - mean) * rstd * gain(0, c) + bias(0, c);
    out.stats(r, 0) = mean;
    out.stats(r, 1) = rstd;
  }
  return out;
}

// With n = (x - mean) rstd and g = dy gain: dx += rstd (g - mean(g) - n mean(g n)), the means over the row; dgain += dy
// n and dbias += dy, summed over rows. dgain and dbias may be empty.
template <class T>
void layer_norm_backward(const Matrix<T>& x, const Matrix<T>& stats, const Matrix<T>& gain, const Matrix<T>& dy,
                         Matrix<T>& dx, Matrix<T>& dgain, Matrix<T>& dbias) {
  const auto width = static_cast<double>(x.cols);
  for (std::int64_t r = 0; r < x.rows; ++r) {
    const T mean = stats(r, 0), rstd = stats(r, 1);
    T mean_g{}, mean_gn{};
    for (std::int64_t c = 0; c < x.cols; ++c) {
      const T g = dy(r, c) * gain(0, c);
      mean_g += g / width;
      mean_gn += g * (x(r, c) - mean) * rstd / width;
    }
    for (std::int64_t c = 0; c < x.cols; ++c) {
      const T n = (x(r, c) - mean) * rstd;
      dx(r, c) += rstd * (dy(r, c) * gain(0, c) - mean_g - n * mean_gn);
      if (!dgain.empty()) dgain(0, c) += dy(r, c) * n;
      if (!dbias.empty()) dbias(0, c) += dy(r, c);
    }
  }
}

}  // namespace sori::reference
