// Cuts text where GPT-2's pattern does, without a regular expression (linear time, constant stack):
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
#pragma once

#include <string_view>
#include <vector>

namespace sori {

inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// The pieces in order; joined they are the text. `utf8` must be valid UTF-8.
std::vector<std::string_view> split_words(std::string_view utf8);

}  // namespace sori
