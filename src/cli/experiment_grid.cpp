// sori experiment GRID: chooses each row's learning rate on one split, trains every cell and judges it on another. Each
// training and each evaluation is the program itself in a process of its own; what each left lies in a folder of its
// own, so the experiment can be stopped anywhere and goes on with the same command.
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <set>
#include <thread>

#include "base/child_process.h"
#include "base/clock.h"
#include "base/process_memory.h"
#include "base/threads.h"
#include "base/unicode.h"
#include "cli/cli.h"
#include "cli/experiment.h"
#include "cli/judge.h"
#include "cli/machine_file.h"
#include "cli/run_file.h"
#include "cli/stop.h"
#include "cli/training_run.h"
#include "experiment/results.h"
#include "quant/file_format.h"
#include "train/options.h"

namespace sori {
namespace {

Grid open_grid(const std::string& name) {
  if (const BuiltInGrid* grid = find_built_in(name)) return parse_grid(grid->text, name, name);
  std::error_code code;
  if (std::filesystem::exists(name, code))
    return parse_grid(read_file(name, kMaxRunFile), Path(name).stem().string(), name);
  std::vector<std::string> known{"memory"};
  for (const BuiltInGrid& g : built_in_grids()) known.emplace_back(g.name);
  throw Error{ErrorKind::kUsage, fmt::format("\"{}\" is no experiment, and no file", name), "",
              fmt::format("name a TOML file, or one of {} (sori experiment --list)", fmt::join(known, ", "))};
}

// Named values, as strict as a run file is.
void fill(OptionTable& table, const Json& options, const std::string& where) {
  std::vector<std::pair<std::string, Json>> values;
  for (const auto& [name, value] : options.items()) values.emplace_back(name, value);
  fill_options(table, values, where);
}

// Where plans are written, gone at the end.
struct TemporaryFolder {
  Path path;
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "sori-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      throw Error{ErrorKind::kIo, "cannot be made", name, "set TMPDIR to a folder that can be written"};
    path = name;
  }
  ~TemporaryFolder() {
    std::error_code code;
    std::filesystem::remove_all(path, code);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
};

struct Job {
  Training training;
  Wanted wanted;
  bool last = false;  // nothing is wanted of its weights afterwards
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
    prepare();
    if (grid_.untuned) untuned();
    std::vector<Job> trials;
    for (const Training& t : grid_.trials()) trials.push_back({t, {.splits = {grid_.choose_split}}, false});
    run_all(trials);
    cells_ = grid_.cells([this](const GridRow& r) { return best_rate(grid_, r, results_); });
    run_all(final_jobs());
    show_guard();
    if (!o_.keep_models)
      for (const Training& t : grid_.trials()) run_of(t).drop_model();
    return write_results();
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
    hashes_[o_.model] = model_hash(model);
    choose_products(model);
    for (const GridRow& r : grid_.rows) {
      const std::string own = model_of(r);
      if (!hashes_.contains(own)) hashes_[own] = model_hash(open_model(own));
      TrainOptions options;
      OptionTable table;
      options.describe(table);
      fill(table, asked_of(r), fmt::format("grid {}: row {}", grid_.name, r.name));
      options.check();
    }
    for (const GridBlock& b : grid_.blocks)
      for (const std::string& format : b.then_quantize)
        if (!find_file_format(format))
          throw Error{ErrorKind::kUsage, fmt::format("\"{}\" is no format", format),
                      fmt::format("grid {}: then-quantize", grid_.name),
                      fmt::format("choose of {}", fmt::join(file_format_names(), ", "))};
    if (!o_.english.empty()) {
      const Dataset english = load_dataset(o_.english);
      if (english.language != "en")
        throw Error{ErrorKind::kUsage, fmt::format("is of language {}", english.language), "--english",
                    "name a data set of English speech (tools/make_guard.py)"};
      settings_.english = o_.english, settings_.english_hash = english.hash;
    }
    const std::string where = fmt::format("grid {}: evaluate", grid_.name);
    if (grid_.evaluate.contains("split"))
      throw Error{ErrorKind::kUsage, "\"split\" is said by choose-split, report-split and further-splits", where,
                  "leave it out"};
    JudgeOptions judge;
    OptionTable table;
    judge.describe_decoding(table);  // models, adapters and bases are the rows'
    SplitOptions split;
    split.describe(table);
    fill(table, grid_.evaluate, where);
  }

  // All cells multiply alike: what is chosen by a clock is chosen once, and kept.
  void choose_products(const ModelFolder& model) {
    if (grid_.train.contains("compute") && grid_.evaluate.contains("compute")) {
      compute_ = json_get<std::string>(grid_.train, "compute", fmt::format("grid {}: train", grid_.name));
      return;
    }
    std::string compute = "auto";
    if (const Path known = folder_ / "results.json"; std::filesystem::exists(known))
      compute = json_get_or<std::string>(read_json(known), "compute", compute, known.string());
    if (compute == "auto") compute = name_of(choose_compute(compute, model.base, model.model.config, log_));
    for (Json* options : {&grid_.train, &grid_.evaluate})
      if (!options->contains("compute")) (*options)["compute"] = compute;
    compute_ = compute;
  }

