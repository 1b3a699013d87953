// Operations on quantised weights equal the same operations on the numbers that the weights stand for, bit for bit: a
// format only changes where numbers come from.
#include <gtest/gtest.h>

#include <deque>

#include "base/rng.h"
#include "ops/backend.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/unplanned.h"
#include "support/made_weight.h"

namespace sori::test {
namespace {

std::vector<float> noise(std::int64_t n, std::uint64_t seed) {
  const Rng rng(seed, Draw::kNoise);
  std::vector<float> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.05f * static_cast<float>(rng.normal(i));
  if (n > 200) std::fill_n(x.begin() + 64, 64, 0.0f);
  return x;
}

struct Case {
  std::string format;
  DType compute;
};

class Quantised : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    backend_ = make_cpu_backend(compute());
    const Limits limits{.rows = 192, .width = 448, .target_rows = 64, .vocabulary = 301};
    Carver count = Carver::counting();
    backend_->carve_scratch(count, limits);
    arena_ = std::make_unique<Arena>(count.bytes());
    Carver carver(*arena_);
    backend_->carve_scratch(carver, limits);
  }
  void TearDown() override { EXPECT_EQ(unplanned_bytes(*backend_), 0u); }

  // A weight, and what it stands for in f32.
  struct Pair {
    MadeWeight stored;
    std::vector<float> numbers;
    BaseWeight plain;
  };
  Pair pair(std::int64_t rows, std::int64_t cols) {
    const std::vector<float> x = noise(rows * cols, static_cast<std::uint64_t>(7 * rows + cols));
    Pair p{MadeWeight(GetParam().format, rows, cols, x), {}, {}};
    p.numbers = p.stored.decoded();
    p.plain = as_weight(ConstMat(p.numbers.data(), rows, cols));
    return p;
  }
  DType compute() const { return GetParam().compute; }
  Mat mat(DType type, std::int64_t rows, std::int64_t cols) {
    memory_.emplace_back(static_cast<std::size_t>(rows * cols) * 4 + 64);
    Mat m(memory_.back().data(), type, rows, cols);
    const Rng rng(memory_.size(), Draw::kNoise);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < cols; ++c)
        store(m, r, c, static_cast<float>(rng.normal(static_cast<std::uint64_t>(r * cols + c))));
    return m;
  }
  static void expect_equal(ConstMat a, ConstMat b) {
    for (std::int64_t r = 0; r < a.rows; ++r)
      for (std::int64_t c = 0; c < a.cols; ++c) ASSERT_EQ(a.at(r, c), b.at(r, c)) << r << ", " << c;
  }

  std::deque<std::vector<char>> memory_;
  std::unique_ptr<Arena> arena_;  // outlives the backend
  std::unique_ptr<Backend> backend_;
};

TEST_P(Quantised, RowsAndColumnsAreDecodedAsDefined) {
  for (const auto& [rows, cols] : {std::pair{5, 64}, {3, 192}, {7, 65}, {9, 100}, {1, 33}, {40, 448}, {300, 70}}) {
    const Pair p = pair(rows, cols);
    for (const auto& [row, n, col, m] : {std::array{0, rows, 0, cols},
                                         {rows / 2, rows - rows / 2, 0, cols},
                                         {0, 1, cols / 3, cols - cols / 3},
                                         {rows - 1, 1, cols - 1, 1}}) {
      const Mat got = mat(compute(), n, m), want = mat(compute(), n, m);
      kernels::decode(p.stored.weight, row, col, got);
      for (int r = 0; r < n; ++r)
        for (int c = 0; c < m; ++c) store(want, r, c, p.numbers[static_cast<std::size_t>((row + r) * cols + col + c)]);
      expect_equal(got, want);
    }
  }
}

TEST_P(Quantised, ProductsAreThoseOfItsNumbers) {
  for (const auto& [n, in, out] :
       {std::array{1, 64, 64}, {3, 65, 70}, {16, 192, 130}, {64, 128, 100}, {70, 100, 300}, {130, 384, 257}}) {
    const Pair p = pair(out, in);
    const Mat x = mat(compute(), n, in), dy = mat(compute(), n, out);
    const Mat y = mat(DType::kF32, n, out), y_plain = mat(DType::kF32, n, out);
    backend_->linear(x, p.stored.weight, {}, y);
    backend_->linear(x, p.plain, {}, y_plain);
    expect_equal(y, y_plain);
    const Mat dx = mat(DType::kF32, n, in), dx_plain = mat(DType::kF32, n, in);
    backend_->linear_backward(dy, p.stored.weight, false, dx);
    backend_->linear_backward(dy, p.plain, false, dx_plain);
    expect_equal(dx, dx_plain);
  }
}

TEST_P(Quantised, TablesAndLossesAreThoseOfItsNumbers) {
  const Pair tokens = pair(301, 96), places = pair(9, 96);
  const std::vector<int> ids{0, 300, 7, -1, 150}, at{0, 1, 8, -1, 3};
  const Mat y = mat(compute(), 5, 96), y_plain = mat(compute(), 5, 96);
  backend_->embed(tokens.stored.weight, ids, places.stored.weight, at, y);
  backend_->embed(tokens.plain, ids, places.plain, at, y_plain);
  expect_equal(y, y_plain);
  const Mat x = mat(compute(), 5, 96);
  backend_->add_rows(x, places.stored.weight, at, y);
  backend_->add_rows(x, places.plain, at, y_plain);
  expect_equal(y, y_plain);
  std::vector<float> losses(5), losses_plain(5);
  const Mat dx = mat(DType::kF32, 5, 96), dx_plain = mat(DType::kF32, 5, 96);
  backend_->cross_entropy(x, tokens.stored.weight, ids, 0.5f, 0.1f, losses, dx, {});
  backend_->cross_entropy(x, tokens.plain, ids, 0.5f, 0.1f, losses_plain, dx_plain, {});
  EXPECT_EQ(losses, losses_plain);
  expect_equal(dx, dx_plain);
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::string& format : file_format_names())
    for (const DType compute : {DType::kF32, DType::kBF16}) all.push_back({format, compute});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Formats, Quantised, ::testing::ValuesIn(cases()),
                         [](const auto& c) { return c.param.format + "_" + std::string(name_of(c.param.compute)); });

}  // namespace
}  // namespace sori::test
