// Softmax cross-entropy with label smoothing (Szegedy et al., "Rethinking the inception architecture", 2016, section
// 7), in the form of torch.nn.functional.cross_entropy: the smoothed part is the mean over all V classes.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "ops/reference/linear.h"
#include "ops/reference/matrix.h"

namespace sori::reference {

template <class T>
struct CrossEntropy {
  std::vector<T> losses;  // [N]
  Matrix<T> dlogits;      // [N, V] d(sum of losses) / d logits
};

// Of one row of logits z with target t: (1 - s) (lse - z_t) + s (lse - mean z), lse = log sum exp z. Its gradient is
// softmax(z) - (1 - s) [v = t] - s / V. Target -1: no loss and no gradient.
template <class T>
CrossEntropy<T> cross_entropy(const Matrix<T>& logits, std::span<const int> targets, double smoothing) {
  using std::exp, std::log;
  CrossEntropy<T> result{std::vector<T>(targets.size()), Matrix<T>(logits.rows, logits.cols)};
  const std::int64_t classes = logits.cols;
  for (std::int64_t r = 0; r < logits.rows; ++r) {
    if (targets[r] < 0) continue;
    T largest = logits(r, 0), sum{}, mean{};
    for (std::int64_t v = 0; v < classes; ++v) largest = std::max(largest, logits(r, v));
    for (std::int64_t v = 0; v < classes; ++v) {
      sum += exp(logits(r, v) - largest);
      mean += logits(r, v) / static_cast<double>(classes);
    }
    const T lse = largest + log(sum);
    result.losses[r] = (1 - smoothing) * (lse - logits(r, targets[r])) + smoothing * (lse - mean);
    for (std::int64_t v = 0; v < classes; ++v)
      result.dlogits(r, v) = exp(logits(r, v) - lse) - smoothing / static_cast<double>(classes);
    result.dlogits(r, targets[r]) -= 1 - smoothing;
  }
  return result;
}

// logits [N, V] = x [N, C] e^T: the output layer, tied to the embedding e [V, C].
template <class T>
Matrix<T> logits_of(const Matrix<T>& x, const Matrix<T>& e) {
  Matrix<T> logits(x.rows, e.rows);
  add_x_wt(x, e, 1, logits);
  return logits;
}

}  // namespace sori::reference
