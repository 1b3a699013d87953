// Codes of a dynamic map without a search or a comparison. The upper half of an f32's bits names a bucket of magnitudes
// that begin alike; no bucket holds more than one midpoint, and the lower half says on which side of it a number lies.
#pragma once

#include <bit>

#include "quant/dynamic_map.h"

namespace sori::kernels {

class CodeTable {
 public:
  explicit CodeTable(const DynamicMap& map);

  // From 2^-24, below every midpoint but those next to 0, to 1.
  static constexpr std::uint32_t kFirst = (127 - 24) << 7, kLast = 127 << 7, kBuckets = kLast - kFirst + 1;
  static constexpr int kCarry = 17;  // bits below a code: a lower half, plus 1, has as many

  // An entry plus the lower half of a number's bits, plus 1 where the number is negative (the lower of two equally near
  // codes is then the one further from 0), has the code in its bits from kCarry on, counted from the code of 0.
  const std::uint32_t* entries() const { return entries_.data(); }
  std::uint32_t zero() const { return zero_; }  // the code of 0: as many lie below it

  // nearest_code(map, x) for x in [-1, 1]; some code for any other. What vectors do in their lanes.
  std::uint8_t code(float x) const {
    const auto bits = std::bit_cast<std::uint32_t>(x), negative = bits >> 31;
    const std::uint32_t bucket = std::clamp((bits & 0x7fffffff) >> 16, kFirst, kLast) - kFirst;
    const std::uint32_t away = (entries_[bucket] + (bits & 0xffff) + negative) >> kCarry;
    return static_cast<std::uint8_t>(negative ? zero_ - std::min(away, zero_) : zero_ + away);
  }

 private:
  std::array<std::uint32_t, kBuckets> entries_;
  std::uint32_t zero_;
};

extern const CodeTable kSignedCodes, kUnsignedCodes;

}  // namespace sori::kernels
