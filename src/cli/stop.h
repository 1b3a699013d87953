// Stopping by a signal: SIGINT and SIGTERM ask a run to end where it can go on later; a second one ends the program at
// once, as without this.
#pragma once

#include <signal.h>

namespace sori {

// Listens for the life of the object. One at a time: the flag that a handler may set is a process's, not an object's.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  bool stop() const;  // true from the first signal on

 private:
  struct sigaction interrupt_ {
  }, terminate_{};  // as they were before
};

}  // namespace sori
