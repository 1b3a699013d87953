#include "ops/cpu/code_table.h"

#include "base/error.h"

namespace sori::kernels {

CodeTable::CodeTable(const DynamicMap& map) : zero_(nearest_code(map, 0)) {
  constexpr std::uint32_t kFull = (1u << kCarry) - 1;
  for (std::uint32_t b = 0; b < kBuckets; ++b) {
    const float least = b == 0 ? 0 : std::bit_cast<float>((kFirst + b) << 16);
    const float most = b + 1 == kBuckets ? 1 : std::bit_cast<float>(((kFirst + b + 1) << 16) - 1);
    const std::uint32_t code = nearest_code(map, least), last = nearest_code(map, most);
    require(last - code <= 1, "a bucket holds at most one midpoint");
    // From the first lower half above the midpoint's on, the sum carries into the code.
    const std::uint32_t midpoint = std::bit_cast<std::uint32_t>(map.midpoints[code]) & 0xffff;
    entries_[b] = ((code - zero_) << kCarry) + (last > code ? kFull - midpoint : 0);
  }
}

const CodeTable kSignedCodes(kSignedDynamicMap), kUnsignedCodes(kUnsignedDynamicMap);

}  // namespace sori::kernels
