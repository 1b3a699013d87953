// 4-bit normal floats with double quantisation (Dettmers et al., "QLoRA", 2023; bitsandbytes' quantize_4bit with
// compress_statistics). Blocks run over the flattened row-major tensor and cross rows where the width is no multiple of
// 64.
#pragma once

#include <array>
#include <span>

#include "tensor/mat.h"

namespace sori {

inline constexpr std::int64_t kNf4Block = 64;         // numbers that share an absmax
inline constexpr std::int64_t kNf4NestedBlock = 256;  // absmax codes that share a nested absmax

extern const std::array<float, 16> kNf4Map;      // what a code stands for, times its block's absmax
extern const std::array<float, 256> kNestedMap;  // the signed dynamic map of 8 bits

// number = kNf4Map[code] * absmax, absmax = kNestedMap[code] * nested_absmax + offset.
struct Nf4 {
  const std::uint8_t* codes = nullptr;    // [ceil(rows * cols / 2)]; the even element in the high nibble
  const std::uint8_t* absmax = nullptr;   // [nf4_blocks] codes of kNestedMap
  const float* nested_absmax = nullptr;   // [nf4_nested_blocks]
  float offset = 0;
  std::int64_t rows = 0, cols = 0;
};

constexpr std::int64_t nf4_blocks(std::int64_t numbers) { return (numbers + kNf4Block - 1) / kNf4Block; }
constexpr std::int64_t nf4_nested_blocks(std::int64_t numbers) {
  return (nf4_blocks(numbers) + kNf4NestedBlock - 1) / kNf4NestedBlock;
}

// Numbers of one row from column `first` on, as f32.
void decode(const Nf4& w, std::int64_t row, std::int64_t first, std::span<float> out);

// First half, a piece of the flattened tensor at a time (pieces of whole blocks, the last one excepted): two codes a
// byte, and each block's absmax. A block of zeros has absmax 0 and codes 7.
void quantise_nf4(std::span<const float> numbers, std::span<std::uint8_t> codes, std::span<float> absmax);
// Second half, once the absmax of every block is known: returns the offset, their mean.
float quantise_nf4_absmax(std::span<const float> absmax, std::span<std::uint8_t> codes, std::span<float> nested_absmax);

}  // namespace sori
