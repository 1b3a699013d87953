#include "train/optimizer.h"

#include <cmath>

#include "model/encoder.h"

namespace sori {
namespace {

template <class F>
void for_each_learning(Whisper& model, F&& f) {
  for_each_parameter(model, [&](const std::string& name, Parameter& p) {
    if (p.trainable) f(name, p);
  });
}

Moment carve_moment(Carver& c, const Parameter& p) {
  Moment m;
  m.values = c.mat(p.moments, p.learning_rows(), p.learning_cols());
  if (p.moments == DType::kU8)
    m.absmax = c.array<float>(static_cast<std::size_t>(dynamic_blocks(p.learning_size()))).data();
  return m;
}

void set_zero(const Moment& m) {
  set_zero(m.values);
  if (m.absmax) std::fill_n(m.absmax, dynamic_blocks(m.values.size()), 0.0f);
}

double rate_of(const std::string& name, double b_ratio) {
  return name.ends_with(".lora_B.weight") || name.ends_with(".lora_magnitude_vector") ? b_ratio : 1;
}

// Of the parameter with this number in the walk.
void step(Backend& backend, const Parameter& p, std::size_t number, const Moments& s, AdamW how) {
  if (p.shape.size() == 1) how.weight_decay = 0;
  how.tensor = number;
  backend.adamw_step(how, p.gradient, p.learning(), s.m, s.v);
}

}  // namespace

OptimizerState carve_optimizer(Carver& c, Whisper& model) {
  const Carver::In optimizer(c, Purpose::kOptimizer);
  OptimizerState state;
  for_each_learning(model, [&](const std::string&, Parameter& p) {
    const Moment m = carve_moment(c, p);
    state.moments.push_back({m, carve_moment(c, p)});
  });
  return state;
}

void set_zero(OptimizerState& state) {
  for (Moments& s : state.moments) set_zero(s.m), set_zero(s.v);
}

void zero_gradients(Whisper& model) {
  for_each_learning(model, [](const std::string&, Parameter& p) { set_zero(p.gradient); });
}

double gradient_norm(Backend& backend, Whisper& model) {
  double sum = 0;
  for_each_learning(model, [&](const std::string&, Parameter& p) { sum += backend.sum_squares(p.gradient); });
  return std::sqrt(sum);
}

double clip_scale(double norm, double max_norm) {
  // torch adds 1e-6 to the norm so that a gradient of zero divides by something.
  return max_norm > 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

void optimizer_step(Backend& backend, Whisper& model, OptimizerState& state, const AdamW& how, double b_ratio) {
  std::size_t i = 0;
  for_each_learning(model, [&](const std::string& name, Parameter& p) {
    AdamW mine = how;
    mine.learning_rate *= rate_of(name, b_ratio);
    step(backend, p, i, state.moments[i], mine);
    ++i;
  });
}

FusedStep::FusedStep(Backend& backend, Whisper& model, OptimizerState& state, Utterances utterances, double b_ratio)
    : backend_(backend), state_(state), utterances_(std::move(utterances)) {
  for_each_parameter(model, [&](const std::string& name, Parameter& p) {
    if (p.trainable) places_.emplace(&p, Place{places_.size(), name, rate_of(name, b_ratio)});
  });
  squares_.resize(places_.size());
}

void FusedStep::begin(const AdamW& how) {
  how_ = how;
  std::fill(squares_.begin(), squares_.end(), -1);
}

void FusedStep::finished(Parameter& p) {
  const auto& [number, name, rate] = places_.at(&p);
  require(squares_[number] < 0, "a gradient is finished once a step");
  squares_[number] = backend_.sum_squares(p.gradient);
  if (!std::isfinite(squares_[number]))
    throw Error{
        ErrorKind::kNumeric,
        fmt::format("the gradient of {} is not a number at step {} (utterances {})", name, how_.step, utterances_()),
        "training", "lower --learning-rate; other weights are updated already: go on from the last checkpoint"};
  AdamW how = how_;
  how.learning_rate *= rate;
  step(backend_, p, number, state_.moments[number], how);
}

double FusedStep::end() {
  double sum = 0;
  for (const double s : squares_) {
    require(s >= 0, "every gradient is finished once a step");
    sum += s;
  }
  return std::sqrt(sum);
}

}  // namespace sori
