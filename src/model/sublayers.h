// The three residual branches of a Whisper block, y = x + branch(norm(x)), as forward and backward twins. Steps carry
// the same numbers in both; backward runs them upside down. dx is the gradient of the residual stream: it enters as
// d(y) and leaves as d(x), so it is added to.
#pragma once

#include "model/linear.h"

namespace sori {

// Sizes of one side of a batch.
struct SideLimits {
  DType compute = DType::kF32;
  std::int64_t rows = 0, width = 0, ffn = 0, heads = 0;
  bool backward = true;  // follows forward
};

// What backward overwrites as it goes; of the larger side's rows.
struct LayerScratch {
  LinearScratch linear;
  Mat dbranch;  // [N, C] compute: the residual's gradient, rounded for products
  Mat dinner;   // [N, C] f32: gradient of what a product read
  // The two branches take turns in the same memory.
  Mat dq, dk, dv;  // [N, C] compute
  Mat dpre;        // [N of an MLP, F] compute: before the GELU
  Mat dactive;     // [N of an MLP, F] f32: after the GELU
};

// mlp_rows: the most rows that an MLP takes at once.
LayerScratch carve_scratch(Carver& c, const SideLimits& d, const AdapterLimits& adapters, std::int64_t mlp_rows,
                           bool backward);

struct NormSaved {
  Mat y;      // [N, C] compute
  Mat stats;  // [N, 2] f32: mean, 1 / deviation
};

struct AttentionSaved {
  NormSaved norm;
  Mat q;         // [Nq, C] compute
  Mat k, v;      // [Nk, C] compute; of the encoder's rows in a cross-attention
  Mat attended;  // [Nq, C] compute: softmax(q k^T) v
  Mat lse;       // [Nq, H] f32
  LinearSaved q_proj, k_proj, v_proj, out_proj;
};

struct MlpSaved {
  NormSaved norm;
  Mat pre;     // [N, F] compute: before the GELU
  Mat active;  // [N, F] compute: after it
  LinearSaved fc1, fc2;
  // Rows at a time, where nothing of the branch learns and nothing is kept: then its wide activations never exist
  // whole, N above is this, and backward makes them again piece by piece. 0: all rows at once.
  std::int64_t piece = 0;
};
inline constexpr std::int64_t kMlpPiece = 512;

NormSaved carve_norm_saved(Carver& c, const SideLimits& d);
AttentionSaved carve_attention_saved(Carver& c, const Attention& a, const SideLimits& queries, std::int64_t key_rows);
// recomputed: backward runs the layer again.
MlpSaved carve_mlp_saved(Carver& c, const Linear& fc1, const Linear& fc2, const LayerNorm& norm, const SideLimits& d,
                         bool recomputed);

// x [N, C] (compute or f32) -> y [N, C] (compute or f32).
void self_attention_forward(const Pass& p, const Attention& a, const LayerNorm& norm, ConstMat x, const Rows& rows,
                            std::span<const AttentionSpan> spans, bool causal, AttentionSaved& s, const LayerScratch& t,
                            Mat y);
void self_attention_backward(const Pass& p, Attention& a, LayerNorm& norm, ConstMat x, const Rows& rows,
                             std::span<const AttentionSpan> spans, bool causal, const AttentionSaved& s,
                             const LayerScratch& t, Mat dx);

// Text rows attend to the encoder's states [Na, C] compute.
void cross_attention_forward(const Pass& p, const Attention& a, const LayerNorm& norm, ConstMat x, const Rows& rows,
                             ConstMat states, const Rows& audio, std::span<const AttentionSpan> spans,
                             AttentionSaved& s, const LayerScratch& t, Mat y);
// dstates [Na, C] f32 is added to; empty where the encoder learns nothing.
void cross_attention_backward(const Pass& p, Attention& a, LayerNorm& norm, ConstMat x, const Rows& rows,
                              ConstMat states, const Rows& audio, std::span<const AttentionSpan> spans,
                              const AttentionSaved& s, const LayerScratch& t, Mat dx, Mat dstates);

void mlp_forward(const Pass& p, const Linear& fc1, const Linear& fc2, const LayerNorm& norm, ConstMat x,
                 const Rows& rows, MlpSaved& s, const LayerScratch& t, Mat y);
// What backward wants of forward, made again: everything but y.
void mlp_recompute(const Pass& p, const Linear& fc1, const Linear& fc2, const LayerNorm& norm, ConstMat x,
                   const Rows& rows, MlpSaved& s, const LayerScratch& t);
void mlp_backward(const Pass& p, Linear& fc1, Linear& fc2, LayerNorm& norm, ConstMat x, const Rows& rows, MlpSaved& s,
                  const LayerScratch& t, Mat dx);

// The norm before a branch, also used at the end of encoder and decoder. dy f32; dx f32 is added to.
void norm_forward(const Pass& p, const LayerNorm& norm, ConstMat x, const NormSaved& s);
void norm_backward(const Pass& p, LayerNorm& norm, ConstMat x, const NormSaved& s, ConstMat dy, Mat dx);

}  // namespace sori