  // Of sori train, but for its model, data and folder.
  Json options_of(const Training& t) const {
    Json options = grid_.options_of(grid_.row(t.row));
    options["max-steps"] = t.steps;
    options["seed"] = t.seed;
    if (t.learning_rate > 0) options["learning-rate"] = t.learning_rate;
    return options;
  }
  bool is_full(const Training& t) const { return options_of(t).value("method", "lora") == "full"; }
  std::string model_of(const GridRow& r) const { return grid_.options_of(r).value("model", o_.model); }

  TrainingRun run_of(const Training& t) const {
    const std::string model = model_of(grid_.row(t.row));
    return {settings_, folder_ / "runs" / t.name(), {model, hashes_.at(model)}, options_of(t)};
  }

  // A training of this row, whatever its steps and rate.
  Json asked_of(const GridRow& r) const {
    Json options{{"model", o_.model}, {"data", o_.data}, {"output-dir", "run"}};
    options.update(options_of({r.name, 1, 0, 0}));
    return options;
  }

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
    const Path json = planning_.path / "plan.json", log = planning_.path / (r.name + ".log");
    Json asked = asked_of(r);
    if (const std::uint64_t share = memory_share(); share > 0 && !asked.contains("ram"))
      asked["ram"] = std::to_string(share);
    std::vector<std::string> words = words_of(asked);
    words.insert(words.begin(), {"plan", "--json", json.string()});
    const int code = run_child(words, {.log = log});
    if (code == 0) return read_json(json);
    const std::string reason = last_error(log, code);
    if (code != exit_code(ErrorKind::kMemory))
      throw Error{ErrorKind::kUsage, reason, "row " + r.name, "change this row"};
    log_.line(fmt::format("{}: {}", r.label, reason));
    return std::nullopt;
  }

  // Of each training that runs beside others; 0: all there is.
  std::uint64_t memory_share() const {
    return o_.jobs > 1 ? available_memory_ / static_cast<std::uint64_t>(o_.jobs) : 0;
  }

  // What holds for every training. Those that run side by side share cores and memory.
  void prepare() {
    settings_.data = o_.data;
    settings_.data_hash = data_hash_;
    settings_.report_split = grid_.report_split;
    settings_.evaluate = grid_.evaluate;
    settings_.threads = std::max(1, thread_count() / static_cast<int>(o_.jobs));
    settings_.ram = memory_share();
    settings_.measures_energy = o_.jobs == 1;
    settings_.show_text = o_.show_text, settings_.retry_failed = o_.retry_failed;
    settings_.stop = [this] { return signals_.stop(); };
  }

  // The model as it comes.
  void untuned() {
    log_.line("evaluating the untuned model");
    TrainingSettings alone = settings_;
    alone.threads = thread_count();
    TrainingRun run(alone, folder_ / "runs/untuned", {o_.model, hashes_.at(o_.model)}, Json::object());
    const std::vector<std::string> splits = report_splits(true);
    if (!run.go({.splits = {splits.begin(), splits.end()}})) throw stopped();
    if (run.failed())
      throw Error{ErrorKind::kInput, json_get<std::string>(run.result().at("error"), "message", "untuned"),
                  "the untuned model", "see log.txt in " + (folder_ / "runs/untuned").string()};
    untuned_ = run.result();
  }

  std::vector<std::string> report_splits(bool further) const {
    std::vector<std::string> all{grid_.report_split};
    if (further) all.insert(all.end(), grid_.further_splits.begin(), grid_.further_splits.end());
    return all;
  }

  // The cell that is asked what it broke: the grid's first of the guarded row after as many steps as the baseline.
  const Cell* guarded() const {
    const auto cell = std::ranges::find_if(cells_, [this](const Cell& c) {
      return c.training.row == grid_.guard && c.training.steps == grid_.baseline_steps;
    });
    return cell == cells_.end() ? nullptr : &*cell;
  }

