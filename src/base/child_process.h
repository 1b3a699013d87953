// This program once more, in a process of its own: peaks, plans and failures are then those of one run.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/file.h"

namespace sori {

struct ChildSettings {
  Path log{};       // what it says on standard output and error is added here; empty: to standard error
  int threads = 0;  // it may use so many; 0: as this process
  // Looked at while it runs; once true, the child is asked to end (SIGTERM), as it is where this process is killed. It
  // is in a process group of its own: a second signal would end it at once.
  std::function<bool()> stop{};
};

// Waits for it. Its exit code, or 128 and the signal that ended it, as shells say it. Error kMemory where no process
// can be started, kIo where the log cannot be written. May be called from several threads.
int run_child(const std::vector<std::string>& words, const ChildSettings& settings = {});

// "was killed by signal 9", "ended with exit code 5".
std::string how_it_ended(int code);

}  // namespace sori
