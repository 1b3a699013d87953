#include "report/scale.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace sori {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::Pointwise;

TEST(NiceTicks, AreRoundAndEnclose) {
  EXPECT_THAT(nice_ticks(0, 10, 5), ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(nice_ticks(3, 17, 5), ElementsAre(0, 5, 10, 15, 20));
  EXPECT_THAT(nice_ticks(1.2, 1.9, 7), Pointwise(DoubleEq(), {1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9}));
}

// About as many as were asked for, whatever the size.
TEST(NiceTicks, OfAnyRange) {
  for (double size = 1e-20; size < 1e15; size *= 7)
    for (const double low : {0.0, 0.3, 1.0, 5.0})
      for (const double length : {0.01, 0.4, 1.0, 3.0}) {
        const double high = (low + length) * size;
        const std::vector<double> ticks = nice_ticks(low * size, high, 6);
        ASSERT_GE(ticks.size(), 2u);
        EXPECT_LE(ticks.size(), 9u);
        const double step = ticks[1] - ticks[0];
        EXPECT_LE(ticks.front(), low * size + 1e-6 * step);
        EXPECT_GE(ticks.back(), high - 1e-6 * step);
      }
}

TEST(NiceTicks, WidenAnEmptyRange) {
  for (const double value : {0.0, 1e-40, 0.5, 7.0, 1e15}) {
    const std::vector<double> ticks = nice_ticks(value, value, 5);
    ASSERT_GE(ticks.size(), 2u) << value;
    EXPECT_LT(ticks.front(), ticks.back()) << value;
  }
}

TEST(LogTicks, StandBetweenPowersWhereThereIsRoom) {
  EXPECT_THAT(log_ticks(1, 100, 8), Pointwise(DoubleEq(), {1, 2, 5, 10, 20, 50, 100}));
  EXPECT_THAT(log_ticks(3.5, 45, 8), Pointwise(DoubleEq(), {3, 5, 10, 20, 30, 50}));
  EXPECT_THAT(log_ticks(1, 1e6, 8), Pointwise(DoubleEq(), {1., 10., 100., 1e3, 1e4, 1e5, 1e6}));
}

TEST(LogTicks, AreFewInAWideRangeAndEncloseIt) {
  const std::vector<double> ticks = log_ticks(1e-30, 1e15, 8);
  EXPECT_LE(ticks.size(), 9u);
  EXPECT_LE(ticks.front(), 1e-30 * (1 + 1e-9));
  EXPECT_GE(ticks.back(), 1e15 * (1 - 1e-9));
}

TEST(FittingScale, IsLogarithmicFromEightTimesOn) {
  EXPECT_EQ(fitting_scale(1, 8), ScaleKind::kLinear);
  EXPECT_EQ(fitting_scale(1, 9), ScaleKind::kLog);
  EXPECT_EQ(fitting_scale(0, 9), ScaleKind::kLinear);  // 0 has no logarithm
}

TEST(Scale, GoesFromTheFirstPixelToTheLast) {
  const Scale linear(ScaleKind::kLinear, 10, 20, 300, 100);
  EXPECT_DOUBLE_EQ(linear.at(10), 300);
  EXPECT_DOUBLE_EQ(linear.at(15), 200);
  const Scale log(ScaleKind::kLog, 1, 100, 0, 200);
  EXPECT_NEAR(log.at(10), 100, 1e-12);
  EXPECT_THROW(Scale(ScaleKind::kLog, 0, 1, 0, 1), Bug);
  EXPECT_THROW(Scale(ScaleKind::kLinear, 1, 1, 0, 1), Bug);
}

TEST(Spread, MovesOnlyWhatIsTooNear) {
  EXPECT_THAT(spread({10, 50, 90}, 15, 0, 100), ElementsAre(10, 50, 90));
  EXPECT_THAT(spread({50, 48, 10}, 15, 0, 100), ElementsAre(63, 48, 10));
  EXPECT_THAT(spread({95, 99}, 15, 0, 100), ElementsAre(85, 100));
  EXPECT_TRUE(spread({}, 15, 0, 100).empty());
}

}  // namespace
}  // namespace sori
