// Codes of a dynamic map without a search. The upper half of an f32's bits names a bucket of numbers that begin alike;
// no bucket holds more than one midpoint, so one comparison is left.
#pragma once

#include <bit>
#include <vector>

#include "quant/dynamic_map.h"

namespace sori::kernels {

class CodeTable {
 public:
  explicit CodeTable(const DynamicMap& map);

  // Buckets of numbers that are not negative: from 2^-24, below every midpoint but those next to 0, to 1. Behind them
  // lie as many of negative ones.
  static constexpr std::uint32_t kFirst = (127 - 24) << 7, kLast = 127 << 7, kBuckets = kLast - kFirst + 1;

  static std::uint32_t bucket(float x) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
    return (bits >> 31) * kBuckets + std::clamp((bits & 0x7fffffff) >> 16, kFirst, kLast) - kFirst;
  }
  // nearest_code(map, x) for x in [-1, 1] and its bucket; some code for any other.
  std::uint8_t code(std::uint32_t bucket, float x) const {
    const std::uint8_t low = lowest_[bucket];
    return static_cast<std::uint8_t>(low + (x > above_[low] ? 1 : 0));
  }

 private:
  std::array<std::uint8_t, 2 * kBuckets> lowest_;  // code of a bucket's least number: first those >= 0, then the others
  std::array<float, 256> above_;                   // the midpoint to the next code; infinity above the last
};

extern const CodeTable kSignedCodes, kUnsignedCodes;

}  // namespace sori::kernels
