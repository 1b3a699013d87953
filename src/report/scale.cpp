#include "report/scale.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "base/error.h"

namespace sori {
namespace {

constexpr double kSmallest = 1e-30;  // what is smaller is drawn as 0
constexpr double kEdge = 1e-9;       // of a step: a value this near to a tick lies on it

// Of a power of ten; the finest that are not too many.
const std::vector<std::vector<double>> kDigits{{1, 2, 3, 4, 5, 6, 8}, {1, 2, 3, 5}, {1, 2, 5}, {1}};

double nice_step(double step) {
  const double power = std::pow(10, std::floor(std::log10(step))), digits = step / power;
  return power * (digits <= 1 + kEdge ? 1 : digits <= 2 + kEdge ? 2 : digits <= 5 + kEdge ? 5 : 10);
}

std::vector<double> enclosing(const std::vector<double>& ticks, double low, double high) {
  auto first = ticks.begin(), last = ticks.end();
  while (std::next(first) != last && *std::next(first) <= low * (1 + kEdge)) ++first;
  while (std::prev(last) != first && *std::prev(last, 2) >= high * (1 - kEdge) && std::prev(last, 2) != first) --last;
  return {first, last};
}

}  // namespace

std::vector<double> nice_ticks(double low, double high, int about) {
  require(low <= high && about > 0, "ticks are of a range");
  if (high < kSmallest) low = 0, high = 1;
  if (!(high - low > kEdge * std::abs(high))) low -= std::abs(low) / 2, high += std::abs(high) / 2;
  const double step = nice_step((high - low) / about);
  std::vector<double> ticks;
  for (double i = std::floor(low / step + kEdge);; ++i) {
    ticks.push_back(i * step);
    if (ticks.back() >= high - kEdge * step) return ticks;
  }
}

std::vector<double> log_ticks(double low, double high, int most) {
  require(0 < low && low <= high && most > 0, "ticks are of a positive range");
  const double first = std::floor(std::log10(low)), last = std::ceil(std::log10(high) + kEdge);
  for (const std::vector<double>& digits : kDigits) {
    std::vector<double> ticks;
    for (double power = first; power <= last; ++power)
      for (const double digit : digits) ticks.push_back(digit * std::pow(10, power));
    ticks = enclosing(ticks, low, high);
    if (std::ssize(ticks) <= most) return ticks;
  }
  std::vector<double> ticks;
  const double every = std::ceil((last - first) / most);
  for (double power = first;; power += every) {
    ticks.push_back(std::pow(10, power));
    if (power >= last) return ticks;
  }
}

ScaleKind fitting_scale(double low, double high) {
  return low > kSmallest && high > 8 * low ? ScaleKind::kLog : ScaleKind::kLinear;
}

Scale::Scale(ScaleKind kind, double low, double high, double first, double last)
    : kind_(kind), low_(low), high_(high), first_(first), last_(last) {
  require(low < high && (kind == ScaleKind::kLinear || low > 0), "a scale has a range");
}

double Scale::along(double value) const { return kind_ == ScaleKind::kLog ? std::log(value) : value; }

double Scale::at(double value) const {
  return first_ + (last_ - first_) * (along(value) - along(low_)) / (along(high_) - along(low_));
}

std::vector<double> spread(const std::vector<double>& wanted, double gap, double low, double high) {
  std::vector<std::size_t> order(wanted.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return wanted[a] < wanted[b]; });
  std::vector<double> places(wanted.size());
  double free = low;
  for (const std::size_t i : order) {
    places[i] = std::max(wanted[i], free);
    free = places[i] + gap;
  }
  free = high;
  for (auto i = order.rbegin(); i != order.rend(); ++i) {
    places[*i] = std::min(places[*i], free);
    free = places[*i] - gap;
  }
  return places;
}

}  // namespace sori
