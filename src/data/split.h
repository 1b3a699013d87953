// Which split an utterance belongs to when its corpus does not say: a function of what is said, so that the same
// sentence never stands in two splits, whoever reads it and in whatever order.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace sori {

// A number for a sentence: letters and digits in lower case, so that blanks and marks make no difference.
std::uint64_t sentence_key(std::string_view utf8);

class SplitRule {
 public:
  // "90,5,5": percent for train, dev and eval, 100 together. Error kUsage otherwise.
  static SplitRule parse(const std::string& percent);
  std::string_view split_of(std::uint64_t key) const;

 private:
  std::array<double, 3> percent_{};
};

inline constexpr std::string_view kSplitNames[] = {"train", "dev", "eval"};

// A name that files can carry: letters, digits, - and _, at most 64; not that of the rejected ones.
bool is_split_name(std::string_view name);

}  // namespace sori
