#include "base/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "base/error.h"

namespace sori {
namespace {

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> all;
  for (std::string& w : words) all.push_back(w.data());
  all.push_back(nullptr);
  return all;
}

std::vector<std::string> environment(int threads) {
  std::vector<std::string> all;
  for (char** e = environ; *e != nullptr; ++e)
    if (threads == 0 || !std::string_view(*e).starts_with("OMP_NUM_THREADS=")) all.emplace_back(*e);
  if (threads > 0) all.push_back(fmt::format("OMP_NUM_THREADS={}", threads));
  return all;
}

class Descriptor {
 public:
  explicit Descriptor(const Path& log)
      : number_(log.empty() ? STDERR_FILENO : ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
    if (number_ < 0) throw Error{ErrorKind::kIo, "cannot be written", log.string(), "check its folder"};
  }
  ~Descriptor() {
    if (number_ != STDERR_FILENO) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

int wait_for(pid_t child, const std::function<bool()>& stop) {
  int status = 0;
  for (bool asked = false;;) {
    const pid_t ended = ::waitpid(child, &status, stop ? WNOHANG : 0);
    require(ended == child || ended == 0 || errno == EINTR, "a child that was started can be waited for");
    if (ended == child) break;
    if (!asked && stop && stop()) asked = ::kill(child, SIGTERM) == 0;
    if (stop) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

int run_child(const std::vector<std::string>& words, const ChildSettings& settings) {
  std::vector<std::string> program{"sori"}, variables = environment(settings.threads);
  program.insert(program.end(), words.begin(), words.end());
  const std::vector<char*> arguments = pointers(program), environ_of_child = pointers(variables);
  const Descriptor out(settings.log);
  const pid_t parent = ::getpid(), child = ::fork();
  if (child < 0)
    throw Error{ErrorKind::kMemory, "another process cannot be started", "sori " + words.at(0), "close other programs"};
  if (child == 0) {  // nothing here may allocate: another thread may have held the heap's lock
    // A terminal's Ctrl-C reaches the parent alone, which asks once; a parent that is gone asks by its end.
    if (settings.stop && (::setpgid(0, 0) != 0 || ::prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || ::getppid() != parent))
      ::_exit(kExitBug);
    if (::dup2(out.number(), STDOUT_FILENO) >= 0 && ::dup2(out.number(), STDERR_FILENO) >= 0)
      ::execve("/proc/self/exe", arguments.data(), environ_of_child.data());
    ::_exit(kExitBug);
  }
  return wait_for(child, settings.stop);
}

std::string how_it_ended(int code) {
  return code > 128 ? fmt::format("was killed by signal {}", code - 128) : fmt::format("ended with exit code {}", code);
}

}  // namespace sori
