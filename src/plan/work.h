// Floating-point operations of training, counted from the shapes: enough to rank ways of running the same step.
#pragma once

#include "model/encoder.h"

namespace sori {

// Of one utterance with `states` audio states and `tokens` text tokens: a multiplication and an addition count two.
struct StepWork {
  double forward = 0, backward = 0, recompute = 0;
  double total() const { return forward + backward + recompute; }
};
StepWork step_work(Whisper& model, std::int64_t states, std::int64_t tokens, Keep keep);

// Numbers of frozen quantised weights that are decoded in one micro-batch.
double decoded_weights(Whisper& model, Keep keep);

}  // namespace sori
