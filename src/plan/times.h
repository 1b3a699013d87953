// Seconds of a run, from what this machine was measured to do.
#pragma once

#include "data/example.h"
#include "plan/choose.h"
#include "plan/rates.h"

namespace sori {

// What of a run is counted in utterances and steps.
struct RunCounts {
  std::int64_t steps = 0;            // 0: not known
  std::int64_t utterances = 0;       // that are learnt
  std::int64_t evaluations = 0;      // between and after steps,
  std::int64_t judged = 0;           // of so many utterances each
  bool keeps_states = false;         // the encoder reads each utterance once
  AverageLengths learnt{}, heard{};  // of the utterances that are learnt and judged; 0: as the longest
};

struct RunTimes {
  double step = 0;                  // an optimizer step; where states are kept, one that finds them
  double judged = 0;                // an utterance of an evaluation, written as long as its transcript
  double run = 0, evaluations = 0;  // all steps, all evaluations; 0 where their number is not known
};

// The model has the formats of the choice. Nothing where this compute type was not measured. Reading sound is left out:
// it goes on beside.
std::optional<RunTimes> estimate_times(Whisper& model, const RunRequest& request, const RunChoice& choice,
                                       const RunCounts& counts, const MachineRates& rates);

std::string to_text(const RunTimes& times, const RunCounts& counts);  // one line
Json to_json(const RunTimes& times);

}  // namespace sori
