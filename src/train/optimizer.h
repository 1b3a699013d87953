// AdamW over everything that learns, and the norm by which gradients are clipped.
#pragma once

#include "model/whisper.h"

namespace sori {

struct Moments {
  Mat m, v;  // f32, of the parameter's shape
};

struct OptimizerState {
  std::vector<Moments> moments;  // in the order of the model's walk
};

OptimizerState carve_optimizer(Carver& c, Whisper& model);  // zero it before the first step
void set_zero(OptimizerState& state);
void zero_gradients(Whisper& model);

// 2-norm over all gradients (torch.nn.utils.clip_grad_norm_), the same for any number of threads.
double gradient_norm(Backend& backend, Whisper& model);
// What gradients are multiplied with so that their norm is at most max_norm; 1 where max_norm is 0 (no clipping).
double clip_scale(double norm, double max_norm);

// One update of every learning parameter. Weight decay skips vectors: biases and LayerNorms.
void optimizer_step(Backend& backend, Whisper& model, OptimizerState& state, const AdamW& how);

}  // namespace sori
