// Products of 8-bit codes (Compute::int8) against their definition, on CPUs that have them.
#include <gtest/gtest.h>

#include <deque>
#include <optional>

#include "base/rng.h"
#include "ops/backend.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/unplanned.h"
#include "support/bounds.h"
#include "support/made_weight.h"

namespace sori::test {
namespace {

std::vector<float> noise(std::int64_t n, std::uint64_t seed, float size = 1) {
  const Rng rng(seed, Draw::kNoise);
  std::vector<float> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = size * static_cast<float>(rng.normal(i));
  return x;
}

// Codes are those that quantise_int8() gives, on whole vectors and beside them.
TEST(Int8Codes, OfRowsAreThoseOfTheFormat) {
  for (const std::int64_t cols : {1, 7, 16, 33, 64, 130}) {
    const std::int64_t rows = 5;
    std::vector<float> x = noise(rows * cols, static_cast<std::uint64_t>(cols));
    std::fill_n(x.begin() + cols, cols, 0.0f);                                                   // nothing
    for (std::int64_t c = 0; c < cols; ++c) x[2 * cols + c] *= 1e-40f;                           // too small for a step
    for (std::int64_t c = 0; c < cols; ++c) x[3 * cols + c] = static_cast<float>(c % 5) - 2.5f;  // ties
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(rows * cols) + 1, 77);
    std::vector<float> steps(static_cast<std::size_t>(rows));
    kernels::encode_rows(ConstMat(x.data(), rows, cols), codes.data(), steps.data());
    EXPECT_EQ(codes.back(), 77) << "nothing is written behind the end";
    const auto n = static_cast<std::size_t>(cols);
    std::vector<std::int8_t> expected(n);
    for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
      const float absmax = quantise_int8({x.data() + r * n, n}, expected);
      EXPECT_EQ(steps[r], absmax * (1.0f / 127.0f)) << cols << ", row " << r;
      std::vector<std::int8_t> weights(n + 1, 77);
      EXPECT_EQ(kernels::encode_weights(ConstMat(x.data() + r * n, 1, cols), weights.data()), steps[r]);
      EXPECT_EQ(weights.back(), 77);
      weights.pop_back();
      EXPECT_EQ(weights, expected) << cols << ", row " << r;
      for (std::size_t c = 0; c < n; ++c)
        ASSERT_EQ(codes[r * n + c], expected[c] + kernels::kCodeOffset) << cols << ", " << r << ", " << c;
    }
  }
}

TEST(Int8Codes, OfWhatIsNoNumberHaveNoStep) {
  for (const float bad :
       {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()})
    for (const std::size_t place : {0, 17, 39}) {
      std::vector<float> x = noise(40, 1);
      x[place] = bad;
      std::vector<std::uint8_t> codes(40);
      float step = 0;
      kernels::encode_rows(ConstMat(x.data(), 1, 40), codes.data(), &step);
      EXPECT_TRUE(std::isnan(step)) << bad << " at " << place;
    }
}

TEST(Int8Codes, OfAWeightAreSummed) {
  const std::vector<float> x = noise(3 * 77, 5);
  const MadeWeight w("int8", 3, 77, x);
  const auto& int8 = std::get<Int8>(w.weight);
  std::vector<std::int32_t> sums(2);
  kernels::sum_codes(int8, 1, 2, sums.data());
  for (std::int64_t r = 1; r < 3; ++r) {
    std::int32_t sum = 0;
    for (std::int64_t c = 0; c < 77; ++c) sum += int8.codes[r * 77 + c];
    EXPECT_EQ(sums[static_cast<std::size_t>(r - 1)], sum);
  }
}

class Int8Products : public ::testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    if (!has_int8_products()) GTEST_SKIP() << "this CPU has no products of 8-bit codes";
    backend_ = make_cpu_backend({GetParam(), true});
    const Limits limits{.rows = 1700, .width = 448};
    Carver count = Carver::counting();
    backend_->carve_scratch(count, limits);
    arena_ = std::make_unique<Arena>(count.bytes());
    std::memset(arena_->data(), 0xFF, arena_->bytes());
    Carver carver(*arena_);
    backend_->carve_scratch(carver, limits);
  }
  void TearDown() override {
    if (backend_) {
      EXPECT_EQ(unplanned_bytes(*backend_), 0u);
    }
  }
  Mat mat(DType type, std::int64_t rows, std::int64_t cols) {
    memory_.emplace_back(static_cast<std::size_t>(rows * cols) * 4 + 64);
    const Mat m(memory_.back().data(), type, rows, cols);
    const auto numbers = noise(rows * cols, memory_.size());
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < cols; ++c) store(m, r, c, numbers[static_cast<std::size_t>(r * cols + c)]);
    return m;
  }

  std::deque<std::vector<char>> memory_;
  std::unique_ptr<Arena> arena_;  // outlives the backend
  std::unique_ptr<Backend> backend_;
};

// Sums of codes are exact; what is left are the roundings of the steps' product, the sum and what is stored, and those
// of the definition, which adds in f64 terms below 1.
TEST_P(Int8Products, AreTheDefinition) {
  const auto reference = make_reference_backend({GetParam(), true});
  for (const auto& [n, in, out] : {std::array{1, 64, 64},
                                   {3, 65, 70},
                                   {64, 128, 100},
                                   {70, 100, 300},
                                   {130, 384, 257},
                                   {1600, 33, 20},
                                   {64, 7, 448},
                                   {65, 448, 3}}) {
    for (const std::string& format : file_format_names()) {
      const MadeWeight w(format, out, in, noise(std::int64_t{out} * in, 9, 0.05f));
      const Mat x = mat(GetParam(), n, in), y = mat(DType::kF32, n, out), expected = mat(DType::kF32, n, out);
      backend_->linear(x, w.weight, {.int8 = true}, y);
      reference->linear(x, w.weight, {.int8 = true}, expected);
      for (std::int64_t r = 0; r < n; ++r)
        for (std::int64_t c = 0; c < out; ++c)
          ASSERT_NEAR(y.at(r, c), expected.at(r, c),
                      gamma(5, kRoundoffF32) * std::abs(expected.at(r, c)) + in * gamma(in, kRoundoffF64))
              << format << " " << n << " x " << in << " x " << out << ": " << r << ", " << c;
    }
  }
}

