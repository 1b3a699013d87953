// Which of several ways to run the same optimizer step: the fastest that fits. Never what is learnt: the effective
// batch, the adapters, the base and the precision stay as they were asked for.
#pragma once

#include <optional>

#include "plan/memory.h"
#include "plan/work.h"
#include "train/options.h"

namespace sori {

inline constexpr std::int64_t kJudged = 8;  // windows that an evaluation decodes side by side, at most

// A run as it was asked for.
struct RunRequest {
  Compute compute = DType::kF32;
  std::int64_t batch = 1, accumulation = 1;  // utterances of a micro-batch, micro-batches of a step
  std::int64_t frames = 3000, tokens = 32;   // of the longest utterance
  std::optional<RecognizerLimits> judge;     // of evaluations; its batch is an upper bound
  std::optional<Keep> keep;                  // asked for by name; otherwise chosen
  std::optional<std::int64_t> micro_batch;   // of the run that is resumed; otherwise chosen
  std::string init = "true";                 // how adapters start
  std::size_t utterances = 0;
  std::uint64_t ram = 0;  // resident bytes that the process may take
};

// What the options of a training say of it. How long its utterances are, and of evaluations, they do not say.
RunRequest run_request(const TrainOptions& options, Compute compute);

struct RunChoice {
  std::int64_t batch = 1, accumulation = 1;
  Keep keep = Keep::kEverything;
  RunLimits limits;
  MemoryPlan memory;
  double seconds = 0;  // of a step on a machine of a teraflop a second: for comparison only
  bool fits = false;

  std::string name() const;  // "micro-batch 2 x 8, recompute layers"
};

struct RunChoices {
  std::vector<RunChoice> all;         // fastest first
  std::optional<std::size_t> chosen;  // the first that fits; nothing where none does
  const RunChoice& smallest() const;
};

const char* name_of(Keep keep);

// What a step waits for a base that passes through memory: an estimate, the same on every machine.
double reading_seconds(Whisper& model, const RunChoice& choice);

// The model as plan_memory() wants it.
RunChoices choose_run(Whisper& model, const RunRequest& request);

// Error kMemory for when nothing fits: what the smallest needs, and the nearest request that would fit.
Error nothing_fits(Whisper& model, const RunRequest& request, const RunChoices& choices);

}  // namespace sori
