// Everything a device must be able to do, and nothing else. An operation carries its epilogue, so that fusion stays
// inside a backend and the model never changes for speed.
//
// Types. "compute" is the type of activations that enter products: f32, or bf16 with f32 accumulation. Statistics,
// losses, gradients of parameters, dx of products and the gradient of the residual stream are f32. In f32 mode nothing
// is rounded. Rows. A batch is ragged: utterance after utterance, without padding between them. The row count N is
// rounded up to a multiple of 64; the rows behind the last utterance are dead and hold zeros or at least finite
// numbers, and a dead row of a gradient is zero. Gradients. Parameter gradients add. Activation gradients overwrite
// unless a parameter or a comment says add. Errors. A wrong shape is a Bug. NaN and infinity flow through; the trainer
// looks at the loss.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "ops/compute.h"
#include "quant/base_weight.h"
#include "quant/dynamic_map.h"
#include "tensor/carver.h"

namespace sori {

struct RowSpan {  // rows [first, first + count)
  std::int64_t first = 0, count = 0;
};

// One utterance in an attention: its queries see its keys. Causal: query i sees keys 0 .. key.count - query.count + i.
struct AttentionSpan {
  RowSpan query, key;
};

// h b^T * scale, added to a product: LoRA's second half. h = x A^T.
struct LowRank {
  ConstMat h;       // [N, R] compute
  BaseWeight b;     // [out, R]
  float scale = 1;  // alpha / R
};

// What follows a product, in this order: + low rank, * gain, + bias, keep, gelu, + add.
struct Epilogue {
  const float* bias = nullptr;  // [out]
  const LowRank* low_rank = nullptr;
  Mat saved{};                  // [N, out] compute; what gelu_backward needs; empty: not kept
  bool gelu = false;            // the erf form: x / 2 (1 + erf(x / sqrt 2))
  ConstMat add{};               // [N, out]; the residual stream
  bool int8 = false;            // what Compute::int8 says may be done here
  const float* gain = nullptr;  // [out]: DoRA's m / norm
};

// Which elements LoRA's dropout removes: a pure function of seed, step, module and row key, so that neither batching,
// threads nor recomputation can change it. Element (r, c) is kept when Rng(seed, Draw::kDropout, step, rows[r] ^ module
// << 48) .uniform(c) >= rate; what is kept is divided by 1 - rate.
struct DropoutMask {
  double rate = 0;
  std::uint64_t seed = 0, step = 0, module = 0;
  std::span<const std::uint64_t> rows;  // [N] a number that names the row: its sample and its place in it
};

struct AdamW {  // Loshchilov & Hutter, "Decoupled weight decay regularization", 2019; torch.optim.AdamW
  double learning_rate = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
  double gradient_scale = 1;  // from clipping by the global norm
  std::int64_t step = 1;      // counted from 1, for the bias correction
  // Names what bf16 weights are rounded by: element i goes away from zero where its place between its two neighbours,
  // counted in 2^-16, plus half i of Rng(seed, Draw::kRounding, step, tensor)'s words is at least 2^16.
  std::uint64_t seed = 0, tensor = 0;
};

// A moment of a weight, f32 or in 8 bits: codes of the flattened tensor in blocks of kDynamicBlock, as in bitsandbytes'
// AdamW8bit, of the signed map for the first moment and of the other one for the second.
struct Moment {
  Mat values;               // of the weight's shape: f32, or u8 codes
  float* absmax = nullptr;  // [dynamic_blocks] of codes
};

// The largest sizes that will be asked for; a backend takes its scratch memory for them once.
struct Limits {
  std::int64_t rows = 0;                      // of any product
  std::int64_t width = 0;                     // largest in or out of a linear layer (the vocabulary excepted)
  std::int64_t query_rows = 0, key_rows = 0;  // of one utterance in an attention
  std::int64_t head_width = 0, heads = 0;
  std::int64_t target_rows = 0, vocabulary = 0;  // of cross_entropy
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual DType compute() const = 0;
  virtual const char* name() const = 0;
  // Takes scratch memory that lives as long as the carver's arena. Called before any operation, counting and then for
  // real.
  virtual void carve_scratch(Carver& carver, const Limits& limits) = 0;

  // y [N, out] (f32 or compute) = epilogue(x [N, in] compute, w [out, in]): y = x w^T and what follows.
  virtual void linear(ConstMat x, const BaseWeight& w, const Epilogue& epilogue, Mat y) = 0;
  // dx [N, in] f32 = (or +=, if add) dy [N, out] compute times w.
  virtual void linear_backward(ConstMat dy, const BaseWeight& w, bool add, Mat dx) = 0;
  // dw [out, in] f32 += scale dy^T x; dbias [out] += scale * column sums of dy: each if given. dy, x: compute.
  virtual void weight_gradient(ConstMat dy, ConstMat x, float scale, Mat dw, float* dbias) = 0;

  // y (compute or f32) = (x - mean) * rstd * gain + bias over each row of x (f32 or compute), eps 1e-5;
  // stats [N, 2] f32: mean, rstd.
  virtual void layer_norm(ConstMat x, const float* gain, const float* bias, Mat y, Mat stats) = 0;
  // dx f32 += the gradient through the norm; dgain, dbias += if given. dy f32.
  virtual void layer_norm_backward(ConstMat x, ConstMat stats, const float* gain, ConstMat dy, Mat dx, float* dgain,
                                   float* dbias) = 0;

  // Through Epilogue::gain, where that is m / norm and the norm a constant: dy [N, out] compute becomes gain * dy, and
  // dm [out] f32 += column sums of dy * z / norm, z [N, out] being what the gain multiplied. y [N, out] compute is
  // Epilogue::saved, gain * z + bias, so z / norm is (y - bias) / m; where m is 0, y does not tell, and dm stays.
  virtual void gain_backward(ConstMat y, const float* bias, const float* gain, const float* m, Mat dy, float* dm) = 0;

