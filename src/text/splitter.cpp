#include "text/splitter.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <array>

#include "base/unicode.h"

namespace sori {
namespace {

enum class Kind : char { kLetter, kNumber, kSpace, kOther };

struct Range {
  char32_t first, last;
  Kind kind;
};

// Letters and numbers of Unicode 15.1 and 16.0, which the reference knows and an older ICU does not.
constexpr std::array kNewer{Range{0x1C89, 0x1C8A, Kind::kLetter},   Range{0xA7CB, 0xA7CD, Kind::kLetter},
                            Range{0xA7DA, 0xA7DC, Kind::kLetter},   Range{0x105C0, 0x105F3, Kind::kLetter},
                            Range{0x10D40, 0x10D49, Kind::kNumber}, Range{0x10D4A, 0x10D65, Kind::kLetter},
                            Range{0x10D6F, 0x10D85, Kind::kLetter}, Range{0x10EC2, 0x10EC4, Kind::kLetter},
                            Range{0x11380, 0x11389, Kind::kLetter}, Range{0x1138B, 0x1138B, Kind::kLetter},
                            Range{0x1138E, 0x1138E, Kind::kLetter}, Range{0x11390, 0x113B5, Kind::kLetter},
                            Range{0x113B7, 0x113B7, Kind::kLetter}, Range{0x113D1, 0x113D1, Kind::kLetter},
                            Range{0x113D3, 0x113D3, Kind::kLetter}, Range{0x116D0, 0x116E3, Kind::kNumber},
                            Range{0x11BC0, 0x11BE0, Kind::kLetter}, Range{0x11BF0, 0x11BF9, Kind::kNumber},
                            Range{0x13460, 0x143FA, Kind::kLetter}, Range{0x16100, 0x1611D, Kind::kLetter},
                            Range{0x16130, 0x16139, Kind::kNumber}, Range{0x16D40, 0x16D6C, Kind::kLetter},
                            Range{0x16D70, 0x16D79, Kind::kNumber}, Range{0x18CFF, 0x18CFF, Kind::kLetter},
                            Range{0x1CCF0, 0x1CCF9, Kind::kNumber}, Range{0x1E5D0, 0x1E5ED, Kind::kLetter},
                            Range{0x1E5F0, 0x1E5F0, Kind::kLetter}, Range{0x1E5F1, 0x1E5FA, Kind::kNumber},
                            Range{0x2EBF0, 0x2EE5D, Kind::kLetter}};

Kind kind_of(char32_t c) {
  if (is_letter(c)) return Kind::kLetter;
  if (is_number(c)) return Kind::kNumber;
  if (is_space(c)) return Kind::kSpace;
  const auto* const newer = std::ranges::lower_bound(kNewer, c, {}, &Range::last);
  return newer != kNewer.end() && newer->first <= c ? newer->kind : Kind::kOther;
}

struct Point {
  char32_t c;
  Kind kind;
  std::size_t end;  // offset of the byte after it
};

Point read_point(std::string_view text, std::size_t at) {
  UChar32 c = 0;
  U8_NEXT_OR_FFFD(text.data(), at, text.size(), c);
  return {static_cast<char32_t>(c), kind_of(static_cast<char32_t>(c)), at};
}

// 's 't 'm 'd 're 've 'll, lower case only.
std::size_t contraction_size(std::string_view text) {
  if (text.size() < 2 || text[0] != '\'') return 0;
  if (std::string_view("stmd").find(text[1]) != std::string_view::npos) return 2;
  const std::string_view two = text.substr(1, 2);
  return two == "re" || two == "ve" || two == "ll" ? 3 : 0;
}

std::size_t run_end(std::string_view text, const Point& first) {
  std::size_t end = first.end;
  while (end < text.size()) {
    const Point next = read_point(text, end);
    if (next.kind != first.kind) break;
    end = next.end;
  }
  return end;
}

// \s+(?!\S)|\s+ : the last blank of a run is left to the word behind it, unless it is the only one.
std::size_t blanks_end(std::string_view text, const Point& first) {
  std::size_t end = first.end, before_last = first.end;
  while (end < text.size()) {
    const Point next = read_point(text, end);
    if (next.kind != Kind::kSpace) return before_last;
    before_last = end;
    end = next.end;
  }
  return end;
}

std::size_t word_end(std::string_view text, std::size_t begin) {
  if (const std::size_t size = contraction_size(text.substr(begin))) return begin + size;
  const Point first = read_point(text, begin);
  if (first.kind != Kind::kSpace) return run_end(text, first);
  if (first.c == U' ' && first.end < text.size()) {
    const Point second = read_point(text, first.end);
    if (second.kind != Kind::kSpace) return run_end(text, second);
  }
  return blanks_end(text, first);
}

}  // namespace

std::vector<std::string_view> split_words(std::string_view utf8) {
  std::vector<std::string_view> words;
  for (std::size_t begin = 0; begin < utf8.size();) {
    const std::size_t end = word_end(utf8, begin);
    words.push_back(utf8.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

}  // namespace sori
