// GELU in its exact form (Hendrycks & Gimpel, "Gaussian error linear units", 2016): x Phi(x), Phi the normal
// distribution.
#pragma once

#include <cmath>
#include <numbers>

#include "ops/reference/matrix.h"

namespace sori::reference {

template <class T>
T gelu(const T& x) {
  using std::erf;
  return x * 0.5 * (1.0 + erf(x * (1 / std::numbers::sqrt2)));
}

// d gelu / dx = Phi(x) + x phi(x), phi the normal density.
template <class T>
T gelu_slope(const T& x) {
  using std::erf, std::exp;
  const T phi = exp(-0.5 * x * x) * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
  return 0.5 * (1.0 + erf(x * (1 / std::numbers::sqrt2))) + x * phi;
}

template <class T>
Matrix<T> gelu_backward(const Matrix<T>& pre, const Matrix<T>& dy) {
  Matrix<T> dx(pre.rows, pre.cols);
  for (std::size_t i = 0; i < dx.data.size(); ++i) dx.data[i] = dy.data[i] * gelu_slope(pre.data[i]);
  return dx;
}

}  // namespace sori::reference
