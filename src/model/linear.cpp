#include "model/linear.h"

namespace sori {
namespace {

DropoutMask mask_of(const Pass& p, const Lora& lora, const Rows& rows) {
  return {lora.dropout, p.seed, p.step, lora.module, rows.keys};
}

bool drops(const Pass& p, const Lora& lora) { return p.training && lora.dropout > 0; }

// x as the adapter sees it.
ConstMat adapter_input(const Pass& p, const Lora& lora, ConstMat x, const Rows& rows, const LinearScratch& t) {
  if (!drops(p, lora)) return x;
  const Mat dropped = t.dropped.top(x.rows).col_range(0, x.cols);
  p.backend.dropout(x, mask_of(p, lora, rows), dropped);
  return dropped;
}

// The adapter's first half, dropout(x) a^T.
void adapter_forward(const Pass& p, const Lora& lora, ConstMat x, const Rows& rows, LinearSaved& s,
                     const LinearScratch& t) {
  p.backend.linear(adapter_input(p, lora, x, rows, t), lora.a.weight, {}, s.h.top(x.rows));
}

// The adapter's part of linear_backward: dx += ...
void adapter_backward(const Pass& p, Linear& l, ConstMat x, const Rows& rows, const LinearSaved& s, ConstMat dy,
                      const LinearScratch& t, Mat dx) {
  Backend& be = p.backend;
  Lora& lora = *l.lora;
  const std::int64_t rank = lora.a.rows(), learning = lora.a.learning_rows();
  const Mat dh = t.dh.top(x.rows).col_range(0, rank);
  const Mat dh_scaled = t.dh_scaled.top(x.rows).col_range(0, rank);
  be.linear_backward(dy, lora.b.weight, /*add=*/false, dh);
  be.cast(dh, lora.scale, dh_scaled);
  be.weight_gradient(dy, s.h.top(x.rows).col_range(0, learning), lora.scale, lora.b.gradient, nullptr);
  p.finished(lora.b);
  be.weight_gradient(dh_scaled.col_range(0, learning), adapter_input(p, lora, x, rows, t), 1, lora.a.gradient, nullptr);
  if (!dx.empty() && !drops(p, lora)) {
    be.linear_backward(dh_scaled, lora.a.weight, /*add=*/true, dx);
  } else if (!dx.empty()) {
    const Mat ddropped = t.ddropped.top(x.rows).col_range(0, x.cols);
    be.linear_backward(dh_scaled, lora.a.weight, /*add=*/false, ddropped);
    be.dropout_backward(ddropped, mask_of(p, lora, rows), dx);
  }
  p.finished(lora.a);
}

}  // namespace

LinearSaved carve_linear_saved(Carver& c, const Linear& l, DType compute, std::int64_t rows, Mat y) {
  LinearSaved s;
  if (l.lora) s.h = c.mat(compute, rows, l.lora->a.rows());
  if (l.dora()) s.y = y;
  return s;
}

LinearScratch carve_linear_scratch(Carver& c, const AdapterLimits& limits, DType compute, std::int64_t rows,
                                   bool backward) {
  LinearScratch t;
  if (limits.dropout_width > 0) t.dropped = c.mat(compute, rows, limits.dropout_width);
  if (!backward || limits.rank == 0) return t;
  if (limits.dropout_width > 0) t.ddropped = c.mat(DType::kF32, rows, limits.dropout_width);
  t.dh = c.mat(DType::kF32, rows, limits.rank);
  t.dh_scaled = c.mat(compute, rows, limits.rank);
  return t;
}

void linear_forward(const Pass& p, const Linear& l, ConstMat x, const Rows& rows, Epilogue epilogue, LinearSaved& s,
                    const LinearScratch& t, Mat y) {
  epilogue.bias = l.bias.vector();
  epilogue.int8 = l.reads_audio;
  LowRank low_rank;
  if (l.lora) {
    adapter_forward(p, *l.lora, x, rows, s, t);
    low_rank = {s.h.top(x.rows), l.lora->b.weight, l.lora->scale};
    epilogue.low_rank = &low_rank;
    epilogue.gain = l.lora->gain;
    if (s.y.data != y.data && !s.y.empty()) epilogue.saved = s.y.top(x.rows);
  }
  p.backend.linear(x, l.weight.weight, epilogue, y);
}

void linear_recompute(const Pass& p, const Linear& l, ConstMat x, const Rows& rows, LinearSaved& s,
                      const LinearScratch& t) {
  if (l.dora()) return linear_forward(p, l, x, rows, {}, s, t, s.y.top(x.rows));
  if (l.lora) adapter_forward(p, *l.lora, x, rows, s, t);
}

void linear_backward(const Pass& p, Linear& l, ConstMat x, const Rows& rows, const LinearSaved& s, Mat dy,
                     const LinearScratch& t, bool add, Mat dx) {
  Backend& be = p.backend;
  if (l.dora()) {
    Lora& lora = *l.lora;
    be.gain_backward(s.y.top(x.rows), l.bias.vector(), lora.gain, lora.magnitude.vector(), dy,
                     lora.magnitude.gradient_vector());
    p.finished(lora.magnitude);
  }
  if (!dx.empty()) be.linear_backward(dy, l.weight.weight, add, dx);
  if (l.weight.trainable || l.bias.trainable) {
    be.weight_gradient(dy, x, 1, l.weight.gradient, l.bias.gradient_vector());
    p.finished(l.weight);
    p.finished(l.bias);
  }
  if (l.lora) adapter_backward(p, l, x, rows, s, dy, t, dx);
  if (p.tap) p.tap->heard(l, x, dy);
}

}  // namespace sori
