// The state of a run as one value: saved only between optimizer steps. Everything else follows from the seed and these
// numbers, so a resumed run is the run that never stopped.
#pragma once

#include "base/json.h"

namespace sori {

struct RunState {
  std::int64_t step = 0;             // finished optimizer steps
  std::uint64_t samples = 0;         // utterances consumed
  std::int64_t target_tokens = 0;    // learnt so far
  Json log_history = Json::array();  // Hugging Face's rows: step, epoch, loss, learning_rate, grad_norm; eval_cer ...
};

// trainer_state.json in Hugging Face's keys, and back. No times: equal runs give equal bytes.
Json to_json(const RunState& state, std::int64_t max_steps, double epochs);
RunState parse_run_state(const Json& json, const std::string& where);

}  // namespace sori
