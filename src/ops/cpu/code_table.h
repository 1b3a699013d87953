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

  // nearest_code(map, x) for x in [-1, 1]; some code for any other.
  std::uint8_t code(float x) const {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t size = std::clamp((bits & 0x7fffffff) >> 16, kFirst, kLast) - kFirst;
    const std::uint8_t low = lowest_[(bits >> 31) * kBuckets + size];
    return static_cast<std::uint8_t>(low + (x > above_[low] ? 1 : 0));
  }

 private:
  // From 2^-24, below every midpoint but those next to 0, to 1.
  static constexpr std::uint32_t kFirst = (127 - 24) << 7, kLast = 127 << 7, kBuckets = kLast - kFirst + 1;

  std::array<std::uint8_t, 2 * kBuckets> lowest_;  // code of a bucket's least number: first those >= 0, then the others
  std::array<float, 256> above_;                   // the midpoint to the next code; infinity above the last
};

extern const CodeTable kSignedCodes, kUnsignedCodes;

}  // namespace sori::kernels
