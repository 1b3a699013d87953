// What `sori experiment` left in a folder: results.json and, where they lie beside it, memory.json and guard.json. The
// files are not trusted: Error kInput names the place of what is missing, of the wrong type or out of range. Rates are
// fractions; what was not measured is absent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"

namespace sori {

struct Estimate {
  std::optional<double> value{}, low{}, high{};  // low, high: 95 % interval
};

struct SplitScore {
  std::string split;
  Estimate cer;
  std::optional<double> cer_with_blanks{}, wer{};
};

struct MemoryUse {
  std::optional<std::uint64_t> planned_resident{}, peak_resident{}, planned_private{}, peak_private{};
};

struct CurvePoint {
  std::int64_t step = 0;
  std::optional<double> loss{}, learning_rate{};
};

struct ReadAloud {
  std::string id, said, heard;
  std::optional<double> cer{};
};

struct Failure {
  std::int64_t exit_code = 0;
  std::string message;
};

// One training run of the grid.
struct RunResult {
  std::string name, arm, row, label, method, base;
  std::int64_t steps = 0, seed = 0;
  std::optional<double> learning_rate{};
  std::vector<SplitScore> scores;
  std::vector<CurvePoint> curve;
  std::vector<ReadAloud> examples;
  std::optional<Failure> failure;
};

// What a format makes of errors when trained weights are quantised to it; ratio: after to before.
struct QuantisedScore {
  std::string format;
  std::int64_t seeds = 0;  // that were quantised
  std::optional<double> before{};
  Estimate cer, ratio;
};

// The runs of one arm, row and number of steps, over seeds.
struct GroupResult {
  std::string arm, row, label;
  std::int64_t steps = 0;
  std::vector<std::int64_t> seeds;
  std::vector<double> seed_cer;
  Estimate cer;
  std::optional<double> learning_rate{}, seconds{}, seconds_per_step{}, energy_joules{};
  MemoryUse memory;
  std::vector<QuantisedScore> quantised;
};

// Errors of a row for each error of another.
struct RatioResult {
  std::string arm, row, against, split;
  std::int64_t steps = 0;
  Estimate ratio;
};

// When a row is as good as the target; nothing where it never is.
struct ParityResult {
  std::string arm, row;
  std::optional<double> target_cer{}, seconds{}, energy_joules{};
  std::optional<std::int64_t> steps{};
};

struct Trial {
  std::string row;
  std::int64_t steps = 0, seed = 0;
  std::optional<double> learning_rate{}, cer{};
  bool chosen = false;
  std::optional<Failure> failure{};
};

struct StudyRow {
  std::string row;
  std::optional<std::uint64_t> gpu_bytes{};
  std::optional<double> cer{};
  std::optional<std::int64_t> cer_steps{};
};

struct SplitSize {
  std::string name;
  std::int64_t utterances = 0;
  std::optional<double> hours{};
};

// A row of `sori experiment memory`.
struct MemoryRow {
  std::string name, label, study_gpu;
  std::int64_t batch = 0;
  MemoryUse memory;
  std::optional<double> seconds_per_step{}, saving{};
};

struct MemoryResult {
  std::string size, compute;
  std::vector<MemoryRow> rows;
};

// What must not have become worse through tuning, as `sori guard` measured it.
struct CheckResult {
  std::string name, title, measure;
  std::string bound;  // "at most" or "at least" the limit
  std::optional<double> before{}, after{}, limit{};
  std::optional<double> taught{};  // share of the transcripts that models learn it from
  bool ok = false;
};

struct GuardResult {
  std::string model, adapter, tuned;  // an adapter, or a tuned model in place of it
  std::vector<CheckResult> checks;
  bool ok = false;
};

struct Fact {
  std::string name, value;
};

struct ExperimentResults {
  std::string version, grid, title, grid_hash, command, date, compute, model, model_hash, data_hash, language;
  std::vector<Fact> machine;
  std::string choose_split, report_split;
  std::vector<std::string> splits;
  std::vector<SplitSize> data;
  std::int64_t finished = 0, of = 0;
  std::optional<std::int64_t> jobs{};  // trainings at one time, which shared the machine
  std::vector<SplitScore> untuned;
  std::vector<RunResult> runs;
  std::vector<Trial> tuning;
  std::vector<GroupResult> groups;
  std::vector<RatioResult> ratios;
  std::vector<ParityResult> parity;
  std::vector<StudyRow> study;
  std::optional<MemoryResult> memory;
  std::optional<GuardResult> guard;

  // The first run of a row says what it trains; nothing where no run has that name.
  const RunResult* run_of(const std::string& row) const;
  std::string label_of(const std::string& row) const;  // the row's own name where nothing has a label for it
  // Highest of its groups; absent where none was measured.
  MemoryUse highest_memory(const std::string& row) const;
  bool is_full(const std::string& row) const;
  bool is_nf4(const std::string& row) const;
};

ExperimentResults read_results(const Path& folder);

}  // namespace sori
