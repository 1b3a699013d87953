// What is bound by memory, and the loss.
#include "bench.h"

namespace sori::bench {
namespace {

void layer_norm(benchmark::State& s) {
  Memory m(DType::kBF16);
  const Mat x = m.mat(DType::kF32, kRows, kWidth), y = m.mat(DType::kBF16, kRows, kWidth),
            stats = m.mat(DType::kF32, kRows, 2);
  const Mat gain = m.mat(DType::kF32, 1, kWidth), bias = m.mat(DType::kF32, 1, kWidth);
  measure(s, 0, [&] { m.backend().layer_norm(x, gain.row<float>(0), bias.row<float>(0), y, stats); });
}
void layer_norm_backward(benchmark::State& s) {
  Memory m(DType::kBF16);
  const Mat x = m.mat(DType::kF32, kRows, kWidth), dy = m.mat(DType::kF32, kRows, kWidth),
            dx = m.mat(DType::kF32, kRows, kWidth);
  const Mat stats = m.mat(DType::kF32, kRows, 2), gain = m.mat(DType::kF32, 1, kWidth),
            d = m.mat(DType::kF32, 2, kWidth);
  const bool trained = s.range(0) != 0;
  measure(s, 0, [&] {
    m.backend().layer_norm_backward(x, stats, gain.row<float>(0), dy, dx, trained ? d.row<float>(0) : nullptr,
                                    trained ? d.row<float>(1) : nullptr);
  });
}
void gelu_backward(benchmark::State& s) {
  Memory m(DType::kBF16);
  const Mat pre = m.mat(DType::kBF16, kRows, kWide), dy = m.mat(DType::kF32, kRows, kWide),
            dx = m.mat(DType::kBF16, kRows, kWide);
  measure(s, 0, [&] { m.backend().gelu_backward(pre, dy, dx); });
}
void cast(benchmark::State& s) {
  Memory m(DType::kBF16);
  const Mat x = m.mat(DType::kF32, kRows, kWidth), y = m.mat(DType::kBF16, kRows, kWidth);
  measure(s, 0, [&] { m.backend().cast(x, 1, y); });
}
void dropout(benchmark::State& s) {
  Memory m(DType::kBF16);
  const Mat x = m.mat(DType::kBF16, kRows, kWidth), y = m.mat(DType::kBF16, kRows, kWidth);
  const std::vector<std::uint64_t> names(kRows, 7);
  measure(s, 0, [&] { m.backend().dropout(x, {.rate = 0.05, .rows = names}, y); });
}
void unfold(benchmark::State& s) {
  Memory m(DType::kBF16);
  const std::int64_t stride = s.range(0), in = s.range(1);
  const Mat x = m.mat(DType::kBF16, kBatch * kPositions * stride, in), columns = m.mat(DType::kBF16, kRows, 3 * in);
  std::vector<RowSpan> from, to;
  for (std::int64_t u = 0; u < kBatch; ++u) {
    from.push_back({u * kPositions * stride, kPositions * stride});
    to.push_back({u * kPositions, kPositions});
  }
  measure(s, 0, [&] { m.backend().unfold(x, from, to, stride, columns); });
}
void cross_entropy(benchmark::State& s) {
  Memory m(DType::kBF16);
  const std::int64_t rows = s.range(0);
  const Mat x = m.mat(DType::kBF16, rows, kWidth), e = m.mat(DType::kF16, kVocabulary, kWidth, 0.05f);
  const Mat dx = s.range(1) ? m.mat(DType::kF32, rows, kWidth) : Mat{},
            de = s.range(2) ? m.mat(DType::kF32, kVocabulary, kWidth) : Mat{};
  const std::vector<int> targets(static_cast<std::size_t>(rows), 11);
  std::vector<float> losses(targets.size());
  const double product = 2.0 * static_cast<double>(rows * kWidth * kVocabulary);
  measure(s, product * static_cast<double>(1 + s.range(1) + s.range(2)),
          [&] { m.backend().cross_entropy(x, as_weight(e), targets, 1, 0, losses, dx, de); });
}
void adamw_step(benchmark::State& s) {
  Memory m(DType::kBF16);
  const Mat g = m.mat(DType::kF32, kWide, kWidth), w = m.mat(DType::kF32, kWide, kWidth),
            first = m.mat(DType::kF32, kWide, kWidth);
  const Mat second = m.mat(DType::kF32, kWide, kWidth, 0);
  measure(s, 0, [&] { m.backend().adamw_step({.learning_rate = 1e-5}, g, w, {first}, {second}); });
}
// Weights in bf16, rounded by chance, and moments in 8 bits.
void adamw_8bit_step(benchmark::State& s) {
  Memory m(DType::kBF16);
  const Mat g = m.mat(DType::kF32, kWide, kWidth), w = m.mat(DType::kBF16, kWide, kWidth);
  const auto moment = [&] {
    const Mat codes = m.mat(DType::kF32, kWide / 4, kWidth, 0),
              absmax = m.mat(DType::kF32, 1, dynamic_blocks(w.size()));
    return Moment{Mat(codes.data, DType::kU8, kWide, kWidth), absmax.row<float>(0)};
  };
  const Moment first = moment(), second = moment();
  measure(s, 0, [&] { m.backend().adamw_step({.learning_rate = 1e-5}, g, w, first, second); });
}
void sum_squares(benchmark::State& s) {
  Memory m(DType::kBF16);
  const Mat g = m.mat(DType::kF32, kWide, kWidth);
  measure(s, 0, [&] { benchmark::DoNotOptimize(m.backend().sum_squares(g)); });
}

BENCHMARK(layer_norm)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(layer_norm_backward)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(gelu_backward)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(cast)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(dropout)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(unfold)->Args({1, 80})->Args({2, kWidth})->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(cross_entropy)
    ->Args({128, 0, 0})
    ->Args({128, 1, 0})
    ->Args({128, 1, 1})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(adamw_step)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(adamw_8bit_step)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(sum_squares)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace sori::bench

BENCHMARK_MAIN();
