#include "text/byte_pairs.h"

#include <chrono>
#include <numeric>

namespace sori {
namespace {

using ::testing::ElementsAre;

BytePairs plain_bytes() {
  std::array<int, 256> ids{};
  std::iota(ids.begin(), ids.end(), 0);
  return BytePairs(ids);
}

std::vector<int> encode(const BytePairs& pairs, std::string_view word) {
  std::vector<int> ids;
  pairs.encode(word, ids);
  return ids;
}

TEST(BytePairs, JoinsTheEarliestLearnedPairFirst) {
  BytePairs pairs = plain_bytes();
  pairs.add_merge('b', 'c', 300);
  pairs.add_merge('a', 'b', 301);
  pairs.add_merge('a', 300, 302);
  EXPECT_THAT(encode(pairs, "abc"), ElementsAre(302));  // bc before ab, then a + bc
  EXPECT_THAT(encode(pairs, "abd"), ElementsAre(301, 'd'));
  EXPECT_THAT(encode(pairs, ""), ElementsAre());
}

TEST(BytePairs, JoinsFromTheLeft) {
  BytePairs pairs = plain_bytes();
  pairs.add_merge('a', 'a', 300);
  EXPECT_THAT(encode(pairs, "aaa"), ElementsAre(300, 'a'));
  pairs.add_merge(300, 300, 301);
  EXPECT_THAT(encode(pairs, "aaaaaaa"), ElementsAre(301, 300, 'a'));
}

TEST(BytePairs, CountsARepeatedMergeWhereItWasNamedLast) {
  BytePairs pairs = plain_bytes();
  pairs.add_merge('a', 'b', 300);
  pairs.add_merge('b', 'c', 301);
  EXPECT_THAT(encode(pairs, "abc"), ElementsAre(300, 'c'));
  pairs.add_merge('a', 'b', 300);
  EXPECT_THAT(encode(pairs, "abc"), ElementsAre('a', 301));
}

// Quadratic work would be 2^18 * 2^17 steps, minutes; n log n takes milliseconds.
TEST(BytePairs, TakesALongRunOfOneLetterInItsStride) {
  BytePairs doubling = plain_bytes();
  for (int level = 0; level < 4; ++level) {
    const int half = level == 0 ? 'a' : 299 + level;
    doubling.add_merge(half, half, 300 + level);
  }
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(encode(doubling, std::string(1 << 18, 'a')), std::vector<int>(1 << 14, 303));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

}  // namespace
}  // namespace sori
