#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sori {

double Schedule::rate(std::int64_t done) const {
  if (done < warmup_steps)
    return peak * static_cast<double>(done) / static_cast<double>(std::max<std::int64_t>(1, warmup_steps));
  if (type == "constant") return peak;
  const auto decay = static_cast<double>(std::max<std::int64_t>(1, total_steps - warmup_steps));
  const double progress = std::min(1.0, static_cast<double>(done - warmup_steps) / decay);
  if (type == "cosine") return peak * 0.5 * (1 + std::cos(std::numbers::pi * progress));
  return peak * (1 - progress);
}

}  // namespace sori
