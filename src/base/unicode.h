// UTF-8 and the few Unicode properties we need, over ICU.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sori {

bool is_utf8(std::string_view bytes);                      // strict: no surrogates, no overlong forms
std::vector<char32_t> code_points(std::string_view utf8);  // each invalid sequence becomes U+FFFD, as in Python
std::string to_utf8(const std::vector<char32_t>& points);
void append_utf8(std::string& out, char32_t point);

std::string nfc(std::string_view utf8);         // Unicode normalisation form C
std::string lower_case(std::string_view utf8);  // locale-independent

bool is_letter(char32_t c);  // categories L*
bool is_number(char32_t c);  // categories N*
bool is_mark(char32_t c);    // categories M*
bool is_space(char32_t c);   // White_Space
bool is_hangul(char32_t c);  // a composed syllable, U+AC00 - U+D7A3
// C0 and C1 control characters other than white space, and U+FFFE, U+FFFF.
bool is_control(char32_t c);

// A name or path for messages, ids and JSON: valid UTF-8 without control characters, whatever the bytes are.
std::string printable(std::string_view bytes);

// Strict CP949 (Microsoft's windows-949), without what Python's cp949 refuses too: U+0080, U+F8F7, U+E000 - U+E0BB.
std::optional<std::string> cp949_to_utf8(std::string_view bytes);

}  // namespace sori