// More outputs than a panel holds, and more rows than have codes at one time: rows are encoded anew for each panel.
TEST_P(Int8Products, OfARowAreTheSameAmongFewerRows) {
  constexpr std::int64_t kRows = 1600, kIn = 448, kOut = 9300, kRank = 4;
  const MadeWeight w("int8", kOut, kIn, noise(kOut * kIn, 9, 0.05f));
  const Mat x = mat(GetParam(), kRows, kIn), h = mat(GetParam(), kRows, kRank), b = mat(DType::kF32, kOut, kRank),
            all = mat(DType::kF32, kRows, kOut), part = mat(DType::kF32, kRows, kOut);
  const auto multiply = [&](std::int64_t first, std::int64_t rows, const Mat& y) {
    const LowRank low{h.row_range(first, rows), as_weight(b), 0.5f};
    backend_->linear(x.row_range(first, rows), w.weight, {.low_rank = &low, .int8 = true}, y.row_range(first, rows));
  };
  multiply(0, kRows, all);
  multiply(0, 800, part);
  multiply(800, 800, part);
  EXPECT_EQ(std::memcmp(all.data, part.data, static_cast<std::size_t>(kRows * kOut) * sizeof(float)), 0);
}

TEST_P(Int8Products, HaveTheirEpilogue) {
  const auto reference = make_reference_backend({GetParam(), true});
  for (const auto& [n, in, out, rank] : {std::array{64, 96, 130, 8}, {1664, 64, 70, 5}}) {
    const MadeWeight w("int8", out, in, noise(std::int64_t{out} * in, 9, 0.05f));
    const Mat x = mat(GetParam(), n, in), h = mat(GetParam(), n, rank), b = mat(DType::kF32, out, rank),
              add = mat(DType::kF32, n, out), bias = mat(DType::kF32, 1, out), gain = mat(DType::kF32, 1, out);
    const LowRank low{h, as_weight(b), 0.5f};
    Mat y[2], saved[2];
    for (const int which : {0, 1}) {
      y[which] = mat(DType::kF32, n, out), saved[which] = mat(GetParam(), n, out);
      const Epilogue e{bias.row<float>(0), &low, saved[which], true, add, true, gain.row<float>(0)};
      (which == 0 ? *backend_ : *reference).linear(x, w.weight, e, y[which]);
    }
    // Terms are of size 1 or less; gelu's slope is below 1.13 and its function errs by 8 u.
    const double bound = gamma(2 * rank + 40, kRoundoffF32) * 8;
    for (std::int64_t r = 0; r < n; ++r)
      for (std::int64_t c = 0; c < out; ++c) {
        ASSERT_NEAR(y[0].at(r, c), y[1].at(r, c), bound) << r << ", " << c;
        ASSERT_NEAR(saved[0].at(r, c), saved[1].at(r, c),
                    bound + 2 * roundoff(GetParam()) * std::abs(saved[1].at(r, c)))
            << r << ", " << c;
      }
  }
}

// Neither the number of rows nor their neighbours change a row.
TEST_P(Int8Products, OfARowAreItsOwn) {
  const MadeWeight w("int8", 130, 96, noise(130 * 96, 9, 0.05f));
  const Mat x = mat(GetParam(), 1600, 96), all = mat(DType::kF32, 1600, 130), alone = mat(DType::kF32, 3, 130);
  backend_->linear(x, w.weight, {.int8 = true}, all);
  for (const std::int64_t first : {0, 63, 1535, 1597}) {
    backend_->linear(x.row_range(first, 3), w.weight, {.int8 = true}, alone);
    for (std::int64_t r = 0; r < 3; ++r)
      for (std::int64_t c = 0; c < 130; ++c) ASSERT_EQ(alone.at(r, c), all.at(first + r, c)) << first + r << ", " << c;
  }
}

// Without leave, and of other formats, products are those of numbers.
TEST_P(Int8Products, AreMadeOnlyWhereTheyMay) {
  const auto plain = make_cpu_backend(GetParam());
  const auto x_values = noise(130 * 96, 9, 0.05f);
  for (const std::string format : {"int8", "nf4", "bf16"})
    for (const bool may : {false, true}) {
      const Mat numbers = mat(DType::kBF16, 130, 96);
      std::optional<MadeWeight> made;
      if (format != "bf16") made.emplace(format, 130, 96, x_values);
      const BaseWeight w = made ? made->weight : as_weight(numbers);
      const Mat x = mat(GetParam(), 64, 96), y = mat(DType::kF32, 64, 130), expected = mat(DType::kF32, 64, 130);
      backend_->linear(x, w, {.int8 = may}, y);
      plain->linear(x, w, {.int8 = may}, expected);
      bool equal = true;
      for (std::int64_t r = 0; r < 64; ++r)
        for (std::int64_t c = 0; c < 130; ++c) equal = equal && y.at(r, c) == expected.at(r, c);
      EXPECT_EQ(equal, !(may && format != "bf16")) << format << ", " << may;
    }
}

INSTANTIATE_TEST_SUITE_P(Types, Int8Products, ::testing::Values(DType::kF32, DType::kBF16),
                         [](const auto& i) { return std::string(name_of(i.param)); });

}  // namespace
}  // namespace sori::test
