// Products: compute type, weight's type, rows, in, out.
#include "bench.h"

namespace sori::bench {
namespace {

double product_flops(const benchmark::State& s) {
  return 2.0 * static_cast<double>(s.range(2) * s.range(3) * s.range(4));
}

void forward(benchmark::State& s) {
  Memory m(type_of(s));
  const Mat x = m.mat(type_of(s), s.range(2), s.range(3)), w = m.mat(type_of(s, 1), s.range(4), s.range(3), 0.05f);
  const Mat bias = m.mat(DType::kF32, 1, s.range(4)), y = m.mat(type_of(s), s.range(2), s.range(4));
  const Epilogue e{.bias = bias.row<float>(0)};
  measure(s, product_flops(s), [&] { m.backend().linear(x, as_weight(w), e, y); });
}

void forward_gelu(benchmark::State& s) {
  Memory m(type_of(s));
  const Mat x = m.mat(type_of(s), s.range(2), s.range(3)), w = m.mat(type_of(s, 1), s.range(4), s.range(3), 0.05f);
  const Mat bias = m.mat(DType::kF32, 1, s.range(4)), y = m.mat(type_of(s), s.range(2), s.range(4)),
            saved = m.mat(type_of(s), s.range(2), s.range(4));
  const Epilogue e{.bias = bias.row<float>(0), .saved = saved, .gelu = true};
  measure(s, product_flops(s), [&] { m.backend().linear(x, as_weight(w), e, y); });
}

void forward_lora(benchmark::State& s) {
  constexpr std::int64_t kRank = 32;
  Memory m(type_of(s));
  const Mat x = m.mat(type_of(s), s.range(2), s.range(3)), w = m.mat(type_of(s, 1), s.range(4), s.range(3), 0.05f);
  const Mat a = m.mat(DType::kF32, kRank, s.range(3), 0.05f), b = m.mat(DType::kF32, s.range(4), kRank, 0.05f);
  const Mat h = m.mat(type_of(s), s.range(2), kRank), y = m.mat(type_of(s), s.range(2), s.range(4));
  const LowRank low{h, as_weight(b), 2};
  const Epilogue e{.low_rank = &low};
  measure(s, product_flops(s), [&] {
    m.backend().linear(x, as_weight(a), {}, h);
    m.backend().linear(x, as_weight(w), e, y);
  });
}

void backward(benchmark::State& s) {
  Memory m(type_of(s));
  const Mat dy = m.mat(type_of(s), s.range(2), s.range(4)), w = m.mat(type_of(s, 1), s.range(4), s.range(3), 0.05f);
  const Mat dx = m.mat(DType::kF32, s.range(2), s.range(3));
  measure(s, product_flops(s), [&] { m.backend().linear_backward(dy, as_weight(w), false, dx); });
}

void weight_gradient(benchmark::State& s) {
  Memory m(type_of(s), std::max(s.range(3), s.range(4)));
  const Mat dy = m.mat(type_of(s), s.range(2), s.range(4)), x = m.mat(type_of(s), s.range(2), s.range(3));
  const Mat dw = m.mat(DType::kF32, s.range(4), s.range(3)), bias = m.mat(DType::kF32, 1, s.range(4));
  measure(s, product_flops(s), [&] { m.backend().weight_gradient(dy, x, 0.5f, dw, bias.row<float>(0)); });
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"compute", "weight", "rows", "in", "out"})->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const auto& [in, out] : {std::pair{kWidth, kWidth}, {kWidth, kWide}, {kWide, kWidth}}) {
    b->Args({kF32, kF32, kRows, in, out});
    b->Args({kBF16, kBF16, kRows, in, out});
    b->Args({kBF16, kF16, kRows, in, out});
  }
  b->Args({kBF16, kF16, kBatch * kTokens, kWidth, kWidth});
  b->Args({kBF16, kF16, 64, kWidth, kWidth});
  b->Args({kBF16, kF16, 16, kWidth, kWidth});
  b->Args({kBF16, kF16, 1, kWidth, kWidth});
  b->Args({kF32, kF16, 1, kWidth, kWidth});
}
void gradient_shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"compute", "weight", "rows", "in", "out"})->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const std::int64_t type : {kF32, kBF16})
    for (const auto& [in, out] :
         {std::pair{kWidth, kWidth}, {kWidth, kWide}, {kWidth, std::int64_t{32}}, {std::int64_t{32}, kWidth}})
      b->Args({type, kF32, kRows, in, out});
  for (const auto& [in, out] : {std::pair<std::int64_t, std::int64_t>{1280, 1280}, {1280, 5120}, {5120, 1280}})
    b->Args({kBF16, kF32, round_rows(kPositions), in, out});  // of large-v3, one window
}
void logit_shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"compute", "weight", "rows", "in", "out"})->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const std::int64_t rows : {1, 16, 64}) b->Args({kBF16, kF16, rows, kWidth, kVocabulary});
}

// Decoded weights beside numbers, at the width of large-v3: one window, and few rows.
void quantised(benchmark::State& s, bool backward) {
  const std::int64_t rows = s.range(2), in = s.range(3), out = s.range(4);
  Memory m(type_of(s), std::max(in, out));
  const BaseWeight w = m.weight(s.range(1), out, in, 0.05f);
  const Mat x = m.mat(type_of(s), rows, in), y = m.mat(type_of(s), rows, out), dx = m.mat(DType::kF32, rows, in);
  s.SetLabel(std::string(format_of(w)));
  measure(s, product_flops(s),
          [&] { backward ? m.backend().linear_backward(y, w, false, dx) : m.backend().linear(x, w, {}, y); });
}
void quantised_forward(benchmark::State& s) { quantised(s, false); }
void quantised_backward(benchmark::State& s) { quantised(s, true); }

void quantised_shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"compute", "weight", "rows", "in", "out"})->Unit(benchmark::kMillisecond)->UseRealTime();
  constexpr std::int64_t kLarge = 1280;
  for (const std::int64_t rows : {round_rows(kPositions), std::int64_t{64}, std::int64_t{1}})
    for (const auto& [in, out] : {std::pair{kLarge, kLarge}, {kLarge, 4 * kLarge}}) {
      for (const std::int64_t type : {kBF16, kF16}) b->Args({kBF16, type, rows, in, out});
      for (std::int64_t f = 0; f < std::ssize(file_formats()); ++f) b->Args({kBF16, kQuantised + f, rows, in, out});
    }
}

BENCHMARK(quantised_forward)->Apply(quantised_shapes);
BENCHMARK(quantised_backward)->Apply(quantised_shapes);
BENCHMARK(forward)->Apply(shapes)->Apply(logit_shapes);
BENCHMARK(forward_gelu)->Args({kBF16, kF16, kRows, kWidth, kWide})->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(forward_lora)->Args({kBF16, kF16, kRows, kWidth, kWidth})->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(backward)->Apply(shapes);
BENCHMARK(weight_gradient)->Apply(gradient_shapes);

}  // namespace
}  // namespace sori::bench

BENCHMARK_MAIN();
