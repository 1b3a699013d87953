// The three kinds of failure: Error (the user's world is wrong), Bug (we are wrong), std::optional (expected absence).
// The library never prints and never exits: cli/main.cpp turns what is thrown into one line and one exit code.
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>

namespace sori {

// What went wrong decides the exit code, and nothing else does.
enum class ErrorKind {
  kUsage = 2,       // an option or argument
  kInput = 3,       // a file's content
  kIo = 4,          // reading or writing
  kMemory = 5,      // does not fit
  kNumeric = 6,     // NaN or infinity in weights, loss or gradients
  kLocked = 7,      // another process works in this run folder
  kCheckpoint = 8,  // a checkpoint exists but cannot be used
  kPolicy = 9,      // signature or policy
  kStopped = 75     // stopped by a signal, resumable
};

inline constexpr int kExitBug = 70;
inline int exit_code(ErrorKind kind) { return static_cast<int>(kind); }

// One clear line: what is wrong, where, and what to do about it. Never carries transcript text.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& what, const std::string& where, const std::string& remedy)
      : std::runtime_error(
            one_line((where.empty() ? "" : where + ": ") + what + (remedy.empty() ? "" : "; " + remedy))),
        kind_(kind),
        problem_(one_line((where.empty() ? "" : where + ": ") + what)) {}
  ErrorKind kind() const { return kind_; }
  // Where and what, for who knows a better remedy.
  const std::string& problem() const { return problem_; }

 private:
  // A hostile file's names must neither break the line nor steer a terminal, and a line may go into JSON: it is UTF-8.
  static std::string one_line(std::string text);

  ErrorKind kind_;
  std::string problem_;
};

// A broken rule of our own code.
class Bug : public std::logic_error {
 public:
  Bug(const char* rule, std::source_location at)
      : std::logic_error(std::string("rule broken: ") + rule + " (" + at.file_name() + ":" + std::to_string(at.line()) +
                         ", " + at.function_name() + ")") {}
};

inline void require(bool ok, const char* rule, std::source_location at = std::source_location::current()) {
  if (!ok) [[unlikely]]
    throw Bug{rule, at};
}

}  // namespace sori
