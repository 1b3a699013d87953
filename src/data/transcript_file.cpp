#include "data/transcript_file.h"

#include "base/unicode.h"

namespace sori {
namespace {

constexpr std::size_t kSample = 1000;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_ascii(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::optional<std::string> decode_as(std::string_view bytes, Encoding encoding) {
  if (encoding == Encoding::kCp949) return cp949_to_utf8(bytes);
  return is_utf8(bytes) ? std::optional(std::string(bytes)) : std::nullopt;
}

}  // namespace

std::string_view name_of(Encoding encoding) { return encoding == Encoding::kUtf8 ? "UTF-8" : "CP949"; }

Json EncodingChoice::record() const {
  return {{"encoding", name_of(encoding)}, {"sampled", sampled}, {"valid_utf8", utf8}, {"valid_cp949", cp949}};
}

EncodingChoice choose_encoding(std::size_t pieces, const std::function<std::string_view(std::size_t)>& piece,
                               Encoding otherwise) {
  EncodingChoice choice;
  const std::size_t n = std::min(pieces, kSample);
  for (std::size_t i = 0; i < n; ++i) {
    const std::string_view bytes = piece(i * pieces / n);
    if (is_ascii(bytes)) continue;  // the same in both
    ++choice.sampled;
    if (is_utf8(bytes)) ++choice.utf8;
    if (cp949_to_utf8(bytes)) ++choice.cp949;
  }
  choice.encoding = choice.utf8 > choice.cp949   ? Encoding::kUtf8
                    : choice.cp949 > choice.utf8 ? Encoding::kCp949
                                                 : otherwise;
  return choice;
}

std::optional<DecodedText> decode_text(std::string_view bytes, Encoding chosen) {
  if (bytes.starts_with(kByteOrderMark)) {  // says itself what it is
    bytes.remove_prefix(kByteOrderMark.size());
    return is_utf8(bytes) ? std::optional(DecodedText{std::string(bytes), false}) : std::nullopt;
  }
  if (auto text = decode_as(bytes, chosen)) return DecodedText{std::move(*text), false};
  const Encoding other = chosen == Encoding::kUtf8 ? Encoding::kCp949 : Encoding::kUtf8;
  if (auto text = decode_as(bytes, other)) return DecodedText{std::move(*text), true};
  return std::nullopt;
}

std::string plain_text(std::string_view utf8) {
  std::string out;
  bool blank = false;
  for (const char32_t c : code_points(utf8)) {
    if (is_space(c)) {
      blank = !out.empty();
      continue;
    }
    if (std::exchange(blank, false)) out += ' ';
    append_utf8(out, c);
  }
  return nfc(out);
}

bool has_control(std::string_view utf8) {
  const std::vector<char32_t> points = code_points(utf8);
  return std::any_of(points.begin(), points.end(), is_control);
}

}  // namespace sori
