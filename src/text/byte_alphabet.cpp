#include "text/byte_alphabet.h"

#include <array>

#include "base/unicode.h"

namespace sori {
namespace {

constexpr char32_t kFirstExtra = 256;  // the bytes that cannot be printed take U+0100 and up, in their order
constexpr int kExtras = 33 + 34 + 1;   // 0x00-0x20, 0x7F-0xA0, 0xAD

constexpr bool printable(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<char32_t, 256> letter{};
  std::array<unsigned char, kExtras> extra{};
};

constexpr Alphabet make_alphabet() {
  Alphabet a;
  int extras = 0;
  for (int byte = 0; byte < 256; ++byte) {
    if (!printable(byte)) a.extra[extras] = static_cast<unsigned char>(byte);
    a.letter[byte] = printable(byte) ? static_cast<char32_t>(byte) : kFirstExtra + static_cast<char32_t>(extras++);
  }
  return a;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

char32_t spell_byte(unsigned char byte) { return kAlphabet.letter[byte]; }

std::optional<std::string> unspell_bytes(std::string_view spelled) {
  std::string bytes;
  for (const char32_t c : code_points(spelled)) {
    if (c < kFirstExtra && printable(static_cast<int>(c)))
      bytes += static_cast<char>(c);
    else if (c >= kFirstExtra && c < kFirstExtra + kExtras)
      bytes += static_cast<char>(kAlphabet.extra[c - kFirstExtra]);
    else
      return std::nullopt;
  }
  return bytes;
}

}  // namespace sori
