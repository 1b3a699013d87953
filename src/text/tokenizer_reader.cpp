// tokenizer.json -> Tokenizer. The file is hostile: only the settings Whisper uses are accepted, a foreign regular
// expression is never run, and every id is checked before it becomes an index.
#include "base/unicode.h"
#include "text/byte_alphabet.h"
#include "text/splitter.h"
#include "text/tokenizer.h"

namespace sori {
namespace {

constexpr std::size_t kMaxFile = std::size_t{64} << 20;  // large-v3's is 2.5 MB
constexpr int kMaxId = 1 << 20;                          // Whisper has 51,866

using Ids = std::unordered_map<std::string, int>;  // token as spelled in the file -> id

}  // namespace

class TokenizerReader {
 public:
  TokenizerReader(const JsonMap& root, const std::string& where) : root_(root), where_(where) {}

  Tokenizer read() {
    check_settings();
    const JsonMap& model = member(root_, "model");
    check_model(model);
    read_vocabulary(model);
    Tokenizer tokenizer(read_pairs(model));
    read_added();
    tokenizer.tokens_ = std::move(tokens_);
    tokenizer.named_ = std::move(named_);
    tokenizer.before_ = std::move(before_);
    tokenizer.after_ = std::move(after_);
    tokenizer.nfc_ = nfc_;
    if (const auto id = tokenizer.find("<|notimestamps|>")) tokenizer.timestamp_begin_ = *id + 1;
    return tokenizer;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error{ErrorKind::kInput, what, where_, "use the tokenizer.json that belongs to the Whisper model"};
  }

  JsonMap part(const JsonMap& object, const char* key) const {
    return json_get_or<JsonMap>(object, key, nullptr, where_);
  }
  std::string type_of(const JsonMap& object) const { return json_get_or<std::string>(object, "type", "", where_); }

  void check_settings() {
    if (!root_.is_object()) refuse("is not a tokenizer description");
    const JsonMap normalizer = part(root_, "normalizer");
    nfc_ = type_of(normalizer) == "NFC";
    if (!nfc_ && !normalizer.is_null()) refuse("has a normalizer other than NFC");
    if (type_of(part(root_, "decoder")) != "ByteLevel") refuse("has a decoder other than ByteLevel");
    if (!splits_as_gpt2(part(root_, "pre_tokenizer"))) refuse("has a pre_tokenizer other than GPT-2's ByteLevel");
  }

  // ByteLevel with its own pattern, or a Sequence of that very pattern (when written out) and ByteLevel.
  bool splits_as_gpt2(const JsonMap& pre) const {
    const JsonMap steps = type_of(pre) == "Sequence" ? part(pre, "pretokenizers") : JsonMap::array({pre});
    if (!steps.is_array() || steps.empty() || steps.size() > 2) return false;
    const JsonMap& last = steps.back();
    if (type_of(last) != "ByteLevel" || json_get_or<bool>(last, "add_prefix_space", true, where_)) return false;
    if (steps.size() == 1) return json_get_or<bool>(last, "use_regex", true, where_);
    const JsonMap& split = steps.front();
    return !json_get_or<bool>(last, "use_regex", true, where_) && type_of(split) == "Split" &&
           json_get_or<std::string>(part(split, "pattern"), "Regex", "", where_) == kGpt2Pattern &&
           json_get_or<std::string>(split, "behavior", "", where_) == "Isolated" &&
           !json_get_or<bool>(split, "invert", false, where_);
  }

  void check_model(const JsonMap& model) const {
    if (const std::string type = type_of(model); !type.empty() && type != "BPE") refuse("has a model other than BPE");
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (!json_get_or<std::string>(model, key, "", where_).empty()) refuse(fmt::format("has a \"{}\"", key));
    for (const char* key : {"byte_fallback", "ignore_merges"})
      if (json_get_or<bool>(model, key, false, where_)) refuse(fmt::format("has \"{}\" set", key));
    if (!part(model, "dropout").is_null()) refuse("has \"dropout\" set");
  }

  int checked_id(const JsonMap& value) const {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= kMaxId)
      refuse(fmt::format("has a token id that is not a whole number below {}", kMaxId));
    return value.get<int>();
  }

  void place(const std::string& spelled, int id, bool special) {
    if (static_cast<std::size_t>(id) >= tokens_.size()) {
      tokens_.resize(id + 1);
      taken_.resize(id + 1);
    }
    if (taken_[id]) refuse(fmt::format("gives id {} to two tokens", id));
    taken_[id] = true;
    tokens_[id] = {unspell_bytes(spelled).value_or(spelled), special};
  }

