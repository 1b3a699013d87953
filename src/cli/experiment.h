// What `sori experiment` can run: the study's memory table, and grids of trainings.
#pragma once

#include <string>
#include <vector>

#include "base/log.h"
#include "base/options.h"

namespace sori {

struct MemoryExperiment {
  std::string size = "large-v3", tokenizer, output_dir, compute = "bf16";
  std::vector<std::string> rows{"full", "lora", "int8", "nf4"}, batches{"1", "8"};
  std::int64_t steps = 3;
  bool keep_everything = false;

  void describe(OptionTable& t);
  Json run(Log& log) const;  // {"size", .., "rows": [..]}
};
std::string table_of_memory(const Json& result);

struct GridExperiment {
  std::string grid, model, data, output_dir, command, english;  // grid: a built-in one, or a TOML file
  std::int64_t jobs = 1;
  bool show_text = false, dry_run = false, keep_models = false, retry_failed = false;

  void describe(OptionTable& t);
  // What is in output_dir already is not made again. Error kStopped after a signal: the same command goes on.
  Json run(Log& log) const;  // as results.json
};

}  // namespace sori
