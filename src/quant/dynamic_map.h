// bitsandbytes' dynamic 8-bit maps (Dettmers, "8-bit approximations for parallelism in deep learning", 2016; its
// functional.create_dynamic_map): seven decades up to 1, each with twice the codes of the one below. Numbers are kept
// block-wise: a code each, and an absmax a block.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "tensor/dtype.h"

namespace sori {

inline constexpr std::int64_t kDynamicBlock = 256;  // numbers that share an absmax
constexpr std::int64_t dynamic_blocks(std::int64_t numbers) { return (numbers + kDynamicBlock - 1) / kDynamicBlock; }

struct DynamicMap {
  std::array<float, 256> numbers{};    // what a code stands for, times its block's absmax; rising
  std::array<float, 255> midpoints{};  // between a code and the next
};

// Decade i has 2^i codes of either sign, or 2^(i + 1) that are not negative: the middles of as many equal parts of
// [0.1, 1], times 10^(i - 6). 0 and 1 are added. Rounded as torch does it: linspace counts from its nearer end with one
// rounding, everything else is f32.
constexpr DynamicMap make_dynamic_map(bool negatives) {
  constexpr float kDecades[] = {1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f, 1};
  DynamicMap map;
  std::size_t n = 0;
  map.numbers[n++] = 0;
  map.numbers[n++] = 1;
  for (int decade = 0; decade < 7; ++decade) {
    const int parts = 1 << (negatives ? decade : decade + 1);
    const double step = (1.0f - 0.1f) / static_cast<float>(parts);
    const auto boundary = [&](int k) {
      return static_cast<float>(k < (parts + 1) / 2 ? double{0.1f} + step * k : 1 - step * (parts - k));
    };
    for (int k = 0; k < parts; ++k) {
      const float number = kDecades[decade] * ((boundary(k) + boundary(k + 1)) / 2);
      map.numbers[n++] = number;
      if (negatives) map.numbers[n++] = -number;
    }
  }
  std::sort(map.numbers.begin(), map.numbers.end());
  for (std::size_t c = 0; c < map.midpoints.size(); ++c) map.midpoints[c] = (map.numbers[c] + map.numbers[c + 1]) / 2;
  return map;
}

inline constexpr DynamicMap kSignedDynamicMap = make_dynamic_map(true), kUnsignedDynamicMap = make_dynamic_map(false);

// The code of the nearest number; of two, the lower one.
std::uint8_t nearest_code(const DynamicMap& map, float x);

// Codes of at most kDynamicBlock numbers, and their largest magnitude, which is returned. A block of zeros has absmax
// 0.
float quantise_block(const DynamicMap& map, std::span<const float> numbers, std::span<std::uint8_t> codes);

}  // namespace sori
