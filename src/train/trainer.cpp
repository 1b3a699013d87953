#include "train/trainer.h"

#include "base/clock.h"
#include "train/lay_out.h"

namespace sori {
namespace {

int count_targets(std::span<const int> target) {
  return static_cast<int>(std::ranges::count_if(target, [](int t) { return t >= 0; }));
}

// Memory is planned for plan.batch of the longest.
MicroBatchOptions micro_batch_options(const std::vector<Utterance>& utterances, const ExampleMaker& maker,
                                      const TrainPlan& plan) {
  return {.seed = plan.seed,
          .step = static_cast<std::size_t>(plan.samples_per_step()),
          .frames = plan.batch * maker.most_frames(utterances),
          .tokens = plan.batch * longest_labels(utterances, maker)};
}

Error not_a_number(const char* what, std::int64_t step, const std::string& ids) {
  return Error{ErrorKind::kNumeric, fmt::format("the {} is not a number at step {} (utterances {})", what, step, ids),
               "training", "lower --learning-rate, or look at these utterances; the last checkpoint is untouched"};
}

}  // namespace

std::int64_t longest_labels(const std::vector<Utterance>& utterances, const ExampleMaker& maker) {
  std::size_t longest = 1;
  for (const Utterance& u : utterances) longest = std::max(longest, maker.labels(u).input.size());
  return static_cast<std::int64_t>(longest);
}

Trainer::Trainer(Whisper& model, Backend& backend, OptimizerState& optimizer, LearnMemory& memory,
                 const std::vector<Utterance>& utterances, const ExampleMaker& maker, const TrainPlan& plan,
                 RunState& state)
    : model_(model),
      backend_(backend),
      optimizer_(optimizer),
      memory_(memory),
      utterances_(utterances),
      maker_(maker),
      plan_(plan),
      state_(state),
      batches_(utterances, maker, micro_batch_options(utterances, maker, plan)) {
  target_counts_.reserve(utterances.size());
  require(!plan.fused_step || (plan.accumulation == 1 && plan.max_grad_norm == 0),
          "a fused step neither accumulates nor clips");
  if (plan.fused_step)
    fused_.emplace(
        backend, model, optimizer, [this] { return ids(); }, plan.loraplus_lr_ratio);
  for (const Utterance& u : utterances) target_counts_.push_back(count_targets(maker.labels(u).target));
  no_speech_targets_ = count_targets(maker.labels(Utterance{}).target);
  const BatchLimits limits{plan.batch, batches_.options().frames / plan.batch, batches_.options().tokens / plan.batch};
  batch_.reserve(limits, plan.samples_per_step());
  items_.reserve(static_cast<std::size_t>(plan.samples_per_step()));
  if (plan.cache) {
    require(lowest_learning(model.encoder) > model.config.encoder_layers, "states are kept of an encoder that stays");
    alone_.reserve({1, limits.frames, limits.tokens}, 1);
  }
  zero_gradients(model_);
  refresh_gains();
}

void Trainer::refresh_gains() { sori::refresh_gains({.backend = backend_, .drop = plan_.drop}, model_, memory_.dora); }

// The gradient is divided by all target tokens of the optimizer step, so they must be known before its first
// micro-batch: otherwise short micro-batches would weigh too much.
std::int64_t Trainer::tokens_of(const std::vector<MicroBatch>& step) const {
  std::int64_t tokens = 0;
  for (const MicroBatch& samples : step)
    for (const Sample& s : samples)
      tokens += maker_.no_speech(s.number) ? no_speech_targets_ : target_counts_[s.utterance];
  return tokens;
}

std::string Trainer::ids(const MicroBatch& samples) const {
  std::vector<std::string> ids;
  for (const Sample& s : samples) ids.push_back(utterances_[s.utterance].id);
  return fmt::format("{}", fmt::join(ids, ", "));
}

std::string Trainer::ids() {
  MicroBatch all;
  for (const MicroBatch& samples : batches_.of_step(state_.samples))
    all.insert(all.end(), samples.begin(), samples.end());
  std::ranges::sort(all, {}, &Sample::number);
  return ids(all);
}

double Trainer::micro_batch(std::span<const Example> examples, const Pass& pass, float scale) {
  const Loss loss{scale, plan_.label_smoothing};
  lay_out(examples, items_, batch_, memory_.mel);
  if (!plan_.cache) return forward_backward(pass, model_, batch_, loss, memory_);
  read_states(examples, pass);
  return forward_backward_from_states(pass, model_, batch_, loss, memory_);
}

void Trainer::read_states(std::span<const Example> examples, const Pass& pass) {
  const Mat states = memory_.encoder.norm.y.top(batch_.audio.total);
  for (std::size_t i = 0; i < examples.size(); ++i) {
    if (plan_.cache->has(examples[i].utterance, batch_.audio.spans[i].count)) continue;
    lay_out(examples.subspan(i, 1), items_, alone_, memory_.mel);
    encoder_forward(pass, model_.encoder, alone_, memory_.mel.top(alone_.frames.total), memory_.encoder,
                    memory_.scratch);
    plan_.cache->put(examples[i].utterance, states.top(alone_.audio.spans.front().count));
  }
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const RowSpan rows = batch_.audio.spans[i];
    plan_.cache->get(examples[i].utterance, states.row_range(rows.first, rows.count));
  }
  zero_behind(batch_.audio, states);
}

