#include "text/tokenizer.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "base/unicode.h"
#include "text/splitter.h"

namespace sori {
namespace {

constexpr int kTimestamps = 1501;        // <|0.00|> to <|30.00|>
constexpr int kMillisPerTimestamp = 20;  // one encoder position

std::string replace_invalid(std::string_view bytes) {
  return is_utf8(bytes) ? std::string(bytes) : to_utf8(code_points(bytes));
}

// Bytes a character with this first byte takes; 1 for bytes that start no longer one.
std::size_t announced_size(unsigned char lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  return lead >= 0xF0 && lead <= 0xF4 ? 4 : 1;
}

// How many leading bytes will decode the same whatever follows: all but a character that has begun and is not complete.
std::size_t settled_size(std::string_view bytes) {
  const std::size_t n = bytes.size();
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, n); ++back) {
    const auto lead = static_cast<unsigned char>(bytes[n - back]);
    if ((lead & 0xC0) == 0x80) continue;
    return announced_size(lead) > back ? n - back : n;
  }
  return n;
}

}  // namespace

void AddedTokens::add(const std::string& text, int id) {
  ids_.emplace(text, id);
  first_byte_[static_cast<unsigned char>(text.front())] = true;
  if (std::ranges::find(sizes_, text.size()) == sizes_.end()) sizes_.push_back(text.size());
  std::ranges::sort(sizes_, std::greater<>());
}

std::optional<int> AddedTokens::find(std::string_view text) const {
  const auto found = ids_.find(text);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::pair<int, std::size_t>> AddedTokens::longest_at(std::string_view text) const {
  if (!first_byte_[static_cast<unsigned char>(text.front())]) return std::nullopt;
  for (const std::size_t size : sizes_)
    if (size <= text.size())
      if (const auto id = find(text.substr(0, size))) return std::pair{*id, size};
  return std::nullopt;
}

void AddedTokens::scan(std::string_view text, const std::function<void(std::string_view)>& plain,
                       const std::function<void(int)>& token) const {
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto found = longest_at(text.substr(at));
    if (!found) {
      ++at;
      continue;
    }
    if (at > begin) plain(text.substr(begin, at - begin));
    token(found->first);
    begin = at += found->second;
  }
  if (begin < text.size()) plain(text.substr(begin));
}

std::string Tokenizer::normalised(std::string_view utf8) const { return nfc_ ? nfc(utf8) : std::string(utf8); }

void Tokenizer::append_words(std::string_view text, std::vector<int>& ids) const {
  for (const std::string_view word : split_words(text)) pairs_.encode(word, ids);
}

std::vector<int> Tokenizer::encode_plain(std::string_view utf8) const {
  std::vector<int> ids;
  append_words(normalised(replace_invalid(utf8)), ids);
  return ids;
}

std::vector<int> Tokenizer::encode(std::string_view utf8) const {
  std::vector<int> ids;
  const auto token = [&](int id) { ids.push_back(id); };
  const auto words = [&](std::string_view text) { append_words(text, ids); };
  const auto normalise = [&](std::string_view text) { after_.scan(normalised(text), words, token); };
  before_.scan(replace_invalid(utf8), normalise, token);
  return ids;
}

std::string Tokenizer::decode(std::span<const int> ids, bool skip_special_tokens) const {
  std::string bytes;
  for (const int id : ids)
    if (!skip_special_tokens || !is_special(id)) bytes += token_bytes(id);
  return replace_invalid(bytes);
}

bool Tokenizer::is_timestamp(int id) const {
  return timestamp_begin_ >= 0 && id >= timestamp_begin_ && id - timestamp_begin_ < kTimestamps;
}

bool Tokenizer::is_special(int id) const { return is_timestamp(id) || (id >= 0 && id < size() && tokens_[id].special); }

std::string Tokenizer::token_bytes(int id) const {
  if (id >= 0 && id < size()) return tokens_[id].bytes;
  if (!is_timestamp(id)) return "";
  const int hundredths = (id - timestamp_begin_) * kMillisPerTimestamp / 10;
  return fmt::format("<|{}.{:02}|>", hundredths / 100, hundredths % 100);
}

std::string Tokenizer::token_text(int id) const {
  const std::string bytes = token_bytes(id);
  std::string text;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::string_view character = std::string_view(bytes).substr(at, announced_size(bytes[at]));
    const bool readable = is_utf8(character) && static_cast<unsigned char>(character[0]) >= 0x20 && character != "\x7F";
    text += readable ? std::string(character) : fmt::format("\\x{:02X}", static_cast<unsigned char>(bytes[at]));
    at += readable ? character.size() : 1;
  }
  return text;
}

std::string TextStream::push(int id) {
  if (tokenizer_.is_special(id)) return "";
  pending_ += tokenizer_.token_bytes(id);
  const std::size_t settled = settled_size(pending_);
  std::string text = replace_invalid(std::string_view(pending_).substr(0, settled));
  pending_.erase(0, settled);
  return text;
}

std::string TextStream::flush() {
  std::string text = replace_invalid(pending_);
  pending_.clear();
  return text;
}

}  // namespace sori