  // Beside the results, where sori report looks for it.
  void show_guard() {
    if (const Cell* cell = guarded()) {
      const Path made = folder_ / "runs" / cell->training.name() / "guard.json";
      if (std::filesystem::exists(made)) write_file(folder_ / "guard.json", read_file(made));
    }
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
      const std::vector<std::string> splits = report_splits(c.further_splits);
      job->wanted.add({.splits = {splits.begin(), splits.end()},
                       .formats = {c.then_quantize.begin(), c.then_quantize.end()},
                       .guard = guarded() == &c});
    }
    return jobs;
  }

  // As many at one time as are asked for; the first error of ours ends them all.
  void run_all(const std::vector<Job>& jobs) {
    done_ = trained_ = 0;
    std::size_t next = 0;
    std::exception_ptr error;
    const auto start = Clock::now();
    const auto work = [&] {
      for (;;) {
        std::size_t mine = 0;
        {
          const std::lock_guard lock(mutex_);
          if (next == jobs.size() || error || signals_.stop()) return;
          mine = next++;
        }
        try {
          if (run(jobs[mine])) report(jobs, mine, seconds_since(start));
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
    if (signals_.stop()) throw stopped();
  }

  Error stopped() const { return {ErrorKind::kStopped, "stopped", folder_.string(), "go on with the same command"}; }

  void report(const std::vector<Job>& jobs, std::size_t mine, double seconds) {
    const std::lock_guard lock(mutex_);
    ++done_;
    const std::string name = jobs[mine].training.name();
    const Json& result = results_.at(name);
    std::string score = "failed";
    if (!result.contains("error")) {
      const std::string& split = *jobs[mine].wanted.splits.begin();
      score = fmt::format("CER {:.2f} % on {}", 100 * result.at("scores").at(split).at("cer").get<double>(), split);
    }
    if (trained_ > 0) seconds_per_job_ = seconds / static_cast<double>(trained_);
    const double left = seconds_per_job_ * static_cast<double>(jobs.size() - done_);
    log_.line(fmt::format("{} of {}: {}: {}{}", done_, jobs.size(), name, score,
                          left > 0 ? fmt::format("; about {} left", format_seconds(left)) : ""));
    write_results();
  }

  // False where it was stopped.
  bool run(const Job& job) {
    const Training& t = job.training;
    TrainingRun run = run_of(t);
    if (!run.go(job.wanted)) return false;
    if (job.last && !o_.keep_models) run.drop_model();
    const std::lock_guard lock(mutex_);
    results_[t.name()] = run.result();
    trained_ += run.trained() ? 1 : 0;
    return true;
  }

  Json write_results() {
    Json results = results_json();
    write_file(folder_ / "results.json", to_text(results));
    return results;
  }

  Json results_json() {
    Json out{{"sori", SORI_VERSION},
             {"grid", {{"name", grid_.name}, {"title", grid_.title}, {"hash", grid_.hash}}},
             {"command", printable(o_.command)},
             {"date", today()}};
    const Machine machine = this_machine();
    out["machine"] = {{"cpu", machine.cpu}, {"threads", machine.threads}, {"library", machine.library}};
    out["model"] = {{"name", printable(Path(o_.model).lexically_normal().filename().string())},
                    {"hash", hashes_.at(o_.model)}};
    out["data"] = {{"hash", data_hash_}, {"language", language_}, {"splits", splits_}};
    out["choose_split"] = grid_.choose_split, out["report_split"] = grid_.report_split;
    out["splits"] = report_splits(true);
    out["compute"] = compute_;
    out["jobs"] = o_.jobs;
    Json scores = Json::object();
    if (untuned_.contains("scores"))
      for (const auto& [split, score] : untuned_.at("scores").items())
        scores[split] = with_interval(score, "untuned, " + split, intervals_);
    out["untuned"] = {{"scores", scores}};
    const Json summary = summarise(grid_, cells_, results_, intervals_);
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
  const std::uint64_t available_memory_ = available_memory();  // when it began
  TrainingSettings settings_;
  StopSignals signals_;
  std::string data_hash_, language_, compute_;
  std::map<std::string, std::string> hashes_;  // of models, by their folders
  Json splits_ = Json::object(), untuned_;
  std::vector<Cell> cells_;
  std::mutex mutex_;  // of what follows
  TrainingResults results_;
  Intervals intervals_;
  std::size_t done_ = 0, trained_ = 0;
  double seconds_per_job_ = 0;
};

}  // namespace

void GridExperiment::describe(OptionTable& t) {
  const char* kGroup = "grids";
  t.path("model", model, "model folder that is tuned").also("model-name-or-path").group(kGroup);
  t.path("data", data, "data set made by sori prepare").also("dataset-name").group(kGroup);
  t.path("english", english, "data set of English speech, for a grid that guards a row (see sori guard)").group(kGroup);
  t.integer("jobs", jobs, "trainings at one time, which share the cores; each needs its own memory", 1, 64)
      .group(kGroup);
  t.flag("dry-run", dry_run, "say what each row will take, and end").group(kGroup);
  t.flag("show-text", show_text, "keep some transcripts of each cell, for sori report").group(kGroup);
  t.flag("keep-models", keep_models, "keep the weights of full fine-tuning too, not only adapters").group(kGroup);
  t.flag("retry-failed", retry_failed, "do again what failed before, and what follows it").group(kGroup);
}

Json GridExperiment::run(Log& log) const { return Experiment(*this, log).go(); }

}  // namespace sori
