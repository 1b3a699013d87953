// Dropout (Srivastava et al., 2014), scaled at training time; the mask is a pure function of where an element is.
#pragma once

#include "base/rng.h"
#include "ops/backend.h"
#include "ops/reference/matrix.h"

namespace sori::reference {

// y += x where the mask keeps it, divided by 1 - rate. Linear, so its backward is itself.
template <class T>
void add_dropout(const Matrix<T>& x, const DropoutMask& mask, Matrix<T>& y) {
  for (std::int64_t r = 0; r < x.rows; ++r) {
    const Rng rng(mask.seed, Draw::kDropout, mask.step, mask.rows[r] ^ (mask.module << 48));
    for (std::int64_t c = 0; c < x.cols; ++c)
      if (rng.uniform(static_cast<std::uint64_t>(c)) >= mask.rate) y(r, c) += x(r, c) / (1 - mask.rate);
  }
}

}  // namespace sori::reference
