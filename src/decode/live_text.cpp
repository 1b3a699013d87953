#include "decode/live_text.h"

namespace sori {

LiveText::Line& LiveText::line(std::size_t window) {
  while (current_ + lines_.size() <= window) lines_.emplace_back(tokenizer_);
  return lines_[window - current_];
}

void LiveText::token(std::size_t window, int id) {
  Line& l = line(window);
  l.pending += l.stream.push(id);
  if (window == current_) show_what_is_next();
}

void LiveText::end(std::size_t window) {
  Line& l = line(window);
  l.pending += l.stream.flush();
  l.ended = true;
  show_what_is_next();
}

void LiveText::show_what_is_next() {
  while (!lines_.empty()) {
    Line& l = lines_.front();
    // Blanks wait until something follows them.
    if (const auto last = l.pending.find_last_not_of(' '); last != std::string::npos) {
      const auto first = line_shown_ ? 0 : l.pending.find_first_not_of(' ');
      if (shown_ && !line_shown_) show_(" ");
      show_(l.pending.substr(first, last + 1 - first));
      l.pending.erase(0, last + 1);
      shown_ = line_shown_ = true;
    }
    if (!l.ended) return;
    lines_.pop_front();
    ++current_;
    line_shown_ = false;
  }
}

}  // namespace sori
