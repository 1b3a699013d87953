#include "model/sublayers.h"

namespace sori {

LayerScratch carve_scratch(Carver& c, const SideLimits& d, const AdapterLimits& adapters, std::int64_t mlp_rows,
                           bool backward) {
  LayerScratch t;
  t.linear = carve_linear_scratch(c, adapters, d.compute, d.rows, backward);
  if (!backward) return t;
  t.dbranch = c.mat(d.compute, d.rows, d.width);
  t.dinner = c.mat(DType::kF32, d.rows, d.width);
  c.take_turns(
      [&] {
        for (Mat* m : {&t.dq, &t.dk, &t.dv}) *m = c.mat(d.compute, d.rows, d.width);
      },
      [&] {
        t.dpre = c.mat(d.compute, mlp_rows, d.ffn);
        t.dactive = c.mat(DType::kF32, mlp_rows, d.ffn);
      });
  return t;
}

NormSaved carve_norm_saved(Carver& c, const SideLimits& d) {
  NormSaved s;
  s.y = c.mat(d.compute, d.rows, d.width);
  s.stats = c.mat(DType::kF32, d.rows, 2);
  return s;
}

namespace {

// The result of a branch's last layer, of which forward leaves nothing but the residual stream.
Mat carve_branch(Carver& c, const Linear& l, const SideLimits& d) {
  return l.dora() && d.backward ? c.mat(d.compute, d.rows, l.weight.rows()) : Mat();
}

}  // namespace

AttentionSaved carve_attention_saved(Carver& c, const Attention& a, const SideLimits& d, std::int64_t key_rows) {
  AttentionSaved s;
  s.norm = carve_norm_saved(c, d);
  s.q = c.mat(d.compute, d.rows, d.width);
  s.k = c.mat(d.compute, key_rows, d.width);
  s.v = c.mat(d.compute, key_rows, d.width);
  s.attended = c.mat(d.compute, d.rows, d.width);
  s.lse = c.mat(DType::kF32, d.rows, d.heads);
  s.q_proj = carve_linear_saved(c, a.q_proj, d.compute, d.rows, s.q);
  s.k_proj = carve_linear_saved(c, a.k_proj, d.compute, key_rows, s.k);
  s.v_proj = carve_linear_saved(c, a.v_proj, d.compute, key_rows, s.v);
  s.out_proj = carve_linear_saved(c, a.out_proj, d.compute, d.rows, carve_branch(c, a.out_proj, d));
  return s;
}

MlpSaved carve_mlp_saved(Carver& c, const Linear& fc1, const Linear& fc2, const LayerNorm& norm, const SideLimits& d,
                         bool recomputed) {
  MlpSaved s;
  SideLimits at_once = d;
  const bool learns = fc1.trainable() || fc2.trainable() || norm.trainable();
  if (recomputed && !learns && d.rows > kMlpPiece) at_once.rows = s.piece = kMlpPiece;
  s.norm = carve_norm_saved(c, at_once);
  s.pre = c.mat(d.compute, at_once.rows, d.ffn);
  s.active = c.mat(d.compute, at_once.rows, d.ffn);
  s.fc1 = carve_linear_saved(c, fc1, d.compute, d.rows, s.pre);
  s.fc2 = carve_linear_saved(c, fc2, d.compute, d.rows, carve_branch(c, fc2, d));
  return s;
}

void norm_forward(const Pass& p, const LayerNorm& norm, ConstMat x, const NormSaved& s) {
  p.backend.layer_norm(x, norm.weight.vector(), norm.bias.vector(), s.y.top(x.rows), s.stats.top(x.rows));
}

void norm_backward(const Pass& p, LayerNorm& norm, ConstMat x, const NormSaved& s, ConstMat dy, Mat dx) {
  p.backend.layer_norm_backward(x, s.stats.top(x.rows), norm.weight.vector(), dy, dx, norm.weight.gradient_vector(),
                                norm.bias.gradient_vector());
  p.finished(norm.weight);
  p.finished(norm.bias);
}

void self_attention_forward(const Pass& p, const Attention& a, const LayerNorm& norm, ConstMat x, const Rows& rows,
                            std::span<const AttentionSpan> spans, bool causal, AttentionSaved& s, const LayerScratch& t,
                            Mat y) {
  const std::int64_t n = x.rows;
  const Mat normed = s.norm.y.top(n), q = s.q.top(n), k = s.k.top(n), v = s.v.top(n), attended = s.attended.top(n);
  norm_forward(p, norm, x, s.norm);                                                    // 1
  linear_forward(p, a.q_proj, normed, rows, {}, s.q_proj, t.linear, q);                // 2
  linear_forward(p, a.k_proj, normed, rows, {}, s.k_proj, t.linear, k);                // 3
  linear_forward(p, a.v_proj, normed, rows, {}, s.v_proj, t.linear, v);                // 4
  p.backend.attention(q, k, v, spans, a.heads, causal, attended, s.lse.top(n));        // 5
  linear_forward(p, a.out_proj, attended, rows, {.add = x}, s.out_proj, t.linear, y);  // 6 residual
}

void self_attention_backward(const Pass& p, Attention& a, LayerNorm& norm, ConstMat x, const Rows& rows,
                             std::span<const AttentionSpan> spans, bool causal, const AttentionSaved& s,
                             const LayerScratch& t, Mat dx) {
  const std::int64_t n = x.rows;
  const Mat normed = s.norm.y.top(n), attended = s.attended.top(n), dbranch = t.dbranch.top(n),
            dinner = t.dinner.top(n);
  const Mat dq = t.dq.top(n), dk = t.dk.top(n), dv = t.dv.top(n);
  p.backend.cast(dx, 1, dbranch);  // 6
  linear_backward(p, a.out_proj, attended, rows, s.out_proj, dbranch, t.linear, /*add=*/false, dinner);
  p.backend.attention_backward(s.q.top(n), s.k.top(n), s.v.top(n), attended, s.lse.top(n), dinner, spans,  // 5
                               a.heads, causal, dq, dk, dv);
  linear_backward(p, a.v_proj, normed, rows, s.v_proj, dv, t.linear, /*add=*/false, dinner);  // 4
  linear_backward(p, a.k_proj, normed, rows, s.k_proj, dk, t.linear, /*add=*/true, dinner);   // 3
  linear_backward(p, a.q_proj, normed, rows, s.q_proj, dq, t.linear, /*add=*/true, dinner);   // 2
  norm_backward(p, norm, x, s.norm, dinner, dx);                                              // 1
}

void cross_attention_forward(const Pass& p, const Attention& a, const LayerNorm& norm, ConstMat x, const Rows& rows,
                             ConstMat states, const Rows& audio, std::span<const AttentionSpan> spans,
                             AttentionSaved& s, const LayerScratch& t, Mat y) {
  const std::int64_t n = x.rows, keys = states.rows;
  const Mat normed = s.norm.y.top(n), q = s.q.top(n), k = s.k.top(keys), v = s.v.top(keys),
            attended = s.attended.top(n);
  norm_forward(p, norm, x, s.norm);                                                        // 1
  linear_forward(p, a.q_proj, normed, rows, {}, s.q_proj, t.linear, q);                    // 2
  linear_forward(p, a.k_proj, states, audio, {}, s.k_proj, t.linear, k);                   // 3
  linear_forward(p, a.v_proj, states, audio, {}, s.v_proj, t.linear, v);                   // 4
  p.backend.attention(q, k, v, spans, a.heads, /*causal=*/false, attended, s.lse.top(n));  // 5
  linear_forward(p, a.out_proj, attended, rows, {.add = x}, s.out_proj, t.linear, y);      // 6 residual
}

void cross_attention_backward(const Pass& p, Attention& a, LayerNorm& norm, ConstMat x, const Rows& rows,
                              ConstMat states, const Rows& audio, std::span<const AttentionSpan> spans,
                              const AttentionSaved& s, const LayerScratch& t, Mat dx, Mat dstates) {
  const std::int64_t n = x.rows, keys = states.rows;
  const Mat normed = s.norm.y.top(n), attended = s.attended.top(n), dbranch = t.dbranch.top(n),
            dinner = t.dinner.top(n);
  const Mat dq = t.dq.top(n), dk = t.dk.top(keys), dv = t.dv.top(keys);
  p.backend.cast(dx, 1, dbranch);  // 6
  linear_backward(p, a.out_proj, attended, rows, s.out_proj, dbranch, t.linear, /*add=*/false, dinner);
  p.backend.attention_backward(s.q.top(n), s.k.top(keys), s.v.top(keys), attended, s.lse.top(n), dinner,  // 5
                               spans, a.heads, /*causal=*/false, dq, dk, dv);
  linear_backward(p, a.v_proj, states, audio, s.v_proj, dv, t.linear, /*add=*/true, dstates);  // 4
  linear_backward(p, a.k_proj, states, audio, s.k_proj, dk, t.linear, /*add=*/true, dstates);  // 3
  linear_backward(p, a.q_proj, normed, rows, s.q_proj, dq, t.linear, /*add=*/false, dinner);   // 2
  norm_backward(p, norm, x, s.norm, dinner, dx);                                               // 1
}

namespace {

// body(first row, rows) for the pieces of n rows.
template <class Body>
void for_pieces(std::int64_t n, std::int64_t piece, Body&& body) {
  if (piece == 0) piece = n;
  for (std::int64_t first = 0; first < n; first += piece) body(first, std::min(piece, n - first));
}

// Steps 1 and 2: x -> s.active.
void mlp_hidden(const Pass& p, const Linear& fc1, const LayerNorm& norm, ConstMat x, const Rows& rows, MlpSaved& s,
                const LayerScratch& t) {
  const std::int64_t n = x.rows;
  norm_forward(p, norm, x, s.norm);  // 1
  linear_forward(p, fc1, s.norm.y.top(n), rows, {.saved = s.pre.top(n), .gelu = true}, s.fc1, t.linear,
                 s.active.top(n));  // 2
}

}  // namespace

void mlp_forward(const Pass& p, const Linear& fc1, const Linear& fc2, const LayerNorm& norm, ConstMat x,
                 const Rows& rows, MlpSaved& s, const LayerScratch& t, Mat y) {
  for_pieces(x.rows, s.piece, [&](std::int64_t first, std::int64_t n) {
    const ConstMat part = x.row_range(first, n);
    mlp_hidden(p, fc1, norm, part, rows, s, t);
    linear_forward(p, fc2, s.active.top(n), rows, {.add = part}, s.fc2, t.linear, y.row_range(first, n));  // 3 residual
  });
}

void mlp_recompute(const Pass& p, const Linear& fc1, const Linear& fc2, const LayerNorm& norm, ConstMat x,
                   const Rows& rows, MlpSaved& s, const LayerScratch& t) {
  if (s.piece > 0) return;
  mlp_hidden(p, fc1, norm, x, rows, s, t);
  linear_recompute(p, fc2, s.active.top(x.rows), rows, s.fc2, t.linear);
}

void mlp_backward(const Pass& p, Linear& fc1, Linear& fc2, LayerNorm& norm, ConstMat x, const Rows& rows, MlpSaved& s,
                  const LayerScratch& t, Mat dx) {
  for_pieces(x.rows, s.piece, [&](std::int64_t first, std::int64_t n) {
    const ConstMat part = x.row_range(first, n);
    const Mat dpart = dx.row_range(first, n), dbranch = t.dbranch.top(n), dinner = t.dinner.top(n),
              dpre = t.dpre.top(n), dactive = t.dactive.top(n);
    if (s.piece > 0) mlp_hidden(p, fc1, norm, part, rows, s, t);
    p.backend.cast(dpart, 1, dbranch);  // 3
    linear_backward(p, fc2, s.active.top(n), rows, s.fc2, dbranch, t.linear, /*add=*/false, dactive);
    p.backend.gelu_backward(s.pre.top(n), dactive, dpre);  // 2
    linear_backward(p, fc1, s.norm.y.top(n), rows, s.fc1, dpre, t.linear, /*add=*/false, dinner);
    norm_backward(p, norm, part, s.norm, dinner, dpart);  // 1
  });
}

}  // namespace sori
