// The largest singular triplets of a weight, by randomised subspace iteration (Halko, Martinsson & Tropp, "Finding
// structure with randomness", SIAM Review 53(2), 2011, algorithms 4.4 and 5.1). The weight is asked for products alone,
// so it may lie in any format, and nothing of its size is made.
#pragma once

#include <vector>

#include "base/rng.h"
#include "ops/backend.h"

namespace sori {

// Of the largest weight [out, in] that will be asked about.
struct SvdLimits {
  std::int64_t rank = 0, out = 0, in = 0;
};

inline constexpr std::int64_t kOversampling = 10;  // directions beside those asked for: section 4.2, 5 or 10 suffice

struct SvdMemory {
  std::span<float> left, right;  // [K, out], [K, in]: bases of rank + some directions
};
SvdMemory carve_svd(Carver& c, const SvdLimits& limits);

// w = sum of values[i] left[i]^T right[i] and what is smaller; the largest first. left [rank, out], right [rank, in]:
// rows of length 1, but for a left one of a value that is zero to rounding, which is zero. They lie in the memory.
struct Svd {
  std::vector<double> values;
  ConstMat left, right;
};

// Products are the backend's, in f32. rank <= min(out, in). The same bits for any number of threads.
Svd truncated_svd(Backend& backend, const BaseWeight& w, std::int64_t rank, int iterations, const Rng& rng,
                  const SvdMemory& memory);

}  // namespace sori
