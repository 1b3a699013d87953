#include "plan/memory.h"

#include "base/log.h"
#include "model/load.h"
#include "model/stored_weight.h"

namespace sori {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kProgram = 18 * kMiB;    // measured: tokenizer, oneDNN's primitives, relocated data, heap
constexpr std::uint64_t kSideFiles = 14 * kMiB;  // measured: tokenizer.json as JSON, while a model folder is written
constexpr std::uint64_t kCode = 14 * kMiB;       // measured: pages of libdnnl, libicu, libstdc++ and sori itself
constexpr std::uint64_t kUtteranceBytes = 1500;  // a line of a data set in memory
constexpr std::uint64_t kMicroBatchesAhead = 4;  // in the loader's queue, in the making, and in use
constexpr std::uint64_t kSamplesPerFrame = 160;

BytesByPurpose by_purpose(const Carver& c) {
  BytesByPurpose bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = c.bytes(static_cast<Purpose>(i));
  return bytes;
}

template <class Carve>
BytesByPurpose phase(Carve&& carve) {
  Carver count = Carver::counting();
  carve(count);
  return by_purpose(count);
}

std::uint64_t program_bytes(Whisper& model, const RunLimits& limits, std::size_t utterances) {
  const auto frames = static_cast<std::uint64_t>(limits.batch.frames * limits.batch.utterances);
  const std::uint64_t features = frames * static_cast<std::uint64_t>(model.config.mel_bins) * sizeof(float);
  const std::uint64_t sound = static_cast<std::uint64_t>(limits.batch.frames) * kSamplesPerFrame * sizeof(float);
  // Full fine-tuning saves a whole model folder, LoRA an adapter's two files.
  const std::uint64_t saving = adapter_limits(model).rank > 0 ? 0 : kSideFiles;
  return kProgram + saving + kMicroBatchesAhead * features + 2 * sound + utterances * kUtteranceBytes;
}

}  // namespace

BaseBytes base_bytes(Whisper& model) {
  BaseBytes bytes;
  const auto frozen = [](auto& module) {
    std::uint64_t sum = 0;
    for_each_parameter(module, [&](const std::string& name, Parameter& p) {
      if (!p.trainable && p.shape.size() > 1) sum += stored_bytes({name, p.shape}, p.weight);
    });
    return sum;
  };
  const auto layers = [&](auto& side) {
    std::uint64_t sum = 0;
    for (auto& layer : side.layers) {
      const std::uint64_t here = frozen(layer);
      sum += here;
      bytes.layer = std::max(bytes.layer, here);
    }
    return sum;
  };
  bytes.encoder = layers(model.encoder);
  bytes.decoder = layers(model.decoder);
  bytes.others = frozen(model) - bytes.encoder - bytes.decoder;
  return bytes;
}

MemoryPlan plan_memory(Whisper& model, Compute compute, const RunLimits& limits, std::size_t utterances) {
  const auto learn = make_cpu_backend(compute), judge = make_cpu_backend(compute);
  MemoryPlan plan;
  Carver run = Carver::counting();
  count_weights(run, model);
  carve_run(run, model, *learn, *judge, limits);
  plan.arena = run.bytes();
  // A layer's pages leave when the next one has begun, so two are there at a time. Decoding wants the decoder whole,
  // where there is room for it.
  const BaseBytes bytes = base_bytes(model);
  const std::uint64_t passing = bytes.others + 2 * bytes.layer;
  const bool decoder_stays = limits.judge && !limits.judge->drop_decoder;
  const std::uint64_t learning = limits.drop_layers ? passing : bytes.all(),
                      judging = limits.drop_layers ? passing + (decoder_stays ? bytes.decoder : 0) : bytes.all();
  plan.base = limits.judge ? std::max(learning, judging) : learning;
  plan.program = program_bytes(model, limits, utterances);
  plan.code = kCode;

  const auto weights = [&](Carver& c) {
    count_weights(c, model);
    carve_optimizer(c, model);
  };
  const BytesByPurpose own = phase(weights);
  plan.phases.push_back({"load", own, passing});
  if (limits.init != "true")
    plan.phases.push_back({"start", phase([&](Carver& c) {
                             weights(c);
                             if (limits.init == "lora_ga") carve_learning(c, model, *learn, limits.batch, limits.keep);
                             carve_start(c, model, limits.init);
                           }),
                           limits.init == "lora_ga" ? learning : passing});
  plan.phases.push_back({"train step", phase([&](Carver& c) {
                           weights(c);
                           carve_learning(c, model, *learn, limits.batch, limits.keep);
                         }),
                         learning});
  if (limits.judge)
    plan.phases.push_back({"evaluate", phase([&](Carver& c) {
                             weights(c);
                             carve_recognizer(c, model, *judge, *limits.judge);
                           }),
                           judging});
  plan.phases.push_back({"save", own, learning});
  return plan;
}

Json to_json(const MemoryPlan& plan) {
  Json json = {{"planned_bytes", plan.arena},
               {"base_bytes", plan.base},
               {"program_bytes", plan.program},
               {"code_bytes", plan.code},
               {"private_bytes", plan.private_bytes()},
               {"resident_bytes", plan.resident_bytes()},
               {"phases", Json::array()}};
  for (const PhaseMemory& p : plan.phases) {
    Json arena = Json::object();
    for (std::size_t i = 0; i < p.arena.size(); ++i) arena[name_of(static_cast<Purpose>(i))] = p.arena[i];
    json["phases"].push_back({{"name", p.name}, {"arena", arena}, {"base_bytes", p.base}});
  }
  return json;
}

std::string to_text(const MemoryPlan& plan) {
  std::string text = fmt::format("{:<12}", "");
  for (std::size_t i = 0; i < plan.phases.front().arena.size(); ++i)
    text += fmt::format("{:>12}", name_of(static_cast<Purpose>(i)));
  text += fmt::format("{:>12}\n", "base, mapped");
  for (const PhaseMemory& p : plan.phases) {
    text += fmt::format("{:<12}", p.name);
    for (const std::uint64_t bytes : p.arena) text += fmt::format("{:>12}", bytes == 0 ? "-" : format_bytes(bytes));
    text += fmt::format("{:>12}\n", format_bytes(p.base));
  }
  return text + totals_text(plan) + "\n";
}

std::string totals_text(const MemoryPlan& plan) {
  return fmt::format("private {} (arena {}, program {}), resident {} with the base and the program's code",
                     format_bytes(plan.private_bytes()), format_bytes(plan.arena), format_bytes(plan.program),
                     format_bytes(plan.resident_bytes()));
}

}  // namespace sori
