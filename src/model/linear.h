// A linear layer with its adapter: y = gain (x w^T + scale (dropout(x) a^T) b^T) + bias, and its gradient. The gain is
// DoRA's.
#pragma once

#include "model/batch.h"
#include "model/layers.h"

namespace sori {

class LayerPages;

// Hears of each gradient when backward has finished it and needs the parameter's value no more.
class GradientSink {
 public:
  virtual ~GradientSink() = default;
  virtual void finished(Parameter& p) = 0;
};

// Hears of each linear layer's two factors when backward is done with it: what its weight's gradient dy^T x is made of,
// which frozen weights do not get.
class BackwardTap {
 public:
  virtual ~BackwardTap() = default;
  virtual void heard(Linear& l, ConstMat x, ConstMat dy) = 0;  // [N, in], [N, out] compute
};

// What every layer of one forward or backward needs.
struct Pass {
  Backend& backend;
  bool training = false;             // dropout is on
  std::uint64_t seed = 0, step = 0;  // of dropout
  const LayerPages* drop = nullptr;  // where memory is short: a layer's weights leave it after use
  GradientSink* sink = nullptr;      // null: gradients wait
  BackwardTap* tap = nullptr;

  void finished(Parameter& p) const {
    if (sink && p.trainable) sink->finished(p);
  }
};

struct LinearSaved {
  Mat h;  // [N, R] compute: dropout(x) a^T; only with an adapter
  Mat y;  // [N, out] compute: before gelu and add; only with DoRA, and where a backward follows
};

// Memory that any linear layer may use while it runs, forward or backward; all of N rows.
struct LinearScratch {
  Mat dropped;    // [N, in] compute: x after dropout; only if some adapter drops
  Mat ddropped;   // [N, in] f32
  Mat dh;         // [N, R] f32; only with adapters
  Mat dh_scaled;  // [N, R] compute
};

// Largest adapter rank, and largest input width of a linear layer with dropout; 0 without.
struct AdapterLimits {
  std::int64_t rank = 0, dropout_width = 0;
};

// y: where forward leaves it, for DoRA's backward.
LinearSaved carve_linear_saved(Carver& c, const Linear& l, DType compute, std::int64_t rows, Mat y);
LinearScratch carve_linear_scratch(Carver& c, const AdapterLimits& limits, DType compute, std::int64_t rows,
                                   bool backward);

// x [N, in] compute -> y [N, out], with an epilogue (its bias and low rank are filled in here).
void linear_forward(const Pass& p, const Linear& l, ConstMat x, const Rows& rows, Epilogue epilogue, LinearSaved& s,
                    const LinearScratch& t, Mat y);
// What backward wants of forward, made again: everything but the result of forward's epilogue.
void linear_recompute(const Pass& p, const Linear& l, ConstMat x, const Rows& rows, LinearSaved& s,
                      const LinearScratch& t);
// dy [N, out] compute -> dx [N, in] f32, = or += (add); dx empty: nothing below needs it. Adds the parameters'
// gradients. Behind a gain, dy becomes the gradient of what it multiplies.
void linear_backward(const Pass& p, Linear& l, ConstMat x, const Rows& rows, const LinearSaved& s, Mat dy,
                     const LinearScratch& t, bool add, Mat dx);

}  // namespace sori
