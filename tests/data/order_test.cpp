#include "data/order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace sori {
namespace {

std::vector<std::size_t> take(std::size_t size, std::uint64_t seed, std::uint64_t first, std::size_t count) {
  DataOrder order(size, seed);
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(order.at(first + i));
  return out;
}

TEST(DataOrder, VisitsEveryUtteranceOnceAnEpoch) {
  for (const std::size_t size : {1, 2, 7, 100})
    for (const std::uint64_t epoch : {0, 1, 5}) {
      std::vector<std::size_t> seen = take(size, 3, epoch * size, size);
      std::sort(seen.begin(), seen.end());
      for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(seen[i], i) << size << " in epoch " << epoch;
    }
}

TEST(DataOrder, DependsOnSeedAndEpoch) {
  EXPECT_EQ(take(50, 1, 0, 50), take(50, 1, 0, 50));
  EXPECT_NE(take(50, 1, 0, 50), take(50, 2, 0, 50));
  EXPECT_NE(take(50, 1, 0, 50), take(50, 1, 50, 50));
}

TEST(DataOrder, GoesOnFromAnyPosition) {
  const auto whole = take(7, 9, 0, 40);
  for (std::size_t at = 0; at < 40; ++at)
    EXPECT_EQ(take(7, 9, at, 40 - at),
              std::vector<std::size_t>(whole.begin() + static_cast<std::ptrdiff_t>(at), whole.end()));
}

TEST(DataOrder, StepsBackToAnEarlierEpoch) {
  DataOrder order(5, 4);
  const std::size_t first = order.at(0);
  order.at(12);
  EXPECT_EQ(order.at(0), first);
}

}  // namespace
}  // namespace sori
