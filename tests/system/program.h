// The built program in a process of its own: its words, exit code, and what it leaves.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/file.h"

namespace sori::test {

struct Ended {
  int code = -1, signal = 0;  // signal: that ended it; then there is no code
  std::string out, err;

  // Lines of standard error that say what failed. Every other line is progress.
  std::vector<std::string> errors() const {
    std::vector<std::string> lines;
    for (const std::string_view line : split_lines(err))
      if (line.starts_with("sori: ")) lines.emplace_back(line);
    return lines;
  }
};

// Where a program runs, and what it finds there.
struct Surroundings {
  Path folder;                          // its working folder; its words lie in out.txt and err.txt beside
  Path out, err;                        // instead of these two
  rlim_t largest_file = RLIM_INFINITY;  // bytes, as of a full disk
};

class Program {
 public:
  Program(const Surroundings& where, const std::vector<std::string>& words)
      : out_(where.out.empty() ? where.folder / "out.txt" : where.out),
        err_(where.err.empty() ? where.folder / "err.txt" : where.err) {
    std::vector<std::string> copies{SORI_BINARY};
    copies.insert(copies.end(), words.begin(), words.end());
    std::vector<char*> arguments;
    for (std::string& w : copies) arguments.push_back(w.data());
    arguments.push_back(nullptr);
    for (const Path& file : {out_, err_})
      if (std::filesystem::is_regular_file(file)) std::filesystem::remove(file);  // the words of the program before
    process_ = ::fork();
    require(process_ >= 0, "a process can be started");
    if (process_ > 0) return;
    const int out = ::open(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const int err = ::open(err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const rlimit limit{where.largest_file, where.largest_file};
    if (::chdir(where.folder.c_str()) != 0 || ::setrlimit(RLIMIT_FSIZE, &limit) != 0 || ::dup2(out, 1) < 0 ||
        ::dup2(err, 2) < 0)
      ::_exit(99);
    ::execv(SORI_BINARY, arguments.data());
    ::_exit(98);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t process() const { return process_; }
  void signal(int number) const { ::kill(process_, number); }

  // Until it has said this on standard error; false where it does not within a minute.
  bool said(const std::string& words) const {
    using namespace std::chrono_literals;
    for (const auto start = std::chrono::steady_clock::now(); std::chrono::steady_clock::now() - start < 60s;) {
      if (std::filesystem::exists(err_) && read_file(err_).find(words) != std::string::npos) return true;
      std::this_thread::sleep_for(1ms);
    }
    return false;
  }

  Ended end() {
    int status = 0;
    require(::waitpid(process_, &status, 0) == process_, "a child can be waited for");
    Ended e;
    (WIFEXITED(status) ? e.code : e.signal) = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    for (const auto& [path, text] : {std::pair(out_, &e.out), std::pair(err_, &e.err)})
      if (std::filesystem::is_regular_file(path)) *text = read_file(path);
    return e;
  }

 private:
  Path out_, err_;
  pid_t process_ = -1;
};

inline Ended run_program(const Surroundings& where, const std::vector<std::string>& words) {
  return Program(where, words).end();
}

}  // namespace sori::test
