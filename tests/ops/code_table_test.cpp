#include "ops/cpu/code_table.h"

#include <gtest/gtest.h>

#include "support/draw.h"

namespace sori::test {
namespace {

struct Case {
  const DynamicMap& map;
  const kernels::CodeTable& table;
  bool negatives;
};

class CodeTable : public testing::TestWithParam<Case> {};

// At every midpoint and beside it, at the edges of every bucket, and all over.
TEST_P(CodeTable, FindsTheNearestCode) {
  const auto& [map, table, negatives] = GetParam();
  const auto expect = [&](float x) {
    for (const float y : {std::nextafter(x, -2.0f), x, std::nextafter(x, 2.0f)})
      if (std::abs(y) <= 1 && (negatives || y >= 0)) {
        ASSERT_EQ(table.code(y), nearest_code(map, y)) << y;
      }
  };
  for (const float x : map.midpoints) expect(x);
  for (const float x : map.numbers) expect(x);
  for (std::uint32_t bits = 0; bits <= 0x3f80; ++bits)
    for (const std::uint32_t sign : {0u, 0x8000u}) expect(std::bit_cast<float>((sign | bits) << 16));
  Drawn draw(1);
  for (int i = 0; i < 10000; ++i) {
    const double x = std::pow(10, -8 * std::abs(draw.normal()));
    expect(static_cast<float>(i % 2 == 0 ? x : -x));
  }
}

INSTANTIATE_TEST_SUITE_P(Maps, CodeTable,
                         testing::Values(Case{kSignedDynamicMap, kernels::kSignedCodes, true},
                                         Case{kUnsignedDynamicMap, kernels::kUnsignedCodes, false}),
                         [](const auto& i) { return i.param.negatives ? "Signed" : "Unsigned"; });

TEST(DynamicMap, TakesTheLowerOfTwoEquallyNearCodes) {
  for (const DynamicMap* map : {&kSignedDynamicMap, &kUnsignedDynamicMap})
    for (std::size_t c = 0; c < map->midpoints.size(); ++c) {
      EXPECT_LT(map->numbers[c], map->numbers[c + 1]);
      EXPECT_EQ(nearest_code(*map, map->midpoints[c]), c);
      EXPECT_EQ(nearest_code(*map, std::nextafter(map->midpoints[c], 2.0f)), c + 1);
      EXPECT_EQ(nearest_code(*map, map->numbers[c]), c);
    }
}

TEST(DynamicMap, BlocksAreScaledByTheirLargestMagnitude) {
  std::uint8_t codes[3];
  EXPECT_EQ(quantise_block(kSignedDynamicMap, std::vector{-4.0f, 0.0f, 2.0f}, codes), 4);
  EXPECT_EQ(codes[0], 0);
  EXPECT_EQ(kSignedDynamicMap.numbers[codes[1]], 0);
  EXPECT_NEAR(4 * kSignedDynamicMap.numbers[codes[2]], 2, 4 * 0.9 / 64 / 2);  // half the distance of two codes
  EXPECT_EQ(quantise_block(kUnsignedDynamicMap, std::vector{0.0f, 0.0f, 0.0f}, codes), 0);
  EXPECT_EQ(codes[0], 0);
}

}  // namespace
}  // namespace sori::test