  // dx compute = dy f32 * gelu'(pre). pre: compute, Epilogue::saved.
  virtual void gelu_backward(ConstMat pre, ConstMat dy, Mat dx) = 0;

  // out [Nq, C] compute = softmax(q k^T / sqrt(D)) v per utterance and head; lse [Nq, H] f32 is the log of each row's
  // sum of exponentials, kept for backward. Rows outside every query span become zero. Memory is linear in length: no
  // [S, S] matrix. q, k, v: compute; k and v may be a cache with more rows than the spans name.
  virtual void attention(ConstMat q, ConstMat k, ConstMat v, std::span<const AttentionSpan> spans, std::int64_t heads,
                         bool causal, Mat out, Mat lse) = 0;
  // dq [Nq, C], dk, dv [Nk, C]: compute, overwritten; rows outside the spans become zero. dout f32.
  virtual void attention_backward(ConstMat q, ConstMat k, ConstMat v, ConstMat out, ConstMat lse, ConstMat dout,
                                  std::span<const AttentionSpan> spans, std::int64_t heads, bool causal, Mat dq, Mat dk,
                                  Mat dv) = 0;

  // A convolution of width 3 and padding 1 is unfold and then linear, with PyTorch's weight [out, in, 3] seen as [out,
  // in * 3]. columns [N', in * 3] compute: row t of utterance u holds x[t * stride - 1 .. + 1] of that utterance, zero
  // outside it; x f32 or compute. from[u] and to[u]: the utterance's rows before and after, to.count = ceil(from.count
  // / stride). Rows of columns outside every span become zero.
  virtual void unfold(ConstMat x, std::span<const RowSpan> from, std::span<const RowSpan> to, std::int64_t stride,
                      Mat columns) = 0;
  // dx f32 += the gradient of unfold. dcolumns f32.
  virtual void unfold_backward(ConstMat dcolumns, std::span<const RowSpan> from, std::span<const RowSpan> to,
                               std::int64_t stride, Mat dx) = 0;

  // y[r] (compute or f32) = x[r] + table[index[r]]; x may be empty (only the table's row). index -1: a dead row, y[r] =
  // 0.
  virtual void add_rows(ConstMat x, const BaseWeight& table, std::span<const int> index, Mat y) = 0;
  // y[r] = tokens[ids[r]] + positions[places[r]]; -1: a dead row, y[r] = 0.
  virtual void embed(const BaseWeight& tokens, std::span<const int> ids, const BaseWeight& positions,
                     std::span<const int> places, Mat y) = 0;
  // Rows of x (f32 or compute) in 8 bits, each with a scale of its own: codes [N, C] and absmax [N] as
  // quantise_int8() gives them.
  virtual void quantise_rows(ConstMat x, std::int8_t* codes, float* absmax) = 0;
  // y (f32 or compute) = rows [first, first + y.rows) of w.
  virtual void decode_rows(const BaseWeight& w, std::int64_t first, Mat y) = 0;
  // dtable[index[r]] f32 += dy[r] f32, in the order of rows; index -1 adds nothing.
  virtual void add_rows_backward(ConstMat dy, std::span<const int> index, Mat dtable) = 0;

  // Softmax cross-entropy of logits x e^T against targets, a chunk of rows at a time: no [N, V] matrix is kept.
  // losses[r] = (1 - smoothing) * -log p(target) + smoothing * mean over V of -log p (torch's label_smoothing); 0 where
  // the target is -1. dx [N, C] f32 (empty: loss only) = scale * d(sum of losses)/dx; de [V, C] f32 += (empty: frozen).
  virtual void cross_entropy(ConstMat x, const BaseWeight& e, std::span<const int> targets, float scale,
                             float smoothing, std::span<float> losses, Mat dx, Mat de) = 0;

  // y = scale * x, converted to y's type (f32 or compute).
  virtual void cast(ConstMat x, float scale, Mat y) = 0;
  // y (x's type) = x with the mask applied.
  virtual void dropout(ConstMat x, const DropoutMask& mask, Mat y) = 0;
  // dx f32 += dy f32 with the mask applied.
  virtual void dropout_backward(ConstMat dy, const DropoutMask& mask, Mat dx) = 0;

  // One step on a weight, f32 or bf16 (rounded by chance, so that small steps are not lost). gradient: f32, and zero
  // afterwards; m, v: both f32 or both codes, which are decoded, updated in f32 and encoded again. Everything
  // contiguous but the weight, which may be a part of the columns of another one.
  virtual void adamw_step(const AdamW& how, Mat gradient, Mat weight, const Moment& m, const Moment& v) = 0;
  // Sum of squares of f32, the same for any number of threads.
  virtual double sum_squares(ConstMat x) = 0;
};

// The definition of every operation, one scalar at a time (ops/reference). For tests, and for whole runs to compare
// with.
std::unique_ptr<Backend> make_reference_backend(Compute compute);
// oneDNN where it is the best tool, Highway loops where it is not (ops/cpu).
std::unique_ptr<Backend> make_cpu_backend(Compute compute);
// True where this CPU multiplies bf16 faster than f32: times one product of [rows, width] by [width, width], several
// times, and compares the best.
bool bf16_is_faster(std::int64_t rows, std::int64_t width);
// "oneDNN 2.6.3, AVX2": what products run on, for records of measurements.
std::string product_library();
// True where this CPU multiplies 8-bit codes (AVX-512 VNNI).
bool has_int8_products();

}  // namespace sori