// The step that follows, but for clipping.
AdamW Trainer::update() const {
  AdamW how = plan_.adamw;
  how.learning_rate = plan_.schedule.rate(state_.step);
  how.step = state_.step + 1;
  how.seed = plan_.seed;
  return how;
}

StepReport Trainer::step(Loader& loader) {
  const auto start = Clock::now();
  const double waited = loader.waited_seconds(), loading = loader.cpu_seconds();
  const Pass pass{.backend = backend_,
                  .training = true,
                  .seed = plan_.seed,
                  .step = static_cast<std::uint64_t>(state_.step),
                  .drop = plan_.drop,
                  .sink = fused_ ? &*fused_ : nullptr};
  const std::vector<MicroBatch> batches = batches_.of_step(state_.samples);
  const std::int64_t tokens = tokens_of(batches);
  AdamW how = update();
  if (fused_) fused_->begin(how);
  double loss = 0;
  std::int64_t frames = 0, targets = 0;
  for (const MicroBatch& samples : batches) {
    const std::span<const Example> examples = loader.next();
    require(examples.size() == samples.size(), "the loader delivers the same micro-batches");
    const double sum = micro_batch(examples, pass, 1.0f / static_cast<float>(tokens));
    if (!std::isfinite(sum)) throw not_a_number("loss", state_.step + 1, ids(samples));
    loss += sum;
    for (const Example& e : examples) frames += e.frames, targets += count_targets(e.target);
  }
  require(targets == tokens, "the gradient was divided by the tokens that there were");
  const double norm = fused_ ? fused_->end() : gradient_norm(backend_, model_);
  if (!std::isfinite(norm)) throw not_a_number("gradient", state_.step + 1, ids());
  how.gradient_scale = clip_scale(norm, plan_.max_grad_norm);
  if (!fused_) optimizer_step(backend_, model_, optimizer_, how, plan_.loraplus_lr_ratio);
  refresh_gains();
  ++state_.step;
  state_.samples += static_cast<std::uint64_t>(plan_.samples_per_step());
  state_.target_tokens += tokens;
  return {state_.step, epochs(state_.samples), loss / static_cast<double>(tokens), how.learning_rate,
          norm,        seconds_since(start),   loader.waited_seconds() - waited,   loader.cpu_seconds() - loading,
          frames};
}

void Trainer::tap_first(BackwardTap& tap) {
  const Pass pass{.backend = backend_, .drop = plan_.drop, .tap = &tap};
  const MicroBatch samples = batches_.of_step(0).front();
  Loader loader(utterances_, maker_, batches_,
                {.start = 0, .end = static_cast<std::uint64_t>(plan_.samples_per_step())});
  lay_out(loader.next(), items_, batch_, memory_.mel);
  const Loss loss{1.0f / static_cast<float>(tokens_of({samples})), plan_.label_smoothing};
  if (!std::isfinite(forward_backward(pass, model_, batch_, loss, memory_)))
    throw not_a_number("loss", 1, ids(samples));
  zero_gradients(model_);  // of adapters, which hear of it too
  refresh_gains();
}

void Trainer::run(const std::function<bool(const StepReport&)>& after_step) {
  const auto end = static_cast<std::uint64_t>(plan_.max_steps * plan_.samples_per_step());
  Loader loader(utterances_, maker_, batches_, {.start = state_.samples, .end = end});
  while (state_.step < plan_.max_steps) {
    const StepReport report = step(loader);
    Json row;
    row["step"] = report.step;
    row["epoch"] = report.epoch;
    row["loss"] = report.loss;
    row["learning_rate"] = report.learning_rate;
    row["grad_norm"] = report.gradient_norm;
    state_.log_history.push_back(std::move(row));
    if (!after_step(report)) return;
  }
}

}  // namespace sori
