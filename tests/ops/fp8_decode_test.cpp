// Every code of E4M3, which rows of noise do not reach: the vector loops give the bits of the definition.
#include <gtest/gtest.h>

#include <numeric>

#include "ops/cpu/kernels.h"

namespace sori::test {
namespace {

class Fp8Decode : public ::testing::TestWithParam<DType> {};

TEST_P(Fp8Decode, GivesTheBitsOfTheDefinitionForEveryCode) {
  std::vector<std::uint8_t> codes(256);
  std::iota(codes.begin(), codes.end(), std::uint8_t{0});
  for (const float scale : {1.0f, 0.00123f, 0.0f, 0x1p-140f, std::numeric_limits<float>::max()}) {
    const Fp8 w{reinterpret_cast<const e4m3*>(codes.data()), &scale, 1, 256};
    std::vector<char> got(256 * sizeof(float)), want(got);
    kernels::decode(w, 0, 0, Mat(got.data(), GetParam(), 1, 256));
    decode_rows(w, 0, Mat(want.data(), GetParam(), 1, 256));
    for (int c = 0; c < 256; ++c) {
      const float a = ConstMat(got.data(), GetParam(), 1, 256).at(0, c);
      const float b = ConstMat(want.data(), GetParam(), 1, 256).at(0, c);
      EXPECT_EQ(std::bit_cast<std::uint32_t>(a), std::bit_cast<std::uint32_t>(b)) << c << " times " << scale;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Fp8Decode, ::testing::Values(DType::kF32, DType::kBF16),
                         [](const auto& i) { return std::string(name_of(i.param)); });

}  // namespace
}  // namespace sori::test