  void read_vocabulary(const JsonMap& model) {
    const JsonMap& vocabulary = member(model, "vocab");
    if (!vocabulary.is_object()) refuse("has a \"vocab\" that is not an object");
    for (const auto& [spelled, value] : vocabulary.items()) {
      const int id = checked_id(value);
      place(spelled, id, false);
      ids_.emplace(spelled, id);
    }
  }

  BytePairs read_pairs(const JsonMap& model) const {
    std::array<int, 256> bytes{};
    for (int byte = 0; byte < 256; ++byte) {
      std::string spelled;
      append_utf8(spelled, spell_byte(static_cast<unsigned char>(byte)));
      const auto found = ids_.find(spelled);
      if (found == ids_.end()) refuse(fmt::format("has no token for the byte 0x{:02X}", byte));
      bytes[byte] = found->second;
    }
    BytePairs pairs(bytes);
    const JsonMap& merges = member(model, "merges");
    if (!merges.is_array()) refuse("has \"merges\" that are not a list");
    for (std::size_t i = 0; i < merges.size(); ++i) {
      const auto [left, right] = read_merge(merges[i], i);
      const auto l = ids_.find(left), r = ids_.find(right), joined = ids_.find(left + right);
      if (l == ids_.end() || r == ids_.end() || joined == ids_.end())
        refuse(fmt::format("merge {} names a token that is not in \"vocab\"", i));
      pairs.add_merge(l->second, r->second, joined->second);
    }
    return pairs;
  }

  // "a b" in older files, ["a", "b"] in newer ones.
  std::pair<std::string, std::string> read_merge(const JsonMap& merge, std::size_t index) const {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
      return {merge[0].get<std::string>(), merge[1].get<std::string>()};
    if (merge.is_string()) {
      const std::string both = merge.get<std::string>();
      const std::size_t blank = both.find(' ');
      if (blank != std::string::npos && both.find(' ', blank + 1) == std::string::npos)
        return {both.substr(0, blank), both.substr(blank + 1)};
    }
    refuse(fmt::format("merge {} is not a pair of tokens", index));
  }

  void read_added() {
    const JsonMap& added = member(root_, "added_tokens");
    if (!added.is_array()) refuse("has \"added_tokens\" that are not a list");
    for (const JsonMap& token : added) {
      const auto content = json_get<std::string>(token, "content", where_);
      const int id = checked_id(json_get<JsonMap>(token, "id", where_));
      if (content.empty() || named_.find(content)) refuse("has an added token that is empty or listed twice");
      for (const char* key : {"single_word", "lstrip", "rstrip"})
        if (json_get_or<bool>(token, key, false, where_))
          refuse(fmt::format("has an added token with \"{}\" set", key));
      place_added(content, id, json_get_or<bool>(token, "special", false, where_));
      named_.add(content, id);
      const bool after = json_get_or<bool>(token, "normalized", false, where_);
      (after ? after_ : before_).add(after && nfc_ ? nfc(content) : content, id);
    }
  }

  // <|endoftext|> stands in "vocab" too, with the same id.
  void place_added(const std::string& content, int id, bool special) {
    const auto known = ids_.find(content);
    if (known == ids_.end()) return place(content, id, special);
    if (known->second != id) refuse(fmt::format("gives the token of id {} another id, {}", known->second, id));
    tokens_[id].special = special;
  }

  const JsonMap& member(const JsonMap& object, const char* key) const {
    if (!object.is_object() || !object.contains(key)) refuse(fmt::format("has no \"{}\"", key));
    return object.at(key);
  }

  const JsonMap& root_;
  const std::string& where_;
  bool nfc_ = false;
  Ids ids_;
  std::vector<Tokenizer::Token> tokens_;
  std::vector<bool> taken_;  // by id
  AddedTokens named_, before_, after_;
};

Tokenizer Tokenizer::parse(std::string_view json, const std::string& where) {
  const JsonMap root = parse_json_map(json, where);
  return TokenizerReader(root, where).read();
}

Tokenizer Tokenizer::load(const Path& model_folder) {
  const Path path = model_folder / "tokenizer.json";
  return parse(read_file(path, kMaxFile), path.string());
}

}  // namespace sori
