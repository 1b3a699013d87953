#include "metrics/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/rng.h"

namespace sori {
namespace {

// n utterances of `length` characters, each of which is wrong with this probability.
UtteranceCounts binomial(std::size_t n, std::int64_t length, double probability, std::uint64_t seed) {
  UtteranceCounts c;
  for (std::size_t i = 0; i < n; ++i) {
    const Rng rng(seed, Draw::kNoise, i);
    std::int64_t errors = 0;
    for (std::int64_t k = 0; k < length; ++k) errors += rng.uniform(static_cast<std::uint64_t>(k)) < probability;
    c.errors.push_back(errors), c.lengths.push_back(length);
  }
  return c;
}

// Errors of 400 x 25 independent characters have the deviation sqrt(p (1 - p) / 10,000); 1.96 of it to either side are
// 95 %. An end is estimated from 10,000 draws and 400 utterances: its own deviation is about 4 % of the width.
TEST(Bootstrap, HasTheWidthOfABinomialsInterval) {
  const double p = 0.1, deviation = std::sqrt(p * (1 - p) / 10'000);
  const std::vector<UtteranceCounts> run{binomial(400, 25, p, 1)};
  const Interval i = bootstrap_rate(run);
  EXPECT_NEAR(i.value, p, 4 * deviation);
  EXPECT_NEAR(i.high - i.value, 1.96 * deviation, 0.16 * 1.96 * deviation);
  EXPECT_NEAR(i.value - i.low, 1.96 * deviation, 0.16 * 1.96 * deviation);
}

TEST(Bootstrap, CertaintyHasNoWidth) {
  const std::vector<UtteranceCounts> run{{{2, 4, 6}, {10, 20, 30}}};
  const Interval i = bootstrap_rate(run);
  EXPECT_EQ(i.value, 0.2);
  EXPECT_EQ(i.low, 0.2);
  EXPECT_EQ(i.high, 0.2);
}

TEST(Bootstrap, IsTheMeanOverSeeds) {
  const std::vector<UtteranceCounts> runs{{{1, 0}, {10, 10}}, {{0, 4}, {10, 10}}};
  EXPECT_DOUBLE_EQ(bootstrap_rate(runs).value, (0.05 + 0.2) / 2);
}

// Both sides of a ratio see the same utterances: what is hard for both cancels out.
TEST(Bootstrap, ARatioOfTheSameErrorsIsOne) {
  const std::vector<UtteranceCounts> run{binomial(50, 20, 0.3, 2)};
  const Interval same = bootstrap_ratio(run, run);
  EXPECT_EQ(same.low, 1);
  EXPECT_EQ(same.high, 1);
  UtteranceCounts twice = run[0];
  for (std::int64_t& e : twice.errors) e *= 2;
  const std::vector<UtteranceCounts> worse{twice};
  const Interval two = bootstrap_ratio(worse, run);
  EXPECT_DOUBLE_EQ(two.value, 2);
  EXPECT_DOUBLE_EQ(two.low, 2);
  EXPECT_DOUBLE_EQ(two.high, 2);
}

TEST(Bootstrap, IsTheSameEveryTime) {
  const std::vector<UtteranceCounts> run{binomial(40, 20, 0.2, 3)}, other{binomial(40, 20, 0.25, 4)};
  EXPECT_EQ(bootstrap_rate(run).low, bootstrap_rate(run).low);
  EXPECT_EQ(bootstrap_ratio(run, other).high, bootstrap_ratio(run, other).high);
  EXPECT_LT(bootstrap_ratio(run, other).low, bootstrap_ratio(run, other).high);
}

TEST(Bootstrap, NoErrorBelowIsInfinite) {
  const std::vector<UtteranceCounts> some{{{1}, {5}}}, none{{{0}, {5}}};
  EXPECT_TRUE(std::isinf(bootstrap_ratio(some, none).value));
}

TEST(Bootstrap, ComparesOnlyWhatIsOfTheSameUtterances) {
  const std::vector<UtteranceCounts> some{{{1}, {5}}}, others{{{1}, {6}}};
  EXPECT_THROW(bootstrap_ratio(some, others), Bug);
}

}  // namespace
}  // namespace sori
