// Everything that lives in the one arena of a training run.
#pragma once

#include "decode/recognizer.h"
#include "model/learn.h"
#include "model/lora_start.h"
#include "train/optimizer.h"

namespace sori {

// What decides how large it is, besides the model and what learns in it.
struct RunLimits {
  BatchLimits batch;  // of a micro-batch
  Keep keep = Keep::kEverything;
  bool drop_layers = false;               // of the base, after use
  std::optional<RecognizerLimits> judge;  // of evaluations between steps, where there are any
  std::string init = "true";              // how adapters start
};

struct RunMemory {
  OptimizerState optimizer;
  LearnMemory learning;
  RecognizerMemory recognizer;
  StartMemory start;
};

// Optimizer state, then starting, learning and judging, which take turns. The model's own weights have been carved
// before.
RunMemory carve_run(Carver& c, Whisper& model, Backend& learn, Backend& judge, const RunLimits& limits);

}  // namespace sori
