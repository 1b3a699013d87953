// Byte-level BPE as Whisper uses it, read from Hugging Face's tokenizer.json. Ids come from the file, never from
// constants.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "text/byte_pairs.h"

namespace sori {

// Tokens outside the merges ("<|ko|>"), found in a text from left to right, the longest at each place.
class AddedTokens {
 public:
  void add(const std::string& text, int id);
  std::optional<int> find(std::string_view text) const;
  // Calls plain(std::string_view) and token(int) for the parts of the text, in order.
  void scan(std::string_view text, const std::function<void(std::string_view)>& plain,
            const std::function<void(int)>& token) const;

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::optional<std::pair<int, std::size_t>> longest_at(std::string_view text) const;  // id and bytes

  std::unordered_map<std::string, int, Hash, std::equal_to<>> ids_;
  std::vector<std::size_t> sizes_;      // the distinct lengths in bytes, longest first
  std::array<bool, 256> first_byte_{};  // of any of them
};

class Tokenizer {
 public:
  static Tokenizer load(const Path& model_folder);                          // reads tokenizer.json
  static Tokenizer parse(std::string_view json, const std::string& where);  // `where` names the file in errors

  // Equal to the reference's tokenizer(text, add_special_tokens=False): "<|ko|>" in the text becomes that token. Text
  // that is not UTF-8 is read with U+FFFD for what is invalid.
  std::vector<int> encode(std::string_view utf8) const;
  // The same without looking for added tokens: what was said cannot steer the model. Use it for transcripts.
  std::vector<int> encode_plain(std::string_view utf8) const;
  // Bytes that are no whole character become U+FFFD, one for each maximal invalid part (as Python's errors="replace").
  // Timestamps count as special, ids that do not exist give nothing.
  std::string decode(std::span<const int> ids, bool skip_special_tokens = true) const;

  std::optional<int> find(std::string_view token) const { return named_.find(token); }  // an added token, e.g. "<|ko|>"
  int size() const { return static_cast<int>(tokens_.size()); }                         // largest id of the file + 1
  bool is_timestamp(int id) const;        // one of the 1501 ids after <|notimestamps|>, which older files do not list
  bool is_special(int id) const;          // special in the file, or a timestamp
  std::string token_bytes(int id) const;  // raw bytes; a timestamp gives "<|1.20|>"
  std::string token_text(int id) const;   // readable: bytes that are no character as \xE3

 private:
  friend class TokenizerReader;
  explicit Tokenizer(BytePairs pairs) : pairs_(std::move(pairs)) {}

  struct Token {
    std::string bytes;
    bool special = false;
  };
  std::string normalised(std::string_view utf8) const;
  void append_words(std::string_view text, std::vector<int>& ids) const;

  BytePairs pairs_;
  std::vector<Token> tokens_;
  AddedTokens named_;           // all added tokens
  AddedTokens before_, after_;  // those looked for before and after normalisation
  bool nfc_ = false;
  int timestamp_begin_ = -1;  // id of <|0.00|>; -1 when the model has none
};

// Decodes a token at a time and never shows half a character: what push() and flush() return, joined, is decode().
class TextStream {
 public:
  explicit TextStream(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}  // the tokenizer must outlive the stream
  std::string push(int id);  // what is certain now; special tokens give nothing
  std::string flush();       // the rest, U+FFFD for what stayed incomplete; the stream can then be used again

 private:
  const Tokenizer& tokenizer_;
  std::string pending_;
};

}  // namespace sori
