#include "model/svd.h"

#include <gtest/gtest.h>

#include "ops/threads.h"
#include "support/draw.h"
#include "support/made_weight.h"

namespace sori::test {
namespace {

using Rows = std::vector<std::vector<double>>;

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// `count` orthonormal rows of length n.
Rows orthonormal(Drawn& draw, std::size_t count, std::size_t n) {
  Rows rows;
  while (rows.size() < count) {
    std::vector<double> row(n);
    for (double& x : row) x = draw.normal();
    for (int twice = 0; twice < 2; ++twice)
      for (const auto& other : rows) {
        const double along = dot(row, other);
        for (std::size_t i = 0; i < n; ++i) row[i] -= along * other[i];
      }
    const double length = std::sqrt(dot(row, row));
    for (double& x : row) x /= length;
    rows.push_back(std::move(row));
  }
  return rows;
}

// A weight [out, in] with these singular values, and its singular vectors.
struct Known {
  Known(std::size_t out, std::size_t in, const std::vector<double>& values) {
    Drawn draw(1);
    left = orthonormal(draw, values.size(), out), right = orthonormal(draw, values.size(), in);
    for (std::size_t o = 0; o < out; ++o)
      for (std::size_t i = 0; i < in; ++i) {
        double x = 0;
        for (std::size_t k = 0; k < values.size(); ++k) x += values[k] * left[k][o] * right[k][i];
        numbers.push_back(static_cast<float>(x));
      }
  }
  Rows left, right;
  std::vector<float> numbers;
};

struct Memory {
  explicit Memory(const SvdLimits& limits) : backend(make_cpu_backend(DType::kF32)) {
    Carver count = Carver::counting();
    carve(count, limits);
    arena = std::make_unique<Arena>(count.bytes());
    Carver carver(*arena);
    carve(carver, limits);
  }
  void carve(Carver& c, const SvdLimits& l) {
    backend->carve_scratch(c, {.rows = round_rows(l.rank + kOversampling), .width = std::max(l.out, l.in)});
    svd = carve_svd(c, l);
  }
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Arena> arena;
  SvdMemory svd;
};

std::vector<double> row(ConstMat m, std::int64_t r) {
  std::vector<double> x(static_cast<std::size_t>(m.cols));
  for (std::int64_t c = 0; c < m.cols; ++c) x[static_cast<std::size_t>(c)] = m.at(r, c);
  return x;
}

constexpr int kIterations = 16;

// Tall, wide and square, more directions than it is searched with, or fewer.
TEST(TruncatedSvd, FindsTheLargestTripletsOfAKnownMatrix) {
  for (const auto& [out, in] : {std::pair{90l, 61l}, {61l, 90l}, {64l, 64l}, {7l, 300l}}) {
    std::vector<double> values;
    for (std::int64_t i = 0; i < std::min(out, in); ++i) values.push_back(20 * std::pow(0.9, static_cast<double>(i)));
    const Known known(static_cast<std::size_t>(out), static_cast<std::size_t>(in), values);
    const std::int64_t rank = 5;
    Memory m({rank, out, in});
    const Svd svd = truncated_svd(*m.backend, as_weight(ConstMat(known.numbers.data(), out, in)), rank, kIterations,
                                  Rng(3, Draw::kInit), m.svd);
    // What f32 leaves of the largest value, in each product of the length of a side; and the tenth part of it between a
    // value and the next, which is what turns their vectors.
    const double roundoff = std::sqrt(static_cast<double>(out + in)) * 0x1p-23 * 20;
    for (std::int64_t i = 0; i < rank; ++i) {
      const auto k = static_cast<std::size_t>(i);
      EXPECT_NEAR(svd.values[k], values[k], roundoff) << i;
      const double sign = dot(row(svd.left, i), known.left[k]) > 0 ? 1 : -1;
      for (const auto& [found, wanted] :
           {std::pair(row(svd.left, i), known.left[k]), {row(svd.right, i), known.right[k]}})
        for (std::size_t j = 0; j < found.size(); ++j)
          ASSERT_NEAR(sign * found[j], wanted[j], 10 * roundoff / values[k]) << i << " of " << out << " x " << in;
    }
  }
}

TEST(TruncatedSvd, OfFewerTripletsThanAskedForEndsInZeros) {
  const Known known(40, 30, {3, 2});
  Memory m({4, 40, 30});
  const Svd svd = truncated_svd(*m.backend, as_weight(ConstMat(known.numbers.data(), 40, 30)), 4, kIterations,
                                Rng(3, Draw::kInit), m.svd);
  EXPECT_NEAR(svd.values[1], 2, 1e-5);
  for (std::int64_t i = 2; i < 4; ++i) {
    EXPECT_LT(svd.values[static_cast<std::size_t>(i)], 1e-5);
    EXPECT_NEAR(dot(row(svd.right, i), row(svd.right, i)), 1, 1e-5);
  }
  const std::vector<float> zeros(40 * 30);
  const Svd none =
      truncated_svd(*m.backend, as_weight(ConstMat(zeros.data(), 40, 30)), 4, kIterations, Rng(3, Draw::kInit), m.svd);
  for (std::int64_t i = 0; i < 4; ++i) EXPECT_EQ(dot(row(none.left, i), row(none.left, i)), 0);
}

// The products are the backend's, whatever the format, and do not depend on threads.
TEST(TruncatedSvd, OfAQuantisedWeightIsThatOfItsNumbersForAnyNumberOfThreads) {
  const Known known(96, 64, {5, 4, 3, 2, 1, 0.5, 0.25});
  for (const char* format : {"int8", "nf4", "fp8"}) {
    const MadeWeight made(format, 96, 64, known.numbers);
    const std::vector<float> decoded = made.decoded();
    std::vector<std::vector<std::byte>> bits;
    for (const auto& [w, threads] :
         {std::pair(made.weight, 1), {made.weight, 3}, {as_weight(ConstMat(decoded.data(), 96, 64)), 2}}) {
      const Threads scope(threads);
      Memory m({3, 96, 64});
      const Svd svd = truncated_svd(*m.backend, w, 3, kIterations, Rng(3, Draw::kInit), m.svd);
      bits.push_back(bits_of(svd.left));
      EXPECT_NEAR(svd.values[0], 5, 0.2);
    }
    EXPECT_TRUE(bits[0] == bits[1]) << format;
    EXPECT_TRUE(bits[0] == bits[2]) << format;
  }
}

}  // namespace
}  // namespace sori::test
