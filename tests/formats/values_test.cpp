#include "formats/values.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"

namespace sori {
namespace {

template <class T>
TensorView view(const std::vector<T>& values, std::vector<std::byte>& storage) {
  storage.assign(values.size() * sizeof(T) + 1, std::byte{});
  std::memcpy(storage.data() + 1, values.data(), values.size() * sizeof(T));  // off by one: alignment 1 is enough
  return {{"x", dtype_of<T>, {static_cast<std::int64_t>(values.size())}}, std::span(storage).subspan(1)};
}

TEST(Values, ReadsEveryTypeExactlyWithoutAlignment) {
  std::vector<std::byte> storage;
  std::vector<float> out(2);
  read_floats(view<float>({1, -0.1f, 3}, storage), 1, out);
  EXPECT_EQ(out, (std::vector<float>{-0.1f, 3}));
  read_floats(view<f16>({{0x3c00}, {0xc000}, {0x0001}}, storage), 1, out);
  EXPECT_EQ(out, (std::vector<float>{-2, 0x1p-24f}));
  read_floats(view<bf16>({{0x3f80}, {0xc000}, {0x0001}}, storage), 1, out);
  EXPECT_EQ(out, (std::vector<float>{-2, 0x1p-133f}));
  read_floats(view<std::int8_t>({5, -128, 127}, storage), 1, out);
  EXPECT_EQ(out, (std::vector<float>{-128, 127}));
  EXPECT_THROW(read_floats(view<float>({1}, storage), 0, out), Bug);
}

TEST(Values, WritesWhatItReads) {
  const std::vector<float> values = {1, -2, 0.5f, 0};
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    std::vector<std::byte> bytes(values.size() * size_of(type));
    write_floats(values, type, bytes.data());
    std::vector<float> back(values.size());
    read_floats({{"x", type, {4}}, bytes}, 0, back);
    EXPECT_EQ(back, values) << name_of(type);
  }
}

TEST(Values, FindsEachInfinityAndNaN) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16})
    for (const float bad : {inf, -inf, nan})
      for (std::size_t at = 0; at < 5; ++at) {
        std::vector<float> values = {1, -65000, 6e-8f, 0, -0.0f};
        std::vector<std::byte> bytes(values.size() * size_of(type));
        write_floats(values, type, bytes.data());
        EXPECT_TRUE(all_finite(type, bytes)) << name_of(type);
        values[at] = bad;
        write_floats(values, type, bytes.data());
        EXPECT_FALSE(all_finite(type, bytes)) << name_of(type) << " " << at;
      }
}

TEST(Values, ReadsAnIntegerOfOneElement) {
  std::vector<std::byte> storage;
  EXPECT_EQ(integer_value(view<std::int8_t>({-3}, storage)), -3);
  EXPECT_EQ(integer_value(view<std::int32_t>({70000}, storage)), 70000);
  EXPECT_EQ(integer_value(view<std::int32_t>({1, 2}, storage)), std::nullopt);
  EXPECT_EQ(integer_value(view<float>({1}, storage)), std::nullopt);
}

}  // namespace
}  // namespace sori
