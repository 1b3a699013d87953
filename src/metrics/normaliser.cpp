#include "metrics/normaliser.h"

#include "base/unicode.h"

namespace sori {
namespace {

std::string normalise(std::string_view utf8, bool keep_blanks) {
  std::string out;
  bool after_letter = false, blank_due = false;
  for (const char32_t c : code_points(nfc(lower_case(nfc(utf8))))) {
    const bool mark = after_letter && is_mark(c);
    after_letter = is_letter(c) || mark;
    if (is_space(c)) blank_due = keep_blanks && !out.empty();
    if (!after_letter && !is_number(c)) continue;
    if (std::exchange(blank_due, false)) out += ' ';
    append_utf8(out, c);
  }
  return out;
}

}  // namespace

std::string normalise_for_cer(std::string_view utf8) { return normalise(utf8, false); }
std::string normalise_for_wer(std::string_view utf8) { return normalise(utf8, true); }

}  // namespace sori
