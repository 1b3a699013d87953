#include "data/split.h"

#include <charconv>

#include "base/error.h"
#include "base/hash.h"
#include "base/unicode.h"

namespace sori {

std::uint64_t sentence_key(std::string_view utf8) {
  std::string letters;
  for (const char32_t c : code_points(lower_case(nfc(utf8))))
    if (is_letter(c) || is_number(c) || is_mark(c)) append_utf8(letters, c);
  Sha256 hash;
  hash.add(letters);
  std::uint64_t key = 0;
  const auto digest = hash.digest();
  for (std::size_t i = 0; i < 8; ++i) key = key << 8 | digest[i];
  return key;
}

SplitRule SplitRule::parse(const std::string& percent) {
  SplitRule rule;
  const char* at = percent.data();
  const char* const end = at + percent.size();
  double sum = 0;
  bool good = true;
  for (std::size_t i = 0; i < 3 && good; ++i) {
    const auto [next, code] = std::from_chars(at, end, rule.percent_[i]);
    good = code == std::errc{} && rule.percent_[i] >= 0 && (i == 2 ? next == end : next != end && *next == ',');
    at = next + (i < 2);
    sum += rule.percent_[i];
  }
  if (!good || std::abs(sum - 100) > 1e-9)
    throw Error{ErrorKind::kUsage, "\"" + percent + "\" is not three percentages that make 100", "--split-percent",
                "give train, dev and eval, as 90,5,5"};
  return rule;
}

std::string_view SplitRule::split_of(std::uint64_t key) const {
  const double percent = static_cast<double>(key >> 11) * 0x1p-53 * 100;  // [0, 100)
  double below = 0;
  for (std::size_t i = 0; i < 2; ++i)
    if (percent < (below += percent_[i])) return kSplitNames[i];
  return percent_[2] > 0 ? kSplitNames[2] : percent_[1] > 0 ? kSplitNames[1] : kSplitNames[0];
}

bool is_split_name(std::string_view name) {
  const auto fits = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_'; };
  return !name.empty() && name.size() <= 64 && name != "rejected" && std::all_of(name.begin(), name.end(), fits);
}

}  // namespace sori
