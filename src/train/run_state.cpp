#include "train/run_state.h"

namespace sori {
namespace {

bool is_row(const Json& row) {  // of a step or an evaluation
  const auto number = [&](const char* key) { return row.contains(key) && row.at(key).is_number(); };
  return row.is_object() && number("step") && (number("loss") || (number("eval_cer") && number("eval_wer")));
}

}  // namespace

Json to_json(const RunState& s, std::int64_t max_steps, double epochs) {
  Json j;
  j["epoch"] = epochs;
  j["global_step"] = s.step;
  j["max_steps"] = max_steps;
  j["num_input_tokens_seen"] = s.target_tokens;
  j["samples_seen"] = s.samples;
  j["log_history"] = s.log_history;
  return j;
}

RunState parse_run_state(const Json& j, const std::string& where) {
  RunState s;
  s.step = json_get<std::int64_t>(j, "global_step", where);
  s.samples = json_get<std::uint64_t>(j, "samples_seen", where);
  s.target_tokens = json_get<std::int64_t>(j, "num_input_tokens_seen", where);
  s.log_history = json_get<Json>(j, "log_history", where);
  const bool rows = s.log_history.is_array() && std::all_of(s.log_history.begin(), s.log_history.end(), is_row);
  if (s.step < 0 || s.target_tokens < 0 || !rows)
    throw Error{ErrorKind::kInput, "holds impossible numbers", where, "use another copy of it"};
  return s;
}

}  // namespace sori
