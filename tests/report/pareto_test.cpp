#include "report/pareto.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"

namespace sori {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ParetoFront, IsWhatNothingBeatsByGrowingX) {
  EXPECT_THAT(pareto_front(std::vector<Costs>{{3, 1}, {1, 3}, {2, 2}, {3, 3}}), ElementsAre(1, 2, 0));
  EXPECT_THAT(pareto_front(std::vector<Costs>{{1, 1}, {2, 2}}), ElementsAre(0));
  EXPECT_THAT(pareto_front({}), IsEmpty());
}

TEST(ParetoFront, TakesTheBetterOfThoseThatAreEqualInOne) {
  EXPECT_THAT(pareto_front(std::vector<Costs>{{1, 3}, {1, 2}}), ElementsAre(1));
  EXPECT_THAT(pareto_front(std::vector<Costs>{{2, 1}, {1, 1}}), ElementsAre(1));
  EXPECT_THAT(pareto_front(std::vector<Costs>{{1, 1}, {1, 1}}), ElementsAre(0));
}

// Compared with the definition, on grids where many are equal.
TEST(ParetoFront, EqualsItsDefinition) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Rng rng(seed, Draw::kNoise);
    std::vector<Costs> points(12);
    for (std::size_t i = 0; i < points.size(); ++i)
      points[i] = {static_cast<double>(rng.below(2 * i, 5)), static_cast<double>(rng.below(2 * i + 1, 5))};
    const std::vector<std::size_t> front = pareto_front(points);
    for (std::size_t i = 0; i < points.size(); ++i) {
      const auto beats = [&](const Costs& p) {
        return p.x <= points[i].x && p.y <= points[i].y && (p.x < points[i].x || p.y < points[i].y);
      };
      const auto stands = [&](std::size_t j) { return points[j].x == points[i].x && points[j].y == points[i].y; };
      EXPECT_EQ(std::ranges::none_of(points, beats), std::ranges::any_of(front, stands)) << seed << " " << i;
    }
  }
}

}  // namespace
}  // namespace sori
