// Where progress and log lines go: standard error, with a progress bar on a terminal and plain lines otherwise. Results
// go to standard output and are the business of cli/. Never carries transcript text. What cannot be written is lost: no
// work ends because nobody reads of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace sori {

class Log {
 public:
  explicit Log(std::FILE* out = stderr);
  void line(const std::string& text);  // a line of its own; clears the bar first
  // Shows done / total with the time left: redrawn in place on a terminal, otherwise a line at most every ten seconds,
  // or at once if `always`.
  void progress(const std::string& what, std::int64_t done, std::int64_t total, const std::string& detail = "",
                bool always = false);
  bool terminal() const { return terminal_; }

 private:
  void clear_bar();
  void write(const std::string& text);
  std::FILE* out_;
  bool terminal_, bar_ = false;
  std::string what_;
  std::int64_t done_ = 0, first_ = 0;  // of what_; first_: where it began, which is not 0 in a resumed run
  std::chrono::steady_clock::time_point start_, last_;
};

std::string format_bytes(std::uint64_t bytes);  // "1.35 GiB"
std::string format_seconds(double seconds);     // "1 h 02 min", "3 min 05 s", "4.2 s"

}  // namespace sori
