// AdamW over everything that learns, after backward or inside it, and the norm by which gradients are clipped.
#pragma once

#include <functional>
#include <unordered_map>

#include "model/linear.h"
#include "model/whisper.h"

namespace sori {

struct Moments {
  Moment m, v;
};

struct OptimizerState {
  std::vector<Moments> moments;  // in the order of the model's walk
};

OptimizerState carve_optimizer(Carver& c, Whisper& model);  // zero it before the first step
void set_zero(OptimizerState& state);
void zero_gradients(Whisper& model);  // before the first step; each step leaves them zero

// 2-norm over all gradients (torch.nn.utils.clip_grad_norm_), the same for any number of threads.
double gradient_norm(Backend& backend, Whisper& model);
// What gradients are multiplied with so that their norm is at most max_norm; 1 where max_norm is 0 (no clipping).
double clip_scale(double norm, double max_norm);

// One update of every learning parameter, whose gradient is zero afterwards. Weight decay skips vectors: biases and
// LayerNorms. LoRA+ (Hayou et al., "LoRA+: efficient low rank adaptation of large models", ICML 2024; PEFT's
// create_loraplus_optimizer): the adapters' B learns at `b_ratio` times the rate of everything else, and so do DoRA's
// magnitudes.
void optimizer_step(Backend& backend, Whisper& model, OptimizerState& state, const AdamW& how, double b_ratio = 1);

// The same update inside backward: each gradient is applied when it is finished. The same bits as
// optimizer_step(), where gradients are neither clipped nor accumulated.
class FusedStep final : public GradientSink {
 public:
  using Utterances = std::function<std::string()>;  // ids of those that the step learns, for messages
  // All must outlive it.
  FusedStep(Backend& backend, Whisper& model, OptimizerState& state, Utterances utterances, double b_ratio = 1);

  void begin(const AdamW& how);
  // Error kNumeric when the gradient is not a number: this parameter is untouched, those before it are updated.
  void finished(Parameter& p) override;
  // 2-norm over all gradients of the step, each of which must have been finished once.
  double end();

 private:
  struct Place {
    std::size_t number = 0;  // in the model's walk over what learns
    std::string name;
    double rate = 1;  // times everybody's
  };

  Backend& backend_;
  OptimizerState& state_;
  AdamW how_;
  Utterances utterances_;
  std::unordered_map<const Parameter*, Place> places_;
  std::vector<double> squares_;  // of each gradient; negative: not finished in this step
};

}  // namespace sori
