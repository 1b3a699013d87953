#include "cli/training_run.h"

#include "base/child_process.h"
#include "base/clock.h"
#include "base/energy.h"
#include "base/error.h"
#include "base/options.h"
#include "cli/cli.h"

namespace sori {
namespace {

constexpr std::int64_t kExamples = 6;  // transcripts of a training, where they may be shown

Json curve_of(const Path& state) {
  const Json json = read_json(state);
  Json curve = Json::array();
  for (const Json& row : json_member(json, "log_history", state.string()))
    if (row.contains("loss"))
      curve.push_back({{"step", row.at("step")}, {"loss", row.at("loss")}, {"learning_rate", row.at("learning_rate")}});
  return curve;
}

Json score_of(const Json& r, const std::string& where) {
  const Json& cer = json_member(r, "cer", where);
  Json score{{"cer", json_get<double>(cer, "rate", where)},
             {"cer_with_blanks", json_get<double>(json_member(r, "cer_with_blanks", where), "rate", where)},
             {"wer", json_get<double>(json_member(r, "wer", where), "rate", where)}};
  for (const char* key : {"substitutions", "deletions", "insertions", "reference_length"})
    score[key] = json_get<std::int64_t>(cer, key, where);
  for (const char* key : {"utterances", "cut_off"}) score[key] = json_get<std::int64_t>(r, key, where);
  score["counts"] = json_member(r, "cer_counts", where);
  return score;
}

// Evenly spaced, so the same utterances of every cell.
Json examples_of(const Path& predictions) {
  const std::string text = read_file(predictions);
  const std::vector<std::string_view> lines = split_lines(text);
  const std::string where = predictions.string();
  Json examples = Json::array();
  const std::int64_t n = std::ssize(lines), count = std::min(kExamples, n);
  for (std::int64_t i = 0; i < count; ++i) {
    const Json line = parse_json(lines[static_cast<std::size_t>(i * n / count)], where);
    examples.push_back({{"id", json_get<std::string>(line, "id", where)},
                        {"said", json_get<std::string>(line, "text", where)},
                        {"heard", json_get<std::string>(line, "pred_text", where)},
                        {"cer", json_get<double>(line, "cer", where)}});
  }
  return examples;
}

// What a folder holds already.
Json known_result(const Path& folder, const Json& made_by, bool retry_failed) {
  std::error_code code;
  const Path file = folder / "result.json";
  const Json anew{{"made_by", made_by}};
  if (!std::filesystem::exists(file, code)) return anew;
  Json found = read_json(file);
  if (json_get_or<Json>(found, "made_by", Json(), file.string()) != made_by)
    throw Error{ErrorKind::kUsage, "holds a result that was made otherwise", folder.string(),
                "remove this folder, or name another --output-dir"};
  if (retry_failed) found.erase("error");  // what was done before it failed stays
  return found;
}

}  // namespace

// "--name value" of each option, as the command line has it.
std::vector<std::string> words_of(const Json& options) {
  std::vector<std::string> words;
  for (const auto& [name, value] : options.items()) {
    if (value.is_boolean()) {
      words.push_back((value.get<bool>() ? "--" : "--no-") + name);
    } else {
      words.push_back("--" + name);
      words.push_back(word_of(value));
    }
  }
  return words;
}

// Why a child failed: the last line that it said as the program says errors.
std::string last_error(const Path& log, int code, std::uintmax_t from) {
  std::string last = how_it_ended(code);
  const std::string text = read_file(log);
  for (const std::string_view line :
       split_lines(std::string_view(text).substr(std::min<std::uintmax_t>(from, text.size()))))
    if (line.starts_with("sori: ")) last = line.substr(6);
  return last;
}

TrainingRun::TrainingRun(const TrainingSettings& settings, Path folder, TunedModel model, Json options)
    : settings_(settings), folder_(std::move(folder)), model_(std::move(model)), options_(std::move(options)) {
  make_folder(folder_);
  const Json made_by{
      {"model", model_.hash}, {"data", settings.data_hash}, {"train", options_}, {"evaluate", settings.evaluate}};
  result_ = known_result(folder_, made_by, settings.retry_failed);
}

bool TrainingRun::has(const char* kind, const std::string& name) const {
  return result_.contains(kind) && result_.at(kind).contains(name);
}

bool TrainingRun::missing(const Wanted& wanted) const {
  const auto lack = [this](const char* kind) { return [this, kind](const std::string& s) { return !has(kind, s); }; };
  return std::ranges::any_of(wanted.splits, lack("scores")) || std::ranges::any_of(wanted.formats, lack("quantised")) ||
         (wanted.guard && lacks_guard());
}

// Other English speech asks anew; none leaves what there is.
bool TrainingRun::lacks_guard() const {
  if (!std::filesystem::exists(guard_file())) return true;
  const std::string where = guard_file().string();
  return !settings_.english.empty() &&
         json_get_or<std::string>(read_json(guard_file()), "english_hash", "", where) != settings_.english_hash;
}

bool TrainingRun::whole_model() const { return options_.value("method", "lora") == "full"; }

bool TrainingRun::go(const Wanted& wanted) {
  if (failed() || !missing(wanted)) return true;
  const bool there = options_.empty() || (result_.contains("train") && std::filesystem::exists(run() / "README.md"));
  if (!there) train();
  for (const std::string& split : wanted.splits)
    if (!stopped_ && !failed() && !has("scores", split)) judge(split);
  judge_quantised(wanted.formats);
  if (wanted.guard && !stopped_ && !failed() && lacks_guard()) guard();
  return !stopped_;
}

int TrainingRun::child(const std::vector<std::string>& words) {
  const Path log = folder_ / "log.txt";
  said_before_ = std::filesystem::exists(log) ? std::filesystem::file_size(log) : 0;
  const int code = run_child(words, {.log = log, .threads = settings_.threads, .stop = settings_.stop});
  if (code == exit_code(ErrorKind::kLocked))  // of an experiment that was killed, still saving: no result
    throw Error{ErrorKind::kLocked, "another process works in it", folder_.string(), "wait until it ended"};
  if (code == exit_code(ErrorKind::kStopped) || (code != 0 && settings_.stop())) stopped_ = true;
  return code;
}

void TrainingRun::train() {
  const Path json = folder_ / "train.json";
  const std::string where = json.string();
  Json options{{"model", model_.path}, {"data", settings_.data.string()}, {"save-total-limit", 1}};
  if (settings_.ram > 0) options["ram"] = std::to_string(settings_.ram);
  options.update(options_);
  std::vector<std::string> words = words_of(options);
  words.insert(words.begin(), {"train", "--output-dir", run().string(), "--resume", "--json", where});
  const EnergyMeter meter;
  const bool anew = !std::filesystem::exists(run());
  const int code = child(words);
  if (stopped_) return;
  if (code != 0) return fail(code);
  trained_ = true;
  const Json r = read_json(json);
  const auto seconds = json_get<std::vector<double>>(r, "step_seconds", where);
  const auto steps = json_get<std::int64_t>(r, "steps", where);
  const double median = json_get<double>(r, "seconds_per_step", where);
  double sum = 0;
  for (const double s : seconds) sum += s;
  // A run that was interrupted knows its last part alone, and nothing where no step was left.
  const bool known = !seconds.empty();
  if (std::ssize(seconds) < steps) sum = median * static_cast<double>(steps);
  const auto joules = meter.joules();
  Json train{{"seconds", known ? Json(sum) : Json()},
             {"seconds_per_step", known ? Json(median) : Json()},
             {"energy_joules", joules && anew && settings_.measures_energy ? Json(*joules) : Json()},
             {"compute", json_get<std::string>(r, "compute", where)}};
  for (const char* key :
       {"planned_resident_bytes", "planned_private_bytes", "peak_resident_bytes", "peak_private_bytes"})
    train[key] = json_get<std::uint64_t>(r, key, where);
  if (!known) train["peak_resident_bytes"] = train["peak_private_bytes"] = nullptr;
  result_["train"] = std::move(train);
  result_["curve"] = curve_of(run() / "trainer_state.json");
  write();
  for (const auto& entry : std::filesystem::directory_iterator(run()))
    if (entry.path().filename().string().starts_with("checkpoint-")) remove_tree(entry.path());
}

void TrainingRun::judge(const std::string& split) {
  const Path json = folder_ / (split + ".json"), predictions = folder_ / (split + ".jsonl");
  std::vector<std::string> words = of_evaluation("evaluate", split, json);
  words.insert(words.end(), {"--model", whole_model() ? run().string() : model_.path});
  if (!whole_model() && !options_.empty()) add_adapter(words);
  const bool reported = split == settings_.report_split, show = settings_.show_text && reported;
  if (show) words.insert(words.end(), {"--predictions", predictions.string()});
  const auto start = Clock::now();
  const int code = child(words);
  if (stopped_) return;
  if (code != 0) return fail(code);
  result_["scores"][split] = score_of(read_json(json), json.string());
  if (reported) result_["evaluate_seconds"] = seconds_since(start);
  if (show) result_["examples"] = examples_of(predictions);
  write();
}

std::vector<std::string> TrainingRun::of_evaluation(const char* verb, const std::string& split,
                                                    const Path& json) const {
  std::vector<std::string> words = words_of(settings_.evaluate);
  words.insert(words.begin(), {verb, "--data", settings_.data.string(), "--split", split, "--json", json.string()});
  return words;
}

void TrainingRun::add_adapter(std::vector<std::string>& words) const {
  words.insert(words.end(), {"--adapter", run().string(), "--base", options_.value("base", "model")});
}

void TrainingRun::judge_quantised(const std::set<std::string>& formats) {
  const Path merged = whole_model() ? run() : folder_ / "merged", quantised = folder_ / "quantised";
  const auto done = [&](const std::vector<std::string>& words) {
    if (stopped_ || failed()) return false;
    const int code = child(words);
    if (code != 0 && !stopped_) fail(code);
    return code == 0;
  };
  bool there = whole_model();
  for (const std::string& format : formats) {
    if (has("quantised", format)) continue;
    const Path json = folder_ / (format + ".json");
    std::vector<std::string> judge = of_evaluation("evaluate", settings_.report_split, json);
    judge.insert(judge.end(), {"--model", quantised.string()});
    there = there || done({"merge", model_.path, run().string(), merged.string(), "--overwrite"});
    if (there && done({"quantize", merged.string(), quantised.string(), "--base", format, "--overwrite"}) &&
        done(judge)) {
      result_["quantised"][format] = score_of(read_json(json), json.string());
      write();
    }
  }
  for (const Path& made : {folder_ / "merged", quantised})
    if (!stopped_ && std::filesystem::exists(made)) remove_tree(made);
}

// What is not safe to use is a result, not a failure.
void TrainingRun::guard() {
  std::vector<std::string> words = of_evaluation("guard", settings_.report_split, guard_file());
  words.insert(words.end(), {"--model", model_.path});
  if (whole_model())
    words.insert(words.end(), {"--tuned", run().string()});
  else
    add_adapter(words);
  if (!settings_.english.empty()) words.insert(words.end(), {"--english", settings_.english.string()});
  const int code = child(words);
  if (code != 0 && code != kExitNotSafe && !stopped_) fail(code);
}

void TrainingRun::fail(int code) {
  result_["error"] = {{"exit_code", code}, {"message", last_error(folder_ / "log.txt", code, said_before_)}};
  write();
}

void TrainingRun::write() const { write_file(folder_ / "result.json", to_text(result_)); }

void TrainingRun::drop_model() const {
  if (whole_model() && std::filesystem::exists(run())) remove_tree(run());
}

}  // namespace sori
