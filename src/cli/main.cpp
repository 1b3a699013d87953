#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "cli/cli.h"

namespace {

// Threads that wait for each other should not spin: on a machine that does anything else, or runs two of these, every
// wait would take the time slice of who is waited for (measured on two cores with a busy neighbour: 41.7 s a step, and
// 4.9 s without spinning). libgomp reads its environment before main() begins, so the program starts itself anew.
void wait_without_spinning(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  if (::setenv("OMP_WAIT_POLICY", "passive", 0) == 0) ::execv("/proc/self/exe", argv);
  // Where that is not possible, it goes on as it is.
}

}  // namespace

int main(int argc, char** argv) {
  wait_without_spinning(argv);
  // A pipe that nobody reads, or a limit of a file's size, is a write that fails, not the end of the program.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  return sori::run({argv + 1, argv + argc});
}
