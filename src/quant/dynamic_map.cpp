#include "quant/dynamic_map.h"

#include "base/error.h"

namespace sori {

std::uint8_t nearest_code(const DynamicMap& map, float x) {
  const auto above = std::lower_bound(map.midpoints.begin(), map.midpoints.end(), x);
  return static_cast<std::uint8_t>(above - map.midpoints.begin());
}

float quantise_block(const DynamicMap& map, std::span<const float> numbers, std::span<std::uint8_t> codes) {
  require(std::ssize(numbers) <= kDynamicBlock && codes.size() == numbers.size(), "a code for each number of a block");
  float absmax = 0;
  for (const float x : numbers) absmax = std::max(absmax, std::abs(x));
  const float divisor = absmax > 0 ? absmax : 1;
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = nearest_code(map, numbers[i] / divisor);
  return absmax;
}

}  // namespace sori
