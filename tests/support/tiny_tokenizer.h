// A whole tokenizer.json in a few kilobytes: the 256 bytes, a few merges and Whisper's special tokens, so that tests
// need no download. Ids: byte b has id b, merges follow in order, then the special tokens in order.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/unicode.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer.h"

namespace sori::test {

inline std::string spell(std::string_view bytes) {
  std::string spelled;
  for (const char byte : bytes) append_utf8(spelled, spell_byte(static_cast<unsigned char>(byte)));
  return spelled;
}

// Merges as raw bytes: {"h", "e"} makes "he".
using Merges = std::vector<std::pair<std::string, std::string>>;

inline const std::vector<std::string> kTinySpecials{
    "<|endoftext|>",  "<|startoftranscript|>", "<|en|>",          "<|ko|>",       "<|translate|>",
    "<|transcribe|>", "<|startoflm|>",         "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"};

inline Json tiny_tokenizer_json(const Merges& merges = {}, const std::vector<std::string>& specials = kTinySpecials) {
  Json vocab = Json::object(), list = Json::array(), added = Json::array();
  int id = 0;
  for (int byte = 0; byte < 256; ++byte) vocab[spell(std::string(1, static_cast<char>(byte)))] = id++;
  for (const auto& [left, right] : merges) {
    vocab[spell(left + right)] = id++;
    list.push_back(spell(left) + " " + spell(right));
  }
  for (const std::string& token : specials)
    added.push_back({{"id", id++}, {"content", token}, {"normalized", false}, {"special", true}});
  const Json level{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  return {{"version", "1.0"},      {"added_tokens", added},
          {"normalizer", nullptr}, {"pre_tokenizer", level},
          {"decoder", level},      {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", list}}}};
}

inline Tokenizer tiny_tokenizer(const Merges& merges = {}) {
  return Tokenizer::parse(tiny_tokenizer_json(merges).dump(), "tiny");
}

}  // namespace sori::test
