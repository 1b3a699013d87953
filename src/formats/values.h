// Numbers of a tensor file as floats, and back. Bytes need no alignment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/tensor_file.h"

namespace sori {

constexpr bool is_float(DType t) { return t == DType::kF32 || t == DType::kF16 || t == DType::kBF16; }

// Elements [first, first + out.size()) of an f32, f16, bf16 or i8 tensor; exact.
void read_floats(const TensorView& tensor, std::int64_t first, std::span<float> out);

// Rounds to f32, f16 or bf16 (nearest, ties to even); out holds values.size() elements of that type.
void write_floats(std::span<const float> values, DType type, std::byte* out);

// Are all of these f32, f16 or bf16 numbers finite?
bool all_finite(DType type, std::span<const std::byte> bytes);

// The value of a tensor of one integer element (i8, u8, i16, i32, i64); nothing for any other tensor.
std::optional<std::int64_t> integer_value(const TensorView& tensor);

}  // namespace sori
