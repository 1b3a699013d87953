// What nothing beats in both of two costs.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace sori {

struct Costs {
  double x = 0, y = 0;  // the less, the better
};

// Indices of the Pareto front by growing x: no other point is as good in both and better in one. Of equal points the
// first stands for all.
std::vector<std::size_t> pareto_front(std::span<const Costs> points);

}  // namespace sori
