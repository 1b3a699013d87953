// A weight as it lies in memory or in a mapped file: one type a format, and one place that looks at the format. Frozen
// and trainable weights alike are [rows = out, cols = in], row-major, as PyTorch's nn.Linear keeps them.
#pragma once

#include <variant>

#include "tensor/mat.h"

namespace sori {

// Plain numbers. T is float, f16 or bf16.
template <class T>
struct Dense {
  const T* data = nullptr;
  std::int64_t rows = 0, cols = 0;
};

using BaseWeight = std::variant<Dense<float>, Dense<f16>, Dense<bf16>>;

std::int64_t rows_of(const BaseWeight& w);
std::int64_t cols_of(const BaseWeight& w);
std::size_t bytes_of(const BaseWeight& w);
std::string_view format_of(const BaseWeight& w);  // "f32", "f16", "bf16"

// A contiguous matrix of numbers as a weight.
BaseWeight as_weight(ConstMat m);

// The definition of what a weight's numbers are: rows [first, first + out.rows) into out (f32 or bf16). The fast
// decoders in ops/cpu are tested against it.
void decode_rows(const BaseWeight& w, std::int64_t first, Mat out);

}  // namespace sori
