// Bytes of transcripts to UTF-8. A corpus is written in one encoding per kind of file, so the encoding is decided once,
// from a sample: deciding file by file is wrong, because the CP949 bytes of 345 syllables are valid UTF-8 too (C2 AF is
// one of them).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace sori {

inline constexpr std::size_t kMaxTranscriptBytes = std::size_t{64} << 10;

enum class Encoding { kUtf8, kCp949 };
std::string_view name_of(Encoding encoding);

struct EncodingChoice {
  Encoding encoding = Encoding::kUtf8;
  std::size_t sampled = 0;          // pieces looked at that are not plain ASCII
  std::size_t utf8 = 0, cp949 = 0;  // how many of those are valid in each
  Json record() const;              // for dataset.json and the screen
};

// The encoding in which more of up to 1,000 evenly spaced pieces are valid; `otherwise` when they tell nothing.
EncodingChoice choose_encoding(std::size_t pieces, const std::function<std::string_view(std::size_t)>& piece,
                               Encoding otherwise);

struct DecodedText {
  std::string text;             // UTF-8, byte order mark removed
  bool other_encoding = false;  // invalid in the chosen encoding and valid in the other
};
std::optional<DecodedText> decode_text(std::string_view bytes, Encoding chosen);

// White space becomes single blanks, ends are trimmed, NFC.
std::string plain_text(std::string_view utf8);
// C0 and C1 control characters other than white space, and U+FFFE, U+FFFF: no transcript has them.
bool has_control(std::string_view utf8);

}  // namespace sori
