// A run of sori train as a TOML file: options under their own names, which sori plan writes and people edit.
#pragma once

#include "base/options.h"

namespace sori {

inline constexpr std::size_t kMaxRunFile = std::size_t{1} << 20;

// Fills what the command line left open. Error kInput for what is no TOML, with its line; kUsage for keys that are no
// options, with the nearest name, and for values that their option does not take.
void read_run_file(OptionTable& table, const Path& path);

// An option as a run file says it; the value is none where it has to be filled in.
struct Setting {
  const Option* option = nullptr;
  Json value;
};

// Each setting with its option's help; the comment's lines stand above.
std::string run_file_text(const std::vector<Setting>& settings, const std::vector<std::string>& comment);

}  // namespace sori
