#include "cli/stop.h"

#include <csignal>

#include "base/error.h"

namespace sori {
namespace {

volatile std::sig_atomic_t asked = 0;

void ask(int signal) {
  if (asked != 0) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);
  }
  asked = 1;
}

void listen(int signal, struct sigaction& before) {
  struct sigaction how {};
  how.sa_handler = ask;
  how.sa_flags = SA_RESTART;  // reads and writes go on
  require(::sigaction(signal, &how, &before) == 0, "a known signal can be handled");
}

}  // namespace

StopSignals::StopSignals() {
  asked = 0;
  listen(SIGINT, interrupt_);
  listen(SIGTERM, terminate_);
}

StopSignals::~StopSignals() {
  ::sigaction(SIGINT, &interrupt_, nullptr);
  ::sigaction(SIGTERM, &terminate_, nullptr);
}

bool StopSignals::stop() const { return asked != 0; }

}  // namespace sori
