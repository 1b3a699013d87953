// Text of several windows that are written at the same time, shown in their order and piece by piece.
#pragma once

#include <deque>
#include <functional>
#include <string>

#include "text/tokenizer.h"

namespace sori {

// The pieces shown, joined, are the windows' texts without blanks at their ends, joined with one blank.
class LiveText {
 public:
  LiveText(const Tokenizer& tokenizer, std::function<void(const std::string&)> show)
      : tokenizer_(tokenizer), show_(std::move(show)) {}

  void token(std::size_t window, int id);
  void end(std::size_t window);  // no more tokens of it

 private:
  struct Line {
    explicit Line(const Tokenizer& t) : stream(t) {}
    TextStream stream;
    std::string pending;  // not shown yet
    bool ended = false;
  };
  Line& line(std::size_t window);
  void show_what_is_next();

  const Tokenizer& tokenizer_;
  std::function<void(const std::string&)> show_;
  std::size_t current_ = 0;  // the window that is being shown
  std::deque<Line> lines_;   // from that one on
  bool shown_ = false;       // anything at all
  bool line_shown_ = false;  // anything of the current window
};

}  // namespace sori
