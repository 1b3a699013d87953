#include "decode/greedy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/temporary.h"

namespace sori::test {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

Choice chosen(std::vector<float> logits, const DecodeRules& rules = {}, const std::vector<int>& text = {0}) {
  return choose(logits, rules, text);
}

TEST(Greedy, TakesTheLargestAndTellsItsLead) {
  for (const auto& logits : {std::vector<float>{1, 5, 4.5f, -2}, {1, 4.5f, -2, 5}, {5, 1, 4.5f, -2}}) {
    const Choice c = chosen(logits);
    EXPECT_EQ(logits[static_cast<std::size_t>(c.id)], 5);
    EXPECT_EQ(c.margin, 0.5f);
  }
}

TEST(Greedy, TakesTheFirstOfEquals) {
  const Choice c = chosen({1, 7, 7, 3, 7});
  EXPECT_EQ(c.id, 1);
  EXPECT_EQ(c.margin, 0);
}

TEST(Greedy, NeverTakesWhatIsSuppressed) {
  const DecodeRules rules{.suppress = {1, 4}, .begin_suppress = {2}};
  EXPECT_EQ(chosen({0, 9, 5, 4, 8}, rules, {}).id, 3);
  EXPECT_EQ(chosen({0, 9, 5, 4, 8}, rules).id, 2);
  EXPECT_EQ(chosen({0, 9, 5, 4, 8}, rules).margin, 1);  // the suppressed do not count
}

TEST(Greedy, ALonelyTokenHasNoRival) { EXPECT_EQ(chosen({3, -2}, {.suppress = {0}}).margin, kInfinity); }

TEST(Greedy, RefusesWhatAreNoNumbers) {
  for (const auto& logits : {std::vector<float>{kNaN, kNaN}, {1, kInfinity}, {-kInfinity, -kInfinity}}) {
    const auto error = sori::testing::error_of([&] { chosen(logits); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::kNumeric);
  }
}

}  // namespace
}  // namespace sori::test
