// A weight as it lies in memory or in a mapped file: one type a format, and one place that looks at the format. Frozen
// and trainable weights alike are [rows = out, cols = in], row-major, as PyTorch's nn.Linear keeps them. A type has
// rows, cols, kFormat (its name), bytes() and decode().
#pragma once

#include <variant>

#include "quant/fp8.h"
#include "quant/int8.h"
#include "quant/nf4.h"
#include "tensor/mat.h"

namespace sori {

// Plain numbers. T is float, f16 or bf16.
template <class T>
struct Dense {
  static constexpr std::string_view kFormat = name_of(dtype_of<T>);
  const T* data = nullptr;
  std::int64_t rows = 0, cols = 0;

  std::size_t bytes() const { return static_cast<std::size_t>(rows * cols) * sizeof(T); }
};

template <class T>
void decode(const Dense<T>& w, std::int64_t row, std::int64_t first, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = to_float(w.data[row * w.cols + first + static_cast<std::int64_t>(i)]);
}

using BaseWeight = std::variant<Dense<float>, Dense<f16>, Dense<bf16>, Int8, Nf4, Fp8>;

std::int64_t rows_of(const BaseWeight& w);
std::int64_t cols_of(const BaseWeight& w);
std::size_t bytes_of(const BaseWeight& w);        // with its scales
std::string_view format_of(const BaseWeight& w);  // "f32", "nf4": its type's kFormat

// The numbers of an f32, f16 or bf16 weight where they lie; empty for a quantised one.
ConstMat dense(const BaseWeight& w);

// A contiguous matrix of numbers as a weight.
BaseWeight as_weight(ConstMat m);

// A weight of this format and shape that lies nowhere, for plans.
BaseWeight weight_nowhere(std::string_view format, std::int64_t rows, std::int64_t cols);

// The definition of what a weight's numbers are: decode() of its format, rounded where out (f32 or bf16) is bf16. Rows
// [first, first + out.rows). The fast
// decoders in ops/cpu are tested against it.
void decode_rows(const BaseWeight& w, std::int64_t first, Mat out);

}  // namespace sori
