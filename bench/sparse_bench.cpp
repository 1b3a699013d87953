// Why pruned weights are not kept as compressed sparse rows: y = x w^T with most of w zero, beside the dense product.
// Percent of w that is not zero, rows, in, out. The sparse product is the plain good one: 64 columns of x^T at a time,
// so that a nonzero is one multiplication of a vector that lies in cache.
#include "bench.h"

namespace sori::bench {
namespace {

constexpr std::int64_t kTile = 64;  // rows of x that are multiplied side by side

struct SparseRows {
  std::vector<std::int32_t> first;    // of each row of w, and behind the last
  std::vector<std::uint16_t> column;  // of each number
  std::vector<float> value;
};

SparseRows sparse(std::int64_t out, std::int64_t in, double density) {
  SparseRows w;
  const Rng chosen(0, Draw::kNoise, 1), value(0, Draw::kNoise, 2);
  for (std::int64_t o = 0; o < out; ++o) {
    w.first.push_back(static_cast<std::int32_t>(w.column.size()));
    for (std::int64_t i = 0; i < in; ++i) {
      const auto at = static_cast<std::uint64_t>(o * in + i);
      if (chosen.uniform(at) >= density) continue;
      w.column.push_back(static_cast<std::uint16_t>(i));
      w.value.push_back(static_cast<float>(value.normal(at)));
    }
  }
  w.first.push_back(static_cast<std::int32_t>(w.column.size()));
  return w;
}

using Vector = float __attribute__((vector_size(32), may_alias, aligned(4)));

// One row of w with a tile of x^T [in, kTile] -> kTile numbers.
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"))) void multiply(const float* value,
                                                                                            const std::uint16_t* column,
                                                                                            std::int64_t count,
                                                                                            const float* x, float* y) {
  Vector sum[kTile / 8] = {};
  for (std::int64_t n = 0; n < count; ++n) {
    const auto* row = reinterpret_cast<const Vector*>(x + std::int64_t{column[n]} * kTile);
    const float v = value[n];
#pragma GCC unroll 8
    for (int i = 0; i < kTile / 8; ++i) sum[i] += v * row[i];
  }
  std::memcpy(y, sum, sizeof sum);
}

void sparse_forward(benchmark::State& s) {
  const std::int64_t rows = s.range(1), in = s.range(2), out = s.range(3), tiles = rows / kTile;
  const SparseRows w = sparse(out, in, static_cast<double>(s.range(0)) / 100);
  std::vector<float> x(static_cast<std::size_t>(rows * in), 1.0F), y(static_cast<std::size_t>(rows * out));
  const auto product = [&] {
#pragma omp parallel for
    for (std::int64_t t = 0; t < tiles; ++t)
      for (std::int64_t o = 0; o < out; ++o) {
        const auto row = static_cast<std::size_t>(o);
        multiply(w.value.data() + w.first[row], w.column.data() + w.first[row], w.first[row + 1] - w.first[row],
                 x.data() + t * kTile * in, y.data() + (t * out + o) * kTile);
      }
  };
  measure(s, 2.0 * static_cast<double>(rows) * static_cast<double>(w.value.size()), product);
  s.counters["bytes_a_weight"] = 6.0 * static_cast<double>(w.value.size()) / static_cast<double>(in * out);
}

void dense_forward(benchmark::State& s) {
  const std::int64_t rows = s.range(1), in = s.range(2), out = s.range(3);
  Memory m(DType::kF32);
  const Mat x = m.mat(DType::kF32, rows, in), w = m.mat(DType::kF32, out, in, 0.05F), y = m.mat(DType::kF32, rows, out);
  measure(s, 2.0 * static_cast<double>(rows * in * out), [&] { m.backend().linear(x, as_weight(w), {}, y); });
  s.counters["bytes_a_weight"] = 4;
}

void shapes(benchmark::internal::Benchmark* b, const std::vector<std::int64_t>& densities) {
  b->ArgNames({"percent", "rows", "in", "out"})->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const std::int64_t percent : densities) b->Args({percent, 1472, 1280, 1280});  // large-v3's, a window less a bit
}
BENCHMARK(dense_forward)->Apply([](benchmark::internal::Benchmark* b) { shapes(b, {100}); });
BENCHMARK(sparse_forward)->Apply([](benchmark::internal::Benchmark* b) { shapes(b, {50, 30, 20, 10, 5, 2}); });

}  // namespace
}  // namespace sori::bench

BENCHMARK_MAIN();
