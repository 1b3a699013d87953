// One training of an experiment and its evaluations: each is the program itself in a process of its own, and what they
// leave lies in a folder of their own, so that they can be stopped anywhere and nothing is made twice.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"

namespace sori {

// What holds for all of an experiment.
struct TrainingSettings {
  Path data;
  std::string data_hash;
  std::string report_split;        // whose time, and whose transcripts where they may be shown, are kept
  Json evaluate = Json::object();  // options of sori evaluate
  int threads = 0;                 // of each process
  std::uint64_t ram = 0;           // bytes that a training may take; 0: what the machine has
  bool measures_energy = false;    // nothing else runs beside
  Path english;                    // data set of English speech for guards; empty: none
  std::string english_hash;
  bool show_text = false, retry_failed = false;
  std::function<bool()> stop;
};

struct TunedModel {
  std::string path, hash;
};

// What is wanted of a training beside its weights.
struct Wanted {
  std::set<std::string> splits{};  // judged on
  // Quantised to, merged with its base where it is an adapter, and judged on report_split.
  std::set<std::string> formats{};
  bool guard = false;  // what it broke: guard.json

  void add(const Wanted& other) {
    splits.insert(other.splits.begin(), other.splits.end());
    formats.insert(other.formats.begin(), other.formats.end());
    guard = guard || other.guard;
  }
};

class TrainingRun {
 public:
  // Error kUsage where the folder holds a result that was made otherwise: two experiments are never mixed.
  // `options`: of sori train, but for data, folder and what is said here; none: the model as it comes.
  TrainingRun(const TrainingSettings& settings, Path folder, TunedModel model, Json options);

  // Trains, where that was not done, and makes of what is wanted that which is missing. False where it was stopped. A
  // failure is a result.
  bool go(const Wanted& wanted);
  // {"made_by", "train", "curve", "scores", "quantised", "evaluate_seconds", "examples"}, as far as it came, and
  // {"error"} where it failed, as result.json has it.
  const Json& result() const { return result_; }
  bool failed() const { return result_.contains("error"); }
  bool trained() const { return trained_; }  // by go(), just now
  // Whole models take much of a disk; adapters stay.
  void drop_model() const;
  Path guard_file() const { return folder_ / "guard.json"; }

 private:
  bool has(const char* kind, const std::string& name) const;
  bool missing(const Wanted& wanted) const;
  bool lacks_guard() const;
  bool whole_model() const;
  Path run() const { return folder_ / "run"; }
  int child(const std::vector<std::string>& words);
  void train();
  void judge(const std::string& split);
  void judge_quantised(const std::set<std::string>& formats);
  void guard();
  void add_adapter(std::vector<std::string>& words) const;
  std::vector<std::string> of_evaluation(const char* verb, const std::string& split, const Path& json) const;
  void fail(int code);
  void write() const;

  const TrainingSettings& settings_;
  Path folder_;
  TunedModel model_;
  Json options_, result_;
  std::uintmax_t said_before_ = 0;  // bytes of the log before the last child
  bool stopped_ = false, trained_ = false;
};

// "--name value" of each option, as the command line has it.
std::vector<std::string> words_of(const Json& options);

// Why the program failed that wrote this log from byte `from` on: its last line that says so.
std::string last_error(const Path& log, int code, std::uintmax_t from = 0);

}  // namespace sori
