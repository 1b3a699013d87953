// The largest magnitude of finite numbers.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

namespace sori {

inline float largest_magnitude(std::span<const float> numbers) {
  std::array<float, 16> lanes{};  // side by side, so that the compiler can use vectors
  const std::size_t whole = numbers.size() / lanes.size() * lanes.size();
  for (std::size_t i = 0; i < whole; i += lanes.size())
    for (std::size_t l = 0; l < lanes.size(); ++l) {
      const float x = std::abs(numbers[i + l]);
      lanes[l] = x > lanes[l] ? x : lanes[l];
    }
  float absmax = *std::max_element(lanes.begin(), lanes.end());
  for (std::size_t i = whole; i < numbers.size(); ++i) absmax = std::max(absmax, std::abs(numbers[i]));
  return absmax;
}

}  // namespace sori
