// Time that passes, for reports. Nothing that is computed depends on it.
#pragma once

#include <chrono>

namespace sori {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace sori
