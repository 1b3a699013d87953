#include "text/korean.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/unicode.h"

namespace sori {
namespace {

using Text = std::u32string;
using View = std::u32string_view;

enum class Side { kSpelling, kPronunciation };

// Files whose % outside a pair is read 프로; in all others known it is read 퍼센트.
constexpr std::array kReadPro{501006, 502173, 542363};

constexpr View kBoundaryMarks = U".,?!\u2026";        // leave a blank, unless they belong to a number
constexpr View kDeletedMarks = U"/+*-@$^&=:;[]~\"'";  // leave nothing

bool ascii_digit(char32_t c) { return c >= U'0' && c <= U'9'; }
bool ascii_letter(char32_t c) { return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z'); }
bool latin_letter(char32_t c) {
  const bool full_width = (c >= 0xFF21 && c <= 0xFF3A) || (c >= 0xFF41 && c <= 0xFF5A);
  return full_width || (c < 0x250 && is_letter(c));  // up to Latin Extended-B
}

char32_t at(View text, std::size_t i) { return i < text.size() ? text[i] : U'\0'; }
std::size_t skip_blanks(View text, std::size_t i) {
  while (at(text, i) == U' ') ++i;
  return i;
}

Text from_utf8(std::string_view utf8) {
  const std::vector<char32_t> points = code_points(nfc(utf8));
  return {points.begin(), points.end()};
}

// NFC, blanks of every kind and number as one, none at the ends, no byte order mark anywhere.
Text tidy(std::string_view utf8) {
  Text out;
  for (const char32_t c : from_utf8(utf8)) {
    if (c == 0xFEFF) continue;
    const char32_t kept = is_space(c) ? U' ' : c;
    if (kept != U' ' || (!out.empty() && out.back() != U' ')) out += kept;
  }
  if (!out.empty() && out.back() == U' ') out.pop_back();
  return out;
}

// "(...)" without parentheses inside, starting at `begin`; gives the offset behind it.
std::optional<std::size_t> group_end(View text, std::size_t begin) {
  if (at(text, begin) != U'(') return std::nullopt;
  const std::size_t close = text.find_first_of(U"()", begin + 1);
  if (close == View::npos || text[close] != U')') return std::nullopt;
  return close + 1;
}

struct Pair {
  View left, right;
  std::size_t end;
  bool strict;  // joined by "/" alone
};

// Where the second group may begin: behind "/" with blanks round it, behind one mistyped mark, or at once.
std::size_t second_group(View text, std::size_t end_of_first) {
  const std::size_t slash = skip_blanks(text, end_of_first);
  if (at(text, slash) == U'/') return skip_blanks(text, slash + 1);
  const char32_t next = at(text, end_of_first);
  return end_of_first + (next != U'\0' && View(U"?!:.;").find(next) != View::npos ? 1 : 0);
}

std::optional<Pair> pair_at(View text, std::size_t begin) {
  const auto first_end = group_end(text, begin);
  if (!first_end) return std::nullopt;
  const std::size_t second = second_group(text, *first_end);
  const auto end = group_end(text, second);
  if (!end) return std::nullopt;
  return Pair{text.substr(begin + 1, *first_end - begin - 2), text.substr(second + 1, *end - second - 2), *end,
              second == *first_end + 1 && text[*first_end] == U'/'};
}

bool blank(View text) { return skip_blanks(text, 0) == text.size(); }

Text choose_side(View text, Side side, bool& malformed) {
  Text out;
  for (std::size_t i = 0; i < text.size();) {
    const auto pair = pair_at(text, i);
    if (!pair) {
      malformed = malformed || text[i] == U'(' || text[i] == U')';
      out += text[i++];
      continue;
    }
    const View wanted = side == Side::kSpelling ? pair->left : pair->right;
    const View other = side == Side::kSpelling ? pair->right : pair->left;
    malformed = malformed || !pair->strict || blank(pair->left) || blank(pair->right);
    out += blank(wanted) ? other : wanted;
    i = pair->end;
  }
  return out;
}

// b/ l/ o/ n/ u/ (breath, laugh, another speaker, noise, unintelligible), unless the letter ends a Latin word.
Text drop_labels(View text, bool& unknown) {
  Text out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t slash = i + (at(text, i + 1) == U' ' ? 2 : 1);
    const bool label =
        View(U"blonu").find(text[i]) != View::npos && (i == 0 || !ascii_letter(text[i - 1])) && at(text, slash) == U'/';
    unknown = unknown || (label && text[i] == U'u');
    out += label ? U' ' : text[i];
    if (label) i = slash;
  }
  return out;
}

Text drop_marks(View text, Side side, View percent) {
  Text out;
  for (const char32_t c : text) {
    if (kDeletedMarks.find(c) != View::npos) continue;
    if (c == U'%' && side == Side::kPronunciation)
      out += percent;
    else if (c == U'#' && side == Side::kPronunciation)
      out += U"샾";
    else
      out += c == U'(' || c == U')' ? U' ' : c;
  }
  return out;
}

// A comma before exactly three digits, as in 1,000.
bool thousands_comma(View text, std::size_t i) {
  std::size_t digits = 0;
  while (ascii_digit(at(text, i + 1 + digits))) ++digits;
  return text[i] == U',' && i > 0 && ascii_digit(text[i - 1]) && digits == 3;
}

bool decimal_point(View text, std::size_t i) {
  return text[i] == U'.' && i > 0 && ascii_digit(text[i - 1]) && ascii_digit(at(text, i + 1));
}

Text drop_punctuation(View text) {
  Text out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (thousands_comma(text, i)) continue;
    const bool mark = kBoundaryMarks.find(text[i]) != View::npos && !decimal_point(text, i);
    out += mark ? U' ' : text[i];
  }
  return out;
}

}  // namespace

KsponTranscript parse_ksponspeech(std::string_view utf8_line, int file_number) {
  KsponTranscript t;
  const Text line = tidy(utf8_line);
  const View percent = std::ranges::find(kReadPro, file_number) != kReadPro.end() ? U"프로" : U"퍼센트";
  const auto text_of = [&](Side side) {
    const Text spoken = drop_labels(choose_side(line, side, t.malformed), t.unknown);
    const Text bare = drop_punctuation(drop_marks(spoken, side, percent));
    return tidy(to_utf8({bare.begin(), bare.end()}));  // what stood apart may compose now
  };
  const Text spelling = text_of(Side::kSpelling), pronunciation = text_of(Side::kPronunciation);
  t.digit = std::ranges::any_of(pronunciation, is_number);
  t.latin = std::ranges::any_of(pronunciation, latin_letter);
  t.empty = spelling.empty() || pronunciation.empty();
  t.spelling = to_utf8({spelling.begin(), spelling.end()});
  t.pronunciation = to_utf8({pronunciation.begin(), pronunciation.end()});
  return t;
}

}  // namespace sori
