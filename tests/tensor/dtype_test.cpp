#include "tensor/dtype.h"

#include <limits>

namespace sori {
namespace {

// A format with `fraction` stored bits and exponent bias `bias`, decoded by its definition in double.
double decode(std::uint32_t bits, int fraction, int exponent_bits, int bias) {
  const std::uint32_t all = (1u << exponent_bits) - 1, e = (bits >> fraction) & all, f = bits & ((1u << fraction) - 1);
  const double sign = bits >> (fraction + exponent_bits) ? -1 : 1;
  if (e == all) return f ? std::numeric_limits<double>::quiet_NaN() : sign * INFINITY;
  if (e == 0) return sign * std::ldexp(f, 1 - bias - fraction);
  return sign * std::ldexp(f + (1u << fraction), static_cast<int>(e) - bias - fraction);
}
double decode(f16 x) { return decode(x.bits, 10, 5, 15); }
double decode(bf16 x) { return decode(x.bits, 7, 8, 127); }

template <class T>
class HalfTypes : public ::testing::Test {};
using Both = ::testing::Types<f16, bf16>;
TYPED_TEST_SUITE(HalfTypes, Both);

TYPED_TEST(HalfTypes, EveryValueIsWhatTheFormatSaysAndComesBack) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const TypeParam half{static_cast<std::uint16_t>(bits)};
    const double expected = decode(half);
    const float value = to_float(half);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_TRUE(std::isnan(decode(from_float<TypeParam>(value)))) << bits;
      continue;
    }
    ASSERT_EQ(value, expected) << bits;
    ASSERT_EQ(std::signbit(value), std::signbit(expected)) << bits;
    ASSERT_EQ(from_float<TypeParam>(value).bits, bits);
  }
}

// Halfway between neighbours, and one f32 step to either side of it.
TYPED_TEST(HalfTypes, RoundsToTheNearestAndTiesToEven) {
  for (std::uint32_t bits = 0; bits < 0x7FFF; ++bits) {
    const TypeParam low{static_cast<std::uint16_t>(bits)}, high{static_cast<std::uint16_t>(bits + 1)};
    if (!std::isfinite(decode(low)) || !std::isfinite(decode(high))) continue;
    const double middle = (decode(low) + decode(high)) / 2;
    const float tie = static_cast<float>(middle);
    ASSERT_EQ(tie, middle) << "f32 holds the middle exactly";
    const std::uint16_t even = bits % 2 == 0 ? low.bits : high.bits;
    ASSERT_EQ(from_float<TypeParam>(tie).bits, even) << bits;
    ASSERT_EQ(from_float<TypeParam>(-tie).bits, even | 0x8000) << bits;
    ASSERT_EQ(from_float<TypeParam>(std::nextafter(tie, 0.0f)).bits, low.bits) << bits;
    ASSERT_EQ(from_float<TypeParam>(std::nextafter(tie, INFINITY)).bits, high.bits) << bits;
  }
}

TYPED_TEST(HalfTypes, OverflowsToInfinityFromHalfAStepAboveTheLargest) {
  std::uint16_t bits = 0;  // of the largest finite number
  while (std::isfinite(decode(TypeParam{static_cast<std::uint16_t>(bits + 1)}))) ++bits;
  const double largest = decode(TypeParam{bits}),
               step = largest - decode(TypeParam{static_cast<std::uint16_t>(bits - 1)});
  const float limit = static_cast<float>(largest + step / 2);
  EXPECT_TRUE(std::isinf(to_float(from_float<TypeParam>(limit))));
  EXPECT_EQ(from_float<TypeParam>(std::nextafter(limit, 0.0f)).bits, bits);
  EXPECT_TRUE(std::isinf(to_float(from_float<TypeParam>(INFINITY))));
  EXPECT_EQ(to_float(from_float<TypeParam>(-INFINITY)), -INFINITY);
}

TYPED_TEST(HalfTypes, NaNStaysNaNWhateverItsPayload) {
  for (const std::uint32_t bits : {0x7f800001u, 0x7fffffffu, 0xff800001u, 0x7fc00000u})
    EXPECT_TRUE(std::isnan(to_float(from_float<TypeParam>(std::bit_cast<float>(bits))))) << bits;
}

TEST(DType, KnowsSizesAndNames) {
  EXPECT_EQ(size_of(DType::kF32), 4u);
  EXPECT_EQ(size_of(DType::kI32), 4u);
  EXPECT_EQ(size_of(DType::kF16), 2u);
  EXPECT_EQ(size_of(DType::kBF16), 2u);
  EXPECT_EQ(size_of(DType::kI8), 1u);
  EXPECT_EQ(size_of(DType::kU8), 1u);
  EXPECT_EQ(name_of(DType::kBF16), "bf16");
  EXPECT_EQ(name_of(DType::kI32), "i32");
  EXPECT_EQ(dtype_of<f16>, DType::kF16);
}

}  // namespace
}  // namespace sori
