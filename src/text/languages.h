// The languages Whisper was trained on, with its codes (the token is "<|code|>") and English names.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace sori {

struct Language {
  std::string_view code, name;  // lower case
};

std::span<const Language> languages();  // 100: the 99 of the first release and Cantonese, which large-v3 added

// "ko", "korean" and "Korean" give "ko"; nothing for a language Whisper does not know.
std::optional<std::string_view> language_code(std::string_view name_or_code);
std::string_view language_name(std::string_view code);  // "korean"; the code itself when unknown

}  // namespace sori
