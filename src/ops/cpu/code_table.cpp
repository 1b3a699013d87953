#include "ops/cpu/code_table.h"

#include <limits>

#include "base/error.h"

namespace sori::kernels {

CodeTable::CodeTable(const DynamicMap& map) {
  std::copy(map.midpoints.begin(), map.midpoints.end(), above_.begin());
  above_.back() = std::numeric_limits<float>::infinity();
  for (std::uint32_t b = 0; b < kBuckets; ++b) {
    const float least = b == 0 ? 0 : std::bit_cast<float>((kFirst + b) << 16);
    const float most = b + 1 == kBuckets ? 1 : std::bit_cast<float>(((kFirst + b + 1) << 16) - 1);
    lowest_[b] = nearest_code(map, least);
    lowest_[kBuckets + b] = nearest_code(map, -most);
    require(nearest_code(map, most) - lowest_[b] <= 1 && nearest_code(map, -least) - lowest_[kBuckets + b] <= 1,
            "a bucket holds at most one midpoint");
  }
}

const CodeTable kSignedCodes(kSignedDynamicMap), kUnsignedCodes(kUnsignedDynamicMap);

}  // namespace sori::kernels
