#include "plan/times.h"

#include "base/log.h"

namespace sori {
namespace {

double learning_numbers(Whisper& model) {
  double numbers = 0;
  for_each_parameter(model,
                     [&](const std::string&, Parameter& p) { numbers += static_cast<double>(p.learning_size()); });
  return numbers;
}

std::int64_t either(std::int64_t average, std::int64_t longest) { return average > 0 ? average : longest; }

// Windows are decoded side by side, and each writes as many tokens.
std::optional<double> seconds_to_judge(Whisper& model, Compute compute, const RecognizerLimits& limits,
                                       std::int64_t frames, std::int64_t labels, const MachineRates& rates) {
  const std::int64_t states = (frames + 1) / 2,
                     tokens = std::clamp<std::int64_t>(labels - limits.prompt, 1, limits.new_tokens);
  const auto window = rates.seconds(compute, encode_work(model, states)),
             token = rates.seconds(compute, token_work(model, limits.batch, states, limits.prompt + tokens));
  if (!window || !token) return std::nullopt;
  return *window + *token * static_cast<double>(tokens) / static_cast<double>(limits.batch);
}

}  // namespace

std::optional<RunTimes> estimate_times(Whisper& model, const RunRequest& r, const RunChoice& c, const RunCounts& counts,
                                       const MachineRates& rates) {
  // Nothing is padded to a batch mate, so utterances take what the average one takes.
  const std::int64_t frames = either(counts.learnt.frames, r.frames), tokens = either(counts.learnt.tokens, r.tokens);
  StepShape shape{c.batch, (frames + 1) / 2, tokens, c.keep};
  const auto whole = rates.seconds(r.compute, step_work(model, shape));
  shape.from_states = counts.keeps_states;
  const auto micro_batch = rates.seconds(r.compute, step_work(model, shape));
  if (!whole || !micro_batch) return std::nullopt;
  RunTimes t;
  t.step = static_cast<double>(c.accumulation) * *micro_batch + rates.update_seconds(learning_numbers(model)) +
           reading_seconds(model, c);
  const double encoder = (*whole - *micro_batch) / static_cast<double>(c.batch);
  t.run = static_cast<double>(counts.steps) * t.step;
  if (counts.steps > 0) t.run += static_cast<double>(counts.utterances) * encoder;
  if (!c.limits.judge) return t;
  const auto judged =
      seconds_to_judge(model, r.compute, *c.limits.judge, either(counts.heard.frames, c.limits.judge->frames),
                       either(counts.heard.tokens, r.tokens), rates);
  if (!judged) return std::nullopt;
  t.judged = *judged;
  t.evaluations = static_cast<double>(counts.evaluations * counts.judged) * t.judged;
  return t;
}

namespace {

std::string short_seconds(double seconds) {
  return seconds < 10 ? fmt::format("{:.2f} s", seconds) : format_seconds(seconds);
}

}  // namespace

std::string to_text(const RunTimes& t, const RunCounts& counts) {
  std::string text = fmt::format("times: about {} a step", short_seconds(t.step));
  if (counts.steps > 0) text += fmt::format(", {} for {} steps", format_seconds(t.run), counts.steps);
  if (t.judged > 0) text += fmt::format("; {} an utterance that is evaluated", short_seconds(t.judged));
  if (t.evaluations > 0) text += fmt::format(", {} for all", format_seconds(t.evaluations));
  return text + " (from sori bench)";
}

Json to_json(const RunTimes& t) {
  return {{"seconds_per_step", t.step},
          {"seconds_per_judged_utterance", t.judged},
          {"run_seconds", t.run},
          {"evaluation_seconds", t.evaluations}};
}

}  // namespace sori
