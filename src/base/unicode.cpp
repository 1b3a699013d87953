#include "base/unicode.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/ucnv.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include "base/error.h"

namespace sori {
namespace {

std::string from_icu(const icu::UnicodeString& s) {
  std::string out;
  s.toUTF8String(out);
  return out;
}

int32_t length_of(std::string_view s) {
  require(s.size() <= INT32_MAX / 4, "a text fits ICU's 32-bit lengths");
  return static_cast<int32_t>(s.size());
}

icu::UnicodeString to_icu(std::string_view s) {
  return icu::UnicodeString::fromUTF8(icu::StringPiece(s.data(), length_of(s)));
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  const auto size = length_of(bytes);
  for (int32_t i = 0; i < size;) {
    UChar32 c = 0;
    U8_NEXT(bytes.data(), i, size, c);
    if (c < 0) return false;
  }
  return true;
}

std::vector<char32_t> code_points(std::string_view utf8) {
  std::vector<char32_t> out;
  out.reserve(utf8.size());
  const auto size = length_of(utf8);
  for (int32_t i = 0; i < size;) {
    UChar32 c = 0;
    U8_NEXT_OR_FFFD(utf8.data(), i, size, c);
    out.push_back(static_cast<char32_t>(c));
  }
  return out;
}

void append_utf8(std::string& out, char32_t point) {
  char buffer[U8_MAX_LENGTH];
  int32_t n = 0;
  if (point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) point = 0xFFFD;  // not a character
  U8_APPEND_UNSAFE(buffer, n, static_cast<UChar32>(point));
  out.append(buffer, static_cast<std::size_t>(n));
}

std::string to_utf8(const std::vector<char32_t>& points) {
  std::string out;
  for (const char32_t c : points) append_utf8(out, c);
  return out;
}

std::string nfc(std::string_view utf8) {
  UErrorCode code = U_ZERO_ERROR;
  const icu::Normalizer2* form = icu::Normalizer2::getNFCInstance(code);
  require(U_SUCCESS(code), "ICU has its NFC data");
  const icu::UnicodeString out = form->normalize(to_icu(utf8), code);
  require(U_SUCCESS(code), "NFC of a string succeeds");
  return from_icu(out);
}

std::string lower_case(std::string_view utf8) { return from_icu(to_icu(utf8).toLower(icu::Locale::getRoot())); }

bool is_letter(char32_t c) { return (U_GET_GC_MASK(static_cast<UChar32>(c)) & U_GC_L_MASK) != 0; }
bool is_number(char32_t c) { return (U_GET_GC_MASK(static_cast<UChar32>(c)) & U_GC_N_MASK) != 0; }
bool is_mark(char32_t c) { return (U_GET_GC_MASK(static_cast<UChar32>(c)) & U_GC_M_MASK) != 0; }
bool is_space(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)); }
bool is_hangul(char32_t c) { return c >= 0xAC00 && c <= 0xD7A3; }
bool is_control(char32_t c) {
  return (c < 0x20 && !is_space(c)) || (c >= 0x7F && c < 0xA0 && !is_space(c)) || c == 0xFFFE || c == 0xFFFF;
}

std::string printable(std::string_view bytes) {
  std::string out;
  for (const char32_t c : code_points(bytes)) append_utf8(out, is_control(c) || c < 0x20 ? char32_t{0xFFFD} : c);
  return out;
}

std::optional<std::string> cp949_to_utf8(std::string_view bytes) {
  UErrorCode code = U_ZERO_ERROR;
  UConverter* converter = ucnv_open("windows-949", &code);
  require(U_SUCCESS(code), "ICU has windows-949");
  ucnv_setToUCallBack(converter, UCNV_TO_U_CALLBACK_STOP, nullptr, nullptr, nullptr, &code);
  const int32_t size = length_of(bytes);
  std::vector<UChar> wide(bytes.size() + 1);
  const int32_t n = ucnv_toUChars(converter, wide.data(), size + 1, bytes.data(), size, &code);
  ucnv_close(converter);
  if (U_FAILURE(code)) return std::nullopt;
  for (int32_t i = 0; i < n; ++i)
    if (wide[i] == 0x80 || wide[i] == 0xF8F7 || (wide[i] >= 0xE000 && wide[i] <= 0xE0BB)) return std::nullopt;
  return from_icu(icu::UnicodeString(wide.data(), n));
}

}  // namespace sori
