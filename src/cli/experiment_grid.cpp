// sori experiment GRID: chooses each row's learning rate on one split, trains every cell and judges it on another. Each
// training and each evaluation is the program itself in a process of its own; what each left lies in a folder of its
// own, so the experiment can be stopped anywhere and goes on with the same command.
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <mutex>
#include <set>
#include <thread>

#include "base/child_process.h"
#include "base/clock.h"
#include "base/energy.h"
#include "base/process_memory.h"
#include "base/threads.h"
#include "base/unicode.h"
#include "cli/cli.h"
#include "cli/experiment.h"
#include "cli/judge.h"
#include "cli/machine_file.h"
#include "cli/stop.h"
#include "experiment/results.h"
#include "train/options.h"

namespace sori {
namespace {

constexpr std::int64_t kExamples = 6;  // transcripts of a cell, where they may be shown

Grid open_grid(const std::string& name) {
  std::vector<std::string> known{"memory"};
  for (const BuiltInGrid& g : built_in_grids()) {
    if (name == g.name) return parse_grid(g.text, g.name, g.name);
    known.emplace_back(g.name);
  }
  std::error_code code;
  if (!std::filesystem::exists(name, code))
    throw Error{ErrorKind::kUsage, fmt::format("\"{}\" is no experiment, and no file", name), "",
                fmt::format("name a TOML file, or one of {} (sori experiment --list)", fmt::join(known, ", "))};
  return parse_grid(read_file(name, std::size_t{1} << 20), Path(name).stem().string(), name);
}

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

std::vector<std::string> plus(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Why a child failed: the last line that it said as the program says errors.
std::string last_error(const Path& log, int code) {
  std::string last =
      code > 128 ? fmt::format("was killed by signal {}", code - 128) : fmt::format("ended with exit code {}", code);
  const std::string text = read_file(log);
  for (const std::string_view line : split_lines(text))
    if (line.starts_with("sori: ")) last = line.substr(6);
  return last;
}

// Where plans are written, gone at the end.
struct TemporaryFolder {
  Path path = std::filesystem::temp_directory_path() / fmt::format("sori-{}", ::getpid());
  TemporaryFolder() { make_folder(path); }
  ~TemporaryFolder() {
    std::error_code code;
    std::filesystem::remove_all(path, code);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
};

struct Job {
  Training training;
  std::set<std::string> splits;  // that it is judged on
  bool last = false;             // nothing is wanted of its weights afterwards
};

class Experiment {
 public:
  Experiment(const GridExperiment& o, Log& log) : o_(o), log_(log), grid_(open_grid(o.grid)), folder_(o.output_dir) {
    if (o_.model.empty() || o_.data.empty())
      throw Error{ErrorKind::kUsage, fmt::format("--{} is missing", o_.model.empty() ? "model" : "data"), "",
                  "name the model that is tuned and the data set that it learns"};
  }

  Json go() {
    check();
    plan();
    if (o_.dry_run) return {{"grid", {{"name", grid_.name}, {"hash", grid_.hash}}}};
    make_folder(folder_ / "runs");
    const FolderLock lock(folder_);
    untuned();
    std::vector<Job> trials;
    for (const Training& t : grid_.trials()) trials.push_back({t, {grid_.choose_split}, false});
    run_all(trials);
    cells_ = grid_.cells([this](const GridRow& r) { return best_rate(grid_, r, results_); });
    run_all(final_jobs());
    if (!o_.keep_models)
      for (const Training& t : grid_.trials()) drop_models(t);
    write_results();
    return results_json();
  }

 private:
  // Everything that can be known to be wrong is said before the first step.
  void check() {
    const Dataset set = load_dataset(o_.data);
    data_hash_ = set.hash, language_ = set.language;
    std::vector<std::string> wanted{"train", grid_.choose_split, grid_.report_split};
    wanted.insert(wanted.end(), grid_.further_splits.begin(), grid_.further_splits.end());
    for (const std::string& name : wanted) {
      const Split& split = set.split(name);
      splits_[name] = {{"utterances", split.utterances.size()}, {"hours", split.seconds() / 3600}};
    }
    const ModelFolder model = open_model(o_.model);
    model_hash_ = model_hash(model);
    for (const GridRow& r : grid_.rows) {
      TrainOptions options;
      OptionTable table;
      options.describe(table);
      parse_options(table, plus({"--output-dir", "x"}, training_words({r.name, 1, 0, 0})));
      options.check();
    }
    JudgeOptions judge;
    OptionTable table;
    judge.describe(table);
    SplitOptions split;
    split.describe(table);
    parse_options(table, plus({"--model", "x"}, words_of(grid_.evaluate)));
  }

  // What sori train is told, but for its folder and whether it goes on.
  std::vector<std::string> training_words(const Training& t) const {
    Json options{{"model", o_.model}, {"data", o_.data}, {"save-total-limit", 1}};
    options.update(options_of(t));
    options["max-steps"] = t.steps;
    options["seed"] = t.seed;
    if (t.learning_rate > 0) options["learning-rate"] = t.learning_rate;
    return words_of(options);
  }

  Json options_of(const Training& t) const { return grid_.options_of(grid_.row(t.row)); }
  bool is_full(const Training& t) const { return options_of(t).value("method", "lora") == "full"; }
  std::string model_of(const Training& t) const { return options_of(t).value("model", o_.model); }

  // Each training once: the trials, and cells with rates that are not chosen yet.
  std::set<Training> trainings() const {
    std::set<Training> all;
    for (const Training& t : grid_.trials()) all.insert(t);
    for (const Cell& c : grid_.cells([](const GridRow& r) { return r.rates.front(); })) all.insert(c.training);
    return all;
  }

  // Memory, time and disk of each row, by sori plan.
  void plan() {
    const std::set<Training> all = trainings();
    log_.line(fmt::format("{}: {} trainings", grid_.title, all.size()));
    log_.line(fmt::format("{:<28}{:>12}{:>12}{:>8}{:>14}", "", "resident", "a step", "steps", "time"));
    double total = 0;
    std::uint64_t disk = 0, checkpoints = 0;
    bool timed = true;
    for (const GridRow& r : grid_.rows) {
      std::int64_t steps = 0, results = 0;
      for (const Training& t : all)
        if (t.row == r.name) {
          steps += t.steps;
          results += !is_full(t) || o_.keep_models || t.steps == grid_.tune_steps ? 1 : 0;
        }
      if (steps == 0) continue;
      const char* where = "sori plan";
      const std::optional<Json> planned = plan_of(r);
      if (!planned) continue;
      const Json& p = *planned;
      const Json &times = json_member(p, "times", where),
                 &memory = json_member(json_member(p, "chosen", where), "memory", where);
      const double step = times.is_null() ? 0 : json_get<double>(times, "seconds_per_step", where);
      const double seconds = step * static_cast<double>(steps);
      timed = timed && step > 0;
      total += seconds;
      disk += json_get<std::uint64_t>(p, "result_bytes", where) * static_cast<std::uint64_t>(results);
      checkpoints = std::max(checkpoints, json_get<std::uint64_t>(p, "checkpoint_bytes", where));
      log_.line(fmt::format("{:<28}{:>12}{:>12}{:>8}{:>14}", r.label,
                            format_bytes(json_get<std::uint64_t>(memory, "resident_bytes", where)),
                            timed ? format_seconds(step) : "?", steps, timed ? format_seconds(seconds) : "?"));
    }
    log_.line(timed ? fmt::format("about {} of training, and the evaluations", format_seconds(total))
                    : std::string("times: run sori bench once, which measures this machine"));
    // A new checkpoint is complete before an old one goes.
    log_.line("disk: at most " + format_bytes(disk + 2 * checkpoints * static_cast<std::uint64_t>(o_.jobs)));
  }

  // Nothing where it does not fit: its cells will fail, and say so.
  std::optional<Json> plan_of(const GridRow& r) {
    const Path json = planning_.path / "plan.json", log = planning_.path / "plan.log";
    const int code =
        run_child(plus({"plan", "--output-dir", "run", "--json", json.string()}, training_words({r.name, 1, 0, 0})),
                  {.log = log});
    if (code == 0) return read_json(json);
    const std::string reason = last_error(log, code);
    if (code != exit_code(ErrorKind::kMemory))
      throw Error{ErrorKind::kUsage, reason, "row " + r.name, "change this row"};
    log_.line(fmt::format("{}: {}", r.label, reason));
    return std::nullopt;
  }

  // The model as it comes.
  void untuned() {
    const Path folder = folder_ / "runs/untuned";
    Json result = known_result(folder, {{"model", model_hash_}});
    for (const std::string& split : report_splits(!grid_.further_splits.empty()))
      if (!has_score(result, split)) {
        log_.line("evaluating the untuned model on " + split);
        if (!judge_split(folder, {"--model", o_.model}, split, thread_count(), result)) throw failed(result, "untuned");
        write_file(folder / "result.json", to_text(result));
      }
    untuned_ = std::move(result);
  }

  std::vector<std::string> report_splits(bool further) const {
    std::vector<std::string> all{grid_.report_split};
    if (further) all.insert(all.end(), grid_.further_splits.begin(), grid_.further_splits.end());
    return all;
  }

  std::vector<Job> final_jobs() {
    std::vector<Job> jobs;
    for (const Cell& c : cells_) {
      if (c.training.learning_rate == 0 && !grid_.row(c.training.row).rates.empty()) {
        results_[c.training.name()] = {
            {"error", {{"exit_code", 1}, {"message", "none of its learning rates could be tried"}}}};
        continue;
      }
      auto job = std::ranges::find_if(jobs, [&](const Job& j) { return j.training == c.training; });
      if (job == jobs.end()) job = jobs.insert(job, {c.training, {}, true});
      for (const std::string& split : report_splits(c.further_splits)) job->splits.insert(split);
    }
    return jobs;
  }

  // As many at one time as are asked for; the first error of ours ends them all.
  void run_all(const std::vector<Job>& jobs) {
    const StopSignals signals;
    done_ = trained_ = 0;
    std::size_t next = 0;
    std::exception_ptr error;
    const auto start = Clock::now();
    const auto work = [&] {
      for (;;) {
        std::size_t mine = 0;
        {
          const std::lock_guard lock(mutex_);
          if (next == jobs.size() || error || signals.stop() || stopped_) return;
          mine = next++;
        }
        try {
          run(jobs[mine], [&] { return signals.stop(); });
          report(jobs, mine, seconds_since(start));
        } catch (...) {
          const std::lock_guard lock(mutex_);
          if (!error) error = std::current_exception();
        }
      }
    };
    {
      std::vector<std::jthread> workers;
      for (std::int64_t i = 1; i < std::min<std::int64_t>(o_.jobs, std::ssize(jobs)); ++i) workers.emplace_back(work);
      work();
    }
    if (error) std::rethrow_exception(error);
    if (signals.stop() || stopped_)
      throw Error{ErrorKind::kStopped, "stopped", folder_.string(), "go on with the same command"};
  }

  void report(const std::vector<Job>& jobs, std::size_t mine, double seconds) {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    ++done_;
    const std::string name = jobs[mine].training.name();
    const Json& result = results_.at(name);
    std::string score = "failed";
    if (!result.contains("error")) {
      const std::string& split = *jobs[mine].splits.begin();
      score = fmt::format("CER {:.2f} % on {}", 100 * result.at("scores").at(split).at("cer").get<double>(), split);
    }
    if (trained_ > 0) seconds_per_job_ = seconds / static_cast<double>(trained_);
    const double left = seconds_per_job_ * static_cast<double>(jobs.size() - done_);
    log_.line(fmt::format("{} of {}: {}: {}{}", done_, jobs.size(), name, score,
                          left > 0 ? fmt::format("; about {} left", format_seconds(left)) : ""));
    write_results();
  }

  bool has_score(const Json& result, const std::string& split) const {
    return result.contains("scores") && result.at("scores").contains(split);
  }

  // What a folder holds already. Error kUsage where it was made otherwise: results of two experiments are never mixed.
  Json known_result(const Path& folder, Json made_by) const {
    made_by["data"] = data_hash_;
    made_by["evaluate"] = grid_.evaluate;
    make_folder(folder);
    std::error_code code;
    Json result{{"made_by", made_by}};
    if (!std::filesystem::exists(folder / "result.json", code)) return result;
    Json found = read_json(folder / "result.json");
    if (json_get_or<Json>(found, "made_by", Json(), folder.string()) != made_by)
      throw Error{ErrorKind::kUsage, "holds a result that was made otherwise", folder.string(),
                  "remove this folder, or name another --output-dir"};
    if (o_.retry_failed && found.contains("error")) return result;
    return found;
  }

  void run(const Job& job, const std::function<bool()>& stop) {
    const std::string name = job.training.name();
    const Path folder = folder_ / "runs" / name;
    Json result = known_result(folder, {{"model", model_hash_}, {"train", options_of(job.training)}});
    const auto missing = [&] {
      return std::ranges::any_of(job.splits, [&](const std::string& s) { return !has_score(result, s); });
    };
    if (!result.contains("error") && missing()) {
      if (!result.contains("train") || !std::filesystem::exists(folder / "run/README.md"))
        train(job, folder, result, stop);
      for (const std::string& split : job.splits) {
        if (stopped_ || result.contains("error")) break;
        if (!has_score(result, split)) judge(job, folder, split, result, stop);
      }
      if (stopped_) return;
    }
    if (job.last && !o_.keep_models) drop_models(job.training);
    const std::lock_guard lock(mutex_);
    results_[name] = std::move(result);
  }

  void train(const Job& job, const Path& folder, Json& result, const std::function<bool()>& stop) {
    const Path json = folder / "train.json", out = folder / "run";
    const EnergyMeter meter;
    const bool anew = !std::filesystem::exists(out);
    const int code = child(plus({"train", "--output-dir", out.string(), "--resume", "--json", json.string()},
                                training_words(job.training)),
                           folder / "log.txt", stop);
    if (stopped_) return;
    if (code != 0) return fail(folder, code, result);
    const Json r = read_json(json);
    const std::string where = json.string();
    const auto seconds = json_get<std::vector<double>>(r, "step_seconds", where);
    const double median = json_get<double>(r, "seconds_per_step", where);
    double sum = 0;
    for (const double s : seconds) sum += s;
    // A run that was interrupted knows its last part alone.
    if (std::ssize(seconds) < job.training.steps) sum = median * static_cast<double>(job.training.steps);
    Json train{{"seconds", sum}, {"seconds_per_step", median}};
    const auto joules = meter.joules();
    train["energy_joules"] = joules && anew && o_.jobs == 1 ? Json(*joules) : Json();
    for (const char* key :
         {"planned_resident_bytes", "planned_private_bytes", "peak_resident_bytes", "peak_private_bytes"})
      train[key] = json_get<std::uint64_t>(r, key, where);
    train["compute"] = json_get<std::string>(r, "compute", where);
    result["train"] = std::move(train);
    result["curve"] = curve_of(out / "trainer_state.json");
    for (const auto& entry : std::filesystem::directory_iterator(out))
      if (entry.path().filename().string().starts_with("checkpoint-")) remove_tree(entry.path());
    write_file(folder / "result.json", to_text(result));
    const std::lock_guard lock(mutex_);
    ++trained_;
  }

  static Json curve_of(const Path& state) {
    const Json json = read_json(state);
    Json curve = Json::array();
    for (const Json& row : json_member(json, "log_history", state.string()))
      if (row.contains("loss"))
        curve.push_back(
            {{"step", row.at("step")}, {"loss", row.at("loss")}, {"learning_rate", row.at("learning_rate")}});
    return curve;
  }

  void judge(const Job& job, const Path& folder, const std::string& split, Json& result,
             const std::function<bool()>& stop) {
    const std::string run = (folder / "run").string();
    std::vector<std::string> who{"--model", run};
    if (!is_full(job.training))
      who = {"--model",   model_of(job.training),
             "--adapter", run,
             "--base",    options_of(job.training).value("base", "model")};
    if (judge_split(folder, who, split, threads(), result, stop)) write_file(folder / "result.json", to_text(result));
  }

  // False where it failed, which `result` then says, or was stopped.
  bool judge_split(const Path& folder, const std::vector<std::string>& who, const std::string& split, int threads,
                   Json& result, const std::function<bool()>& stop = {}) {
    const Path json = folder / (split + ".json"), predictions = folder / (split + ".jsonl");
    std::vector<std::string> words =
        plus({"evaluate", "--data", o_.data, "--split", split, "--json", json.string()}, who);
    words = plus(std::move(words), words_of(grid_.evaluate));
    const bool show = o_.show_text && split == grid_.report_split;
    if (show) words.insert(words.end(), {"--predictions", predictions.string()});
    const auto start = Clock::now();
    const int code = run_child(words, {.log = folder / "log.txt", .threads = threads, .stop = stop});
    if (code == exit_code(ErrorKind::kStopped) || (stop && stop())) {
      stopped_ = true;
      return false;
    }
    if (code != 0) {
      fail(folder, code, result);
      return false;
    }
    result["scores"][split] = score_of(read_json(json), json.string());
    if (split == grid_.report_split) result["evaluate_seconds"] = seconds_since(start);
    if (show) result["examples"] = examples_of(predictions);
    return true;
  }

  static Json score_of(const Json& r, const std::string& where) {
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
  static Json examples_of(const Path& predictions) {
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

  int child(const std::vector<std::string>& words, const Path& log, const std::function<bool()>& stop) {
    const int code = run_child(words, {.log = log, .threads = threads(), .stop = stop});
    if (code == exit_code(ErrorKind::kStopped) || stop()) stopped_ = true;
    return code;
  }

  int threads() const { return std::max(1, thread_count() / static_cast<int>(o_.jobs)); }

  // A failure is a result.
  void fail(const Path& folder, int code, Json& result) const {
    result["error"] = {{"exit_code", code}, {"message", last_error(folder / "log.txt", code)}};
    write_file(folder / "result.json", to_text(result));
  }

  Error failed(const Json& result, const std::string& what) const {
    return {ErrorKind::kInput, json_get<std::string>(result.at("error"), "message", what), what,
            "see log.txt in its folder"};
  }

  // Whole models take much of a disk; adapters stay.
  void drop_models(const Training& t) const {
    const Path run = folder_ / "runs" / t.name() / "run";
    if (is_full(t) && std::filesystem::exists(run)) remove_tree(run);
  }

  void write_results() { write_file(folder_ / "results.json", to_text(results_json())); }

  Json results_json() const {
    Json out{{"sori", SORI_VERSION},
             {"grid", {{"name", grid_.name}, {"title", grid_.title}, {"hash", grid_.hash}}},
             {"command", printable(o_.command)},
             {"date", today()}};
    const Machine machine = this_machine();
    out["machine"] = {{"cpu", machine.cpu}, {"threads", machine.threads}, {"library", machine.library}};
    out["model"] = {{"name", printable(Path(o_.model).lexically_normal().filename().string())}, {"hash", model_hash_}};
    out["data"] = {{"hash", data_hash_}, {"language", language_}, {"splits", splits_}};
    out["choose_split"] = grid_.choose_split, out["report_split"] = grid_.report_split;
    out["splits"] = report_splits(true);
    out["jobs"] = o_.jobs;
    Json scores = Json::object();
    if (untuned_.contains("scores"))
      for (const auto& [split, score] : untuned_.at("scores").items())
        scores[split] = with_interval(score, "untuned, " + split);
    out["untuned"] = {{"scores", scores}};
    const Json summary = summarise(grid_, cells_, results_);
    out["finished"] = summary.at("cells").size(), out["of"] = cells_.size();
    out.update(summary);
    return out;
  }

  static std::string today() {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    return fmt::format("{:04}-{:02}-{:02}", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday);
  }

  const GridExperiment& o_;
  Log& log_;
  Grid grid_;
  Path folder_;
  TemporaryFolder planning_;
  std::string data_hash_, language_, model_hash_;
  Json splits_ = Json::object(), untuned_;
  std::vector<Cell> cells_;
  std::mutex mutex_;  // of what follows
  TrainingResults results_;
  std::size_t done_ = 0, trained_ = 0;
  double seconds_per_job_ = 0;
  std::atomic<bool> stopped_ = false;
};

}  // namespace

void GridExperiment::describe(OptionTable& t) {
  const char* kGroup = "grids";
  t.path("model", model, "model folder that is tuned").also("model-name-or-path").group(kGroup);
  t.path("data", data, "data set made by sori prepare").also("dataset-name").group(kGroup);
  t.integer("jobs", jobs, "trainings at one time, which share the cores; each needs its own memory", 1, 64)
      .group(kGroup);
  t.flag("dry-run", dry_run, "say what each row will take, and end").group(kGroup);
  t.flag("show-text", show_text, "keep some transcripts of each cell, for sori report").group(kGroup);
  t.flag("keep-models", keep_models, "keep the weights of full fine-tuning too, not only adapters").group(kGroup);
  t.flag("retry-failed", retry_failed, "train again what failed before").group(kGroup);
}

Json GridExperiment::run(Log& log) const { return Experiment(*this, log).go(); }

}  // namespace sori
