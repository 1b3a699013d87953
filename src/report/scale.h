// From values to places on a picture: ranges, ticks, and labels that keep out of each other's way.
#pragma once

#include <vector>

namespace sori {

enum class ScaleKind { kLinear, kLog };

// Round numbers that enclose [low, high]: neighbours are 1, 2 or 5 times a power of ten apart, about `about` of them.
// An empty range is widened. Heckbert, "Nice numbers for graph labels", Graphics Gems (1990).
std::vector<double> nice_ticks(double low, double high, int about);

// The same on a logarithmic scale, low > 0: powers of ten, with round numbers between them where that makes no more
// than `most`; every n-th power where the range is wide.
std::vector<double> log_ticks(double low, double high, int most);

// Logarithmic where the largest of positive values is more than eight times the smallest.
ScaleKind fitting_scale(double low, double high);

class Scale {
 public:
  Scale() = default;
  // The values low and high lie at first and last, in pixels. kLog: low > 0.
  Scale(ScaleKind kind, double low, double high, double first, double last);
  double at(double value) const;

 private:
  double along(double value) const;
  ScaleKind kind_ = ScaleKind::kLinear;
  double low_ = 0, high_ = 1, first_ = 0, last_ = 1;
};

// Places near the wanted ones, in their order, at least `gap` apart and within [low, high] where they fit at all.
std::vector<double> spread(const std::vector<double>& wanted, double gap, double low, double high);

}  // namespace sori
