// One failing comparison says everything: what, which shape, where it is worst, both values, the bound.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "support/draw.h"

namespace sori::test {

// Every element of actual is within its bound of expected. Where expected is NaN, actual must be NaN too, and only
// there.
inline ::testing::AssertionResult within(const std::string& what, const Values& expected, const Values& actual,
                                         const Values& bound) {
  if (expected.rows != actual.rows || expected.cols != actual.cols || bound.data.size() != actual.data.size())
    return ::testing::AssertionFailure() << fmt::format("{}: shapes differ: expected [{}, {}], actual [{}, {}]", what,
                                                        expected.rows, expected.cols, actual.rows, actual.cols);
  std::size_t worst = 0, outside = 0;
  double worst_ratio = 0;
  for (std::size_t i = 0; i < actual.data.size(); ++i) {
    const double e = expected.data[i], a = actual.data[i], b = bound.data[i];
    if ((std::isnan(e) && std::isnan(a)) || e == a) continue;
    const double error = std::abs(e - a);
    if (error <= b) continue;
    ++outside;
    const double ratio = std::isfinite(error) && b > 0 ? error / b : INFINITY;
    if (ratio > worst_ratio) {
      worst_ratio = ratio;
      worst = i;
    }
  }
  if (outside == 0) return ::testing::AssertionSuccess();
  const auto cols = static_cast<std::size_t>(actual.cols);
  return ::testing::AssertionFailure() << fmt::format(
             "{} [{}, {}]: {} elements outside their bound, worst at [{}, {}]: expected {:.9g}, actual {:.9g}, "
             "difference {:.3g}, bound {:.3g}",
             what, actual.rows, actual.cols, outside, worst / cols, worst % cols, expected.data[worst],
             actual.data[worst], std::abs(expected.data[worst] - actual.data[worst]), bound.data[worst]);
}

inline ::testing::AssertionResult within(const std::string& what, const Values& expected, const OwnedMat& actual,
                                         const Values& bound) {
  if (!actual.gaps_untouched()) return ::testing::AssertionFailure() << what << ": wrote outside its rows";
  return within(what, expected, actual.values(), bound);
}

inline bool all_nan(const Values& m, std::int64_t row) {
  for (std::int64_t c = 0; c < m.cols; ++c)
    if (!std::isnan(m(row, c))) return false;
  return true;
}

inline bool all_zero(const Values& m, std::int64_t row) {
  for (std::int64_t c = 0; c < m.cols; ++c)
    if (m(row, c) != 0) return false;
  return true;
}

}  // namespace sori::test
