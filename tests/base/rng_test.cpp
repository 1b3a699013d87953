#include "base/rng.h"

#include <set>

namespace sori {
namespace {

using Block = std::array<std::uint32_t, 4>;

// Known answers of philox4x32-10, published with Random123 (kat_vectors): zeros, ones, and digits of pi.
TEST(Philox, GivesThePublishedAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, IsAFunctionOfSeedPurposeStepSampleAndIndex) {
  const Rng rng(1, Draw::kNoise, 2, 3);
  EXPECT_EQ(rng.bits(5), Rng(1, Draw::kNoise, 2, 3).bits(5));
  std::set<std::uint32_t> seen;
  for (const Rng& other : {rng, Rng(2, Draw::kNoise, 2, 3), Rng(1, Draw::kOrder, 2, 3), Rng(1, Draw::kNoise, 3, 3),
                           Rng(1, Draw::kNoise, 2, 4), Rng(1, Draw::kNoise, 3, 2), Rng(1ull << 32, Draw::kNoise, 2, 3)})
    for (std::uint64_t i = 0; i < 64; ++i) seen.insert(other.bits(i));
  EXPECT_EQ(seen.size(), 7u * 64) << "two streams share numbers";
  EXPECT_NE(rng.bits(0), rng.bits(std::uint64_t{4} << 32)) << "the high half of an index counts";
}

// What the loops that draw many at once rely on.
TEST(Rng, BitsAreTheWordsOfPhiloxOnItsKeyAndStream) {
  const Rng rng(9, Draw::kDropout, 8, 7);
  const std::uint64_t index = (std::uint64_t{5} << 34) + 4 * 11 + 2;
  EXPECT_EQ(rng.bits(index), philox({11, 5, rng.stream()[0], rng.stream()[1]}, rng.key())[2]);
}

// The mean of n uniform numbers deviates by 1 / sqrt(12 n), of n normal ones by 1 / sqrt n, and the mean square of
// normal ones by sqrt(2 / n). Six deviations: one seed in 10^8 would fail.
TEST(Rng, HasTheMomentsOfItsDistributions) {
  const Rng rng(4, Draw::kNoise);
  const int n = 20000;
  double uniform = 0, normal = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    const double u = rng.uniform(i), x = rng.normal(i);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    uniform += u / n;
    normal += x / n;
    squares += x * x / n;
  }
  EXPECT_NEAR(uniform, 0.5, 6 / std::sqrt(12.0 * n));
  EXPECT_NEAR(normal, 0, 6 / std::sqrt(double{n}));
  EXPECT_NEAR(squares, 1, 6 * std::sqrt(2.0 / n));
}

TEST(Rng, BelowReachesEveryNumberAndNoOther) {
  const Rng rng(5, Draw::kOrder);
  std::vector<int> counts(7);
  for (int i = 0; i < 7000; ++i) ++counts.at(rng.below(i, 7));
  for (const int c : counts) EXPECT_NEAR(c, 1000, 6 * std::sqrt(7000.0 / 7 * 6 / 7));
  EXPECT_EQ(rng.below(0, 1), 0u);
  std::uint64_t largest = 0;
  for (int i = 0; i < 64; ++i) largest = std::max(largest, rng.below(i, UINT64_MAX));
  EXPECT_GT(largest, UINT64_MAX / 2) << "all 64 bits are used";
}

}  // namespace
}  // namespace sori
