#include "plan/choose.h"

#include "base/log.h"
#include "base/process_memory.h"

namespace sori {
namespace {

constexpr double kFlops = 1e12;
constexpr double kRead = 2e9;     // bytes of the base that come back into memory a second
constexpr double kDecoded = 4e9;  // quantised weights decoded a second, both cores

// How often a step reads each weight of the base.
double passes(Keep keep) { return keep == Keep::kInputs ? 3 : 2; }

RunChoice examine(Whisper& model, const RunRequest& r, std::int64_t batch, Keep keep, bool drop,
                  const std::optional<RecognizerLimits>& judge) {
  RunChoice c;
  c.batch = batch;
  c.accumulation = r.batch * r.accumulation / batch;
  c.keep = keep;
  c.limits.batch = {batch, r.frames, r.tokens};
  c.limits.keep = keep;
  c.limits.drop_layers = drop;
  c.limits.judge = judge;
  c.limits.init = r.init;
  c.memory = plan_memory(model, r.compute, c.limits, r.utterances);
  const Work work = step_work(model, {batch, (r.frames + 1) / 2, r.tokens, keep});
  const auto steps = static_cast<double>(c.accumulation);  // multiplied first: sums of whole numbers stay equal
  c.seconds = steps * work.total() / kFlops + steps * work.decoded() / kDecoded;
  c.seconds += reading_seconds(model, c);
  c.fits = c.memory.resident_bytes() <= r.ram;
  return c;
}

// The ways to evaluate, the fastest first: fewer windows side by side, then the audio's keys in 8 bits, then a decoder
// that passes through memory with every token.
std::vector<std::optional<RecognizerLimits>> ways_to_judge(const RunRequest& r, bool drop) {
  if (!r.judge) return {std::nullopt};
  std::vector<std::optional<RecognizerLimits>> ways;
  RecognizerLimits way = *r.judge;
  for (; way.batch >= 1; way.batch /= 2) ways.push_back(way);
  way.batch = 1;
  way.int8_cross = true;
  ways.push_back(way);
  way.drop_decoder = true;
  if (drop) ways.push_back(way);
  return ways;
}

// Evaluation runs in the fastest way that fits; where none does, in the smallest.
RunChoice best_judge(Whisper& model, const RunRequest& r, std::int64_t batch, Keep keep, bool drop) {
  RunChoice c;
  for (const auto& way : ways_to_judge(r, drop)) {
    c = examine(model, r, batch, keep, drop, way);
    if (c.fits) break;
  }
  return c;
}

}  // namespace

RunRequest run_request(const TrainOptions& o, Compute compute) {
  RunRequest r;
  r.compute = compute;
  r.batch = o.per_device_train_batch_size, r.accumulation = o.gradient_accumulation_steps;
  r.init = o.init_lora_weights;
  if (o.gradient_checkpointing) r.keep = Keep::kInputs;
  if (o.fused_step) r.micro_batch = r.batch;
  r.ram = memory_limit(o.ram);
  return r;
}

double reading_seconds(Whisper& model, const RunChoice& c) {
  if (!c.limits.drop_layers) return 0;
  return static_cast<double>(c.accumulation) * passes(c.keep) * static_cast<double>(base_bytes(model).all()) / kRead;
}

const char* name_of(Keep keep) {
  switch (keep) {
    case Keep::kEverything:
      return "keep everything";
    case Keep::kInputs:
      return "recompute layers";
    case Keep::kNothing:
      return "keep nothing";
  }
  return "";
}

std::string RunChoice::name() const {
  std::string text = fmt::format("micro-batch {} x {}, {}", batch, accumulation, name_of(keep));
  if (limits.drop_layers) text += ", base passing through";
  if (limits.judge) text += fmt::format(", {} decoded side by side", limits.judge->batch);
  if (limits.judge && limits.judge->int8_cross) text += ", its keys in 8 bits";
  return text;
}

const RunChoice& RunChoices::smallest() const {
  require(!all.empty(), "there is at least one way to run");
  return *std::min_element(all.begin(), all.end(), [](const RunChoice& a, const RunChoice& b) {
    return a.memory.resident_bytes() < b.memory.resident_bytes();
  });
}

RunChoices choose_run(Whisper& model, const RunRequest& r) {
  RunChoices choices;
  for (std::int64_t batch = r.batch; batch >= 1; --batch) {
    if (r.batch * r.accumulation % batch != 0 || batch != r.micro_batch.value_or(batch)) continue;
    for (const Keep keep : {Keep::kEverything, Keep::kInputs})
      for (const bool drop : {false, true})
        if ((!r.keep || *r.keep == keep) && (!drop || base_bytes(model).layer > 0))
          choices.all.push_back(best_judge(model, r, batch, keep, drop));
  }
  std::stable_sort(choices.all.begin(), choices.all.end(),
                   [](const RunChoice& a, const RunChoice& b) { return a.seconds < b.seconds; });
  const auto first = std::find_if(choices.all.begin(), choices.all.end(), [](const RunChoice& c) { return c.fits; });
  if (first != choices.all.end()) choices.chosen = static_cast<std::size_t>(first - choices.all.begin());
  return choices;
}

Error nothing_fits(Whisper& model, const RunRequest& r, const RunChoices& choices) {
  const RunChoice& least = choices.smallest();
  std::string remedy = fmt::format("the nearest that fits is --ram {}M", (least.memory.resident_bytes() >> 20) + 1);
  bool full = true;
  for_each_linear(model, [&](const std::string&, Linear& l) { full = full && l.weight.trainable; });
  if (full) remedy += ", or use --method lora";
  if (r.compute.type == DType::kF32) remedy += ", or keep activations in half the memory with --compute bf16";
  return Error{ErrorKind::kMemory,
               fmt::format("{} needs {}, and the limit is {}", least.name(),
                           format_bytes(least.memory.resident_bytes()), format_bytes(r.ram)),
               "", remedy};
}

}  // namespace sori
