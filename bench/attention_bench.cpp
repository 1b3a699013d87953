// Attention: compute type, utterances, queries and keys of each, causal.
#include "bench.h"

namespace sori::bench {
namespace {

struct Case {
  explicit Case(const benchmark::State& s) : m(type_of(s)) {
    const std::int64_t batch = s.range(1), queries = s.range(2), keys = s.range(3);
    for (std::int64_t u = 0; u < batch; ++u) spans.push_back({{u * queries, queries}, {u * keys, keys}});
    const DType type = type_of(s);
    q = m.mat(type, round_rows(batch * queries), kWidth), k = m.mat(type, round_rows(batch * keys), kWidth),
    v = m.mat(type, k.rows, kWidth);
    out = m.mat(type, q.rows, kWidth), lse = m.mat(DType::kF32, q.rows, kHeads),
    dout = m.mat(DType::kF32, q.rows, kWidth);
    dq = m.mat(type, q.rows, kWidth), dk = m.mat(type, k.rows, kWidth), dv = m.mat(type, k.rows, kWidth);
    causal = s.range(4) != 0;
    product = 2.0 * static_cast<double>(batch * queries * keys * kWidth);
  }
  void forward() { m.backend().attention(q, k, v, spans, kHeads, causal, out, lse); }
  void backward() { m.backend().attention_backward(q, k, v, out, lse, dout, spans, kHeads, causal, dq, dk, dv); }

  Memory m;
  std::vector<AttentionSpan> spans;
  Mat q, k, v, out, lse, dout, dq, dk, dv;
  bool causal;
  double product;  // flops of one of the two products of forward, of the five of backward
};

void forward(benchmark::State& s) {
  Case c(s);
  measure(s, 2 * c.product, [&] { c.forward(); });
}
void backward(benchmark::State& s) {
  Case c(s);
  c.forward();
  measure(s, 5 * c.product, [&] { c.backward(); });
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"compute", "batch", "queries", "keys", "causal"})->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const std::int64_t type : {kF32, kBF16}) {
    b->Args({type, kBatch, kPositions, kPositions, 0});
    b->Args({type, kBatch, kTokens, kPositions, 0});
    b->Args({type, kBatch, kTokens, kTokens, 1});
    b->Args({type, 16, 1, kPositions, 0});
    b->Args({type, 16, 1, kTokens, 1});
  }
}
BENCHMARK(forward)->Apply(shapes);
BENCHMARK(backward)->Apply(shapes);

}  // namespace
}  // namespace sori::bench

BENCHMARK_MAIN();
