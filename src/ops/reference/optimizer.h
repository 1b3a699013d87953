// The optimizer's two operations on a tensor.
#pragma once

#include <cmath>
#include <numeric>

#include "ops/backend.h"
#include "ops/reference/matrix.h"

namespace sori::reference {

// One element: decay, moments, step (Loshchilov & Hutter, 2019, algorithm 2, in the order of torch.optim.AdamW).
template <class T>
void adamw_step(const AdamW& how, const T& gradient, T& weight, T& m, T& v) {
  using std::sqrt;
  const double step = static_cast<double>(how.step);
  const double correct1 = 1 - std::pow(how.beta1, step), correct2 = 1 - std::pow(how.beta2, step);
  const T g = how.gradient_scale * gradient;
  weight -= how.learning_rate * how.weight_decay * weight;
  m = how.beta1 * m + (1 - how.beta1) * g;
  v = how.beta2 * v + (1 - how.beta2) * g * g;
  weight -= how.learning_rate * (m / correct1) / (sqrt(v / correct2) + how.epsilon);
}

template <class T>
T sum_squares(const Matrix<T>& x) {
  T sum{};
  for (const T& v : x.data) sum += v * v;
  return sum;
}

}  // namespace sori::reference
