#include "base/error.h"

#include "base/unicode.h"

namespace sori {

std::string Error::one_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  return printable(text);
}

}  // namespace sori
