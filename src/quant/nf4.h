// 4-bit normal floats with double quantisation (Dettmers et al., "QLoRA", 2023; bitsandbytes' quantize_4bit with
// compress_statistics). Blocks run over the flattened row-major tensor and cross rows where the width is no multiple of
// 64.
#pragma once

#include <array>
#include <span>

#include "quant/dynamic_map.h"
#include "tensor/mat.h"

namespace sori {

inline constexpr std::int64_t kNf4Block = 64;                   // numbers that share an absmax
inline constexpr std::int64_t kNf4NestedBlock = kDynamicBlock;  // absmax codes that share a nested absmax

// What a code stands for, times its block's absmax (QLoRA, appendix E).
inline constexpr std::array<float, 16> kNf4Map{-1.0f,
                                               -0.6961928009986877f,
                                               -0.5250730514526367f,
                                               -0.39491748809814453f,
                                               -0.28444138169288635f,
                                               -0.18477343022823334f,
                                               -0.09105003625154495f,
                                               0.0f,
                                               0.07958029955625534f,
                                               0.16093020141124725f,
                                               0.24611230194568634f,
                                               0.33791524171829224f,
                                               0.44070982933044434f,
                                               0.5626170039176941f,
                                               0.7229568362236023f,
                                               1.0f};
inline constexpr const std::array<float, 256>& kNestedMap = kSignedDynamicMap.numbers;

constexpr std::int64_t nf4_bytes(std::int64_t numbers) { return (numbers + 1) / 2; }
constexpr std::int64_t nf4_blocks(std::int64_t numbers) { return (numbers + kNf4Block - 1) / kNf4Block; }
constexpr std::int64_t nf4_nested_blocks(std::int64_t numbers) {
  return (nf4_blocks(numbers) + kNf4NestedBlock - 1) / kNf4NestedBlock;
}

// number = kNf4Map[code] * absmax, absmax = kNestedMap[code] * nested_absmax + offset.
struct Nf4 {
  static constexpr std::string_view kFormat = "nf4";
  const std::uint8_t* codes = nullptr;   // [ceil(rows * cols / 2)]; the even element in the high nibble
  const std::uint8_t* absmax = nullptr;  // [nf4_blocks] codes of kNestedMap
  const float* nested_absmax = nullptr;  // [nf4_nested_blocks]
  float offset = 0;
  std::int64_t rows = 0, cols = 0;

  std::size_t bytes() const {
    const std::int64_t n = rows * cols;
    return static_cast<std::size_t>(nf4_bytes(n) + nf4_blocks(n)) +
           sizeof(float) * static_cast<std::size_t>(nf4_nested_blocks(n));
  }
};

// Of one block of the flattened tensor.
inline float decode_absmax(const Nf4& w, std::int64_t block) {
  return kNestedMap[w.absmax[block]] * w.nested_absmax[block / kNf4NestedBlock] + w.offset;
}

// Numbers of one row from column `first` on, as f32.
void decode(const Nf4& w, std::int64_t row, std::int64_t first, std::span<float> out);

// First half, a piece of the flattened tensor at a time (pieces of whole blocks, the last one excepted): two codes a
// byte, and each block's absmax. A block of zeros has absmax 0 and codes 7.
void quantise_nf4(std::span<const float> numbers, std::span<std::uint8_t> codes, std::span<float> absmax);
// Second half, once the absmax of every block is known: returns the offset, their mean.
float quantise_nf4_absmax(std::span<const float> absmax, std::span<std::uint8_t> codes, std::span<float> nested_absmax);

}  // namespace sori
