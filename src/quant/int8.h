// 8-bit rows (Dettmers et al., "LLM.int8()", 2022; bitsandbytes' int8_vectorwise_quant): one scale a row.
#pragma once

#include <span>

#include "tensor/mat.h"

namespace sori {

// number = code * step, step = absmax * (1 / 127) in f32. As in a file: codes are `weight`, absmax is `SCB`.
struct Int8 {
  static constexpr std::string_view kFormat = "int8";
  const std::int8_t* codes = nullptr;  // [rows, cols]
  const float* absmax = nullptr;       // [rows]
  std::int64_t rows = 0, cols = 0;

  std::size_t bytes() const {
    return static_cast<std::size_t>(rows * cols) + sizeof(float) * static_cast<std::size_t>(rows);
  }
};

// Of a row, as bitsandbytes' MatMul8bitFp rounds it (its int8_vectorwise_dequant rounds code * absmax first).
inline float step_of(const Int8& w, std::int64_t row) { return w.absmax[row] * (1.0f / 127.0f); }

// Numbers of one row from column `first` on, as f32.
void decode(const Int8& w, std::int64_t row, std::int64_t first, std::span<float> out);

// Codes of a row, and its largest magnitude, which is returned. A row of zeros has absmax 0 and codes 0.
float quantise_int8(std::span<const float> row, std::span<std::int8_t> codes);

}  // namespace sori
