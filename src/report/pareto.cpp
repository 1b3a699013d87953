#include "report/pareto.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace sori {

std::vector<std::size_t> pareto_front(std::span<const Costs> points) {
  std::vector<std::size_t> order(points.size()), front;
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::tie(points[a].x, points[a].y) < std::tie(points[b].x, points[b].y);
  });
  for (const std::size_t i : order)
    if (front.empty() || points[i].y < points[front.back()].y) front.push_back(i);
  return front;
}

}  // namespace sori
