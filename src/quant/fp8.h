// 8-bit floats (Micikevicius et al., "FP8 formats for deep learning", 2022): E4M3, and one scale a row as
// compressed-tensors' channel strategy and fbgemm's row-wise quantisation have it.
#pragma once

#include <span>

#include "tensor/mat.h"

namespace sori {

// A sign, 4 bits of exponent (bias 7), 3 of fraction; no infinities, NaN where all seven bits are set (PyTorch's
// float8_e4m3fn). Below 2^-6 numbers are multiples of 2^-9.
struct e4m3 {
  std::uint8_t bits;
};

inline constexpr float kE4m3Largest = 448;
inline constexpr float kE4m3LeastNormal = 0x1p-6f;

constexpr bool is_nan(e4m3 x) { return (x.bits & 0x7f) == 0x7f; }

// Without branches, as below, so that the compiler can use vectors.
inline float to_float(e4m3 x) {
  const std::int32_t size = x.bits & 0x7f;
  const float subnormal = static_cast<float>(size) * 0x1p-9f, normal = std::bit_cast<float>((size << 20) + (120 << 23));
  const float magnitude = size < 8 ? subnormal : normal;
  const std::uint32_t sign = (x.bits & 0x80u) << 24, quiet_nan = size == 0x7f ? 0x7fc00000u : 0;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign | quiet_nan);
}

// To nearest, ties to even; beyond the largest number, that one. x is finite.
inline e4m3 to_e4m3(float x) {
  const auto bits = std::bit_cast<std::int32_t>(x), size = bits & 0x7fffffff;
  constexpr float kNoFraction = 0x1p14f;  // its last bit is 2^-9, so an addition rounds to a multiple of it
  const std::int32_t subnormal =
      std::bit_cast<std::int32_t>(std::bit_cast<float>(size) + kNoFraction) - std::bit_cast<std::int32_t>(kNoFraction);
  const std::int32_t rounded = (size - (120 << 23) + 0x7ffff + ((size >> 20) & 1)) >> 20;
  const std::int32_t normal = rounded < 0x7e ? rounded : 0x7e;
  const std::int32_t code = size < std::bit_cast<std::int32_t>(kE4m3LeastNormal) ? subnormal : normal;
  return {static_cast<std::uint8_t>(code | ((bits >> 24) & 0x80))};
}

// number = code * scale in f32. As in a file: codes are `weight`, scales are `weight_scale`.
struct Fp8 {
  static constexpr std::string_view kFormat = "fp8";
  const e4m3* codes = nullptr;   // [rows, cols]
  const float* scale = nullptr;  // [rows]
  std::int64_t rows = 0, cols = 0;

  std::size_t bytes() const {
    return static_cast<std::size_t>(rows * cols) + sizeof(float) * static_cast<std::size_t>(rows);
  }
};

// Numbers of one row from column `first` on, as f32.
void decode(const Fp8& w, std::int64_t row, std::int64_t first, std::span<float> out);

// Codes of a row, and its scale, absmax / 448, which is returned. A row of zeros has scale 0 and codes 0.
float quantise_fp8(std::span<const float> row, std::span<e4m3> codes);

}  // namespace sori
