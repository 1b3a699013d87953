#include "model/dora.h"

#include <cmath>

#include "model/layer_pages.h"

namespace sori {
namespace {

template <class F>
void for_each_dora(Whisper& model, F&& f) {
  for_each_linear(model, [&](const std::string&, Linear& l) {
    if (l.dora()) f(l, *l.lora);
  });
}

// f(adapter, o, ||W + scale B A|| of row o). The square is ||W||^2 + 2 scale B . (A (W + scale / 2 B A)^T)^T: two
// products of R rows, whatever the weight's format.
template <class F>
void for_each_norm(const Pass& p, Whisper& model, const DoraScratch& t, F&& f) {
  for_each_dora(model, [&](const Linear& l, Lora& lora) {
    const std::int64_t rank = lora.a.rows(), out = lora.b.rows();
    const Mat a = t.a.top(rank).col_range(0, lora.a.cols()), gram = t.gram.top(rank).col_range(0, rank),
              products = t.products.top(rank).col_range(0, out);
    p.backend.cast(lora.a.value, 1, a);
    p.backend.linear(a, lora.a.weight, {}, gram);
    const LowRank half{gram, lora.b.weight, lora.scale / 2};
    p.backend.linear(a, l.weight.weight, {.low_rank = &half}, products);
    for (std::int64_t o = 0; o < out; ++o) {
      double sum = 0;
      for (std::int64_t r = 0; r < rank; ++r)
        sum += static_cast<double>(lora.b.value.row<float>(o)[r]) * products.row<float>(r)[o];
      const double squares = lora.base_squares[o] + 2 * static_cast<double>(lora.scale) * sum;
      f(lora, o, static_cast<float>(std::sqrt(std::max(0.0, squares))));  // rounded, it may fall below 0
    }
    if (p.drop) p.drop->drop_all();
  });
}

}  // namespace

DoraScratch carve_dora(Carver& c, Whisper& model, DType compute) {
  std::int64_t rank = 0, out = 0, in = 0;
  for_each_dora(model, [&](const Linear&, const Lora& lora) {
    rank = std::max(rank, lora.a.rows());
    out = std::max(out, lora.b.rows());
    in = std::max(in, lora.a.cols());
  });
  if (rank == 0) return {};
  const Carver::In scratch(c, Purpose::kScratch);
  DoraScratch t;
  t.row = c.mat(DType::kF32, 1, in);
  t.a = c.mat(compute, rank, in);
  t.gram = c.mat(compute, rank, rank);
  t.products = c.mat(DType::kF32, rank, out);
  return t;
}

void carve_gains(Carver& c, Whisper& model) {
  for_each_dora(model, [&](const Linear&, Lora& lora) {
    for (auto* each : {&lora.gain, &lora.base_squares})
      *each = c.array<float>(static_cast<std::size_t>(lora.b.rows())).data();
  });
}

void measure_base(const Pass& p, Whisper& model, const DoraScratch& t) {
  for_each_dora(model, [&](const Linear& l, Lora& lora) {
    const Mat row = t.row.col_range(0, l.weight.cols());
    for (std::int64_t o = 0; o < l.weight.rows(); ++o) {
      p.backend.decode_rows(l.weight.weight, o, row);
      lora.base_squares[o] = static_cast<float>(p.backend.sum_squares(row));
    }
    if (p.drop) p.drop->drop_all();
  });
}

void start_magnitudes(const Pass& p, Whisper& model, const DoraScratch& t) {
  for_each_norm(p, model, t,
                [](Lora& lora, std::int64_t o, float norm) { lora.magnitude.value.row<float>(0)[o] = norm; });
}

void refresh_gains(const Pass& p, Whisper& model, const DoraScratch& t) {
  for_each_norm(p, model, t, [](Lora& lora, std::int64_t o, float norm) {
    lora.gain[o] = dora_gain(lora.magnitude.value.row<float>(0)[o], norm);
  });
}

}  // namespace sori
