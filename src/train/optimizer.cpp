#include "train/optimizer.h"

#include <cmath>

#include "model/encoder.h"

namespace sori {
namespace {

template <class F>
void for_each_learning(Whisper& model, F&& f) {
  for_each_parameter(model, [&](const std::string&, Parameter& p) {
    if (p.trainable) f(p);
  });
}

}  // namespace

OptimizerState carve_optimizer(Carver& c, Whisper& model) {
  const Carver::In optimizer(c, Purpose::kOptimizer);
  OptimizerState state;
  for_each_learning(model, [&](Parameter& p) {
    const Mat m = c.mat(DType::kF32, p.rows(), p.cols());
    state.moments.push_back({m, c.mat(DType::kF32, p.rows(), p.cols())});
  });
  return state;
}

void set_zero(OptimizerState& state) {
  for (Moments& s : state.moments) set_zero(s.m), set_zero(s.v);
}

void zero_gradients(Whisper& model) {
  for_each_learning(model, [](Parameter& p) { set_zero(p.gradient); });
}

double gradient_norm(Backend& backend, Whisper& model) {
  double sum = 0;
  for_each_learning(model, [&](Parameter& p) { sum += backend.sum_squares(p.gradient); });
  return std::sqrt(sum);
}

double clip_scale(double norm, double max_norm) {
  // torch adds 1e-6 to the norm so that a gradient of zero divides by something.
  return max_norm > 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

void optimizer_step(Backend& backend, Whisper& model, OptimizerState& state, const AdamW& how) {
  AdamW undecayed = how;
  undecayed.weight_decay = 0;
  std::size_t i = 0;
  for_each_learning(model, [&](Parameter& p) {
    const Moments& s = state.moments[i++];
    backend.adamw_step(p.shape.size() == 1 ? undecayed : how, p.gradient, p.value, {s.m}, {s.v});
  });
}

}  // namespace sori
