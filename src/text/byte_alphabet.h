// GPT-2 spells a byte as one printable character, so that any bytes can stand in a JSON vocabulary ("Ġ" is a blank).
// Reference: bytes_to_unicode() of the GPT-2 encoder.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sori {

char32_t spell_byte(unsigned char byte);

// "Ġa" -> " a"; nothing when a character is not in the alphabet.
std::optional<std::string> unspell_bytes(std::string_view spelled);

}  // namespace sori
