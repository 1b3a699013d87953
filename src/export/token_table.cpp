#include "base/error.h"
#include "export/side_files.h"

namespace sori {
namespace {

constexpr std::size_t kMaxTokenizer = std::size_t{64} << 20;
constexpr int kMaxTokens = 1'000'000;

constexpr const char* kEnd = "<|endoftext|>";
constexpr const char* kStart = "<|startoftranscript|>";
constexpr const char* kTranslate = "<|translate|>";

Error bad(const std::string& what, const std::string& where) {
  return Error{ErrorKind::kInput, what, where, "copy tokenizer.json from the original model"};
}

std::string read_tokenizer(const Path& path) {
  std::error_code code;
  if (!std::filesystem::exists(path, code))
    throw Error{
        ErrorKind::kInput, "has no tokenizer.json", path.parent_path().string(),
        "copy it from the original model; where that has none, write it with: python -c \"from transformers import "
        "AutoTokenizer as T; T.from_pretrained('ORIGINAL').save_pretrained('FOLDER')\""};
  return read_file(path, kMaxTokenizer);
}

// "a b" in old files, ["a", "b"] in new ones.
std::string merge_of(const JsonMap& merge, const std::string& where) {
  if (merge.is_string()) return merge.get<std::string>();
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
    return merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  throw bad("has a merge that is no pair", where);
}

const JsonMap& list_in(const JsonMap& object, const char* key, const std::string& where) {
  const JsonMap& list = json_member(object, key, where);
  if (!list.is_array()) detail::wrong_type(key, where);
  return list;
}

}  // namespace

TokenTable::TokenTable(const Path& tokenizer_json) : where_(tokenizer_json.string()) {
  const JsonMap json = parse_json_map(read_tokenizer(tokenizer_json), where_);
  const auto id_of = [&](const JsonMap& value) {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= kMaxTokens)
      throw bad("has an impossible id", where_);
    return value.get<int>();
  };
  const JsonMap &model = json_member(json, "model", where_), &vocab = json_member(model, "vocab", where_);
  if (!vocab.is_object()) detail::wrong_type("vocab", where_);
  for (const auto& [token, id] : vocab.items()) {
    vocab_[token] = id_of(id);
    add(token, vocab_[token]);
  }
  for (const JsonMap& merge : list_in(model, "merges", where_)) merges_.push_back(merge_of(merge, where_));
  for (const JsonMap& token : list_in(json, "added_tokens", where_)) {
    const auto content = json_get<std::string>(token, "content", where_);
    const int id = id_of(json_get<JsonMap>(token, "id", where_));
    add(content, id);
    if (!vocab_.contains(content)) added_[content] = id;
    if (json_get_or<bool>(token, "special", false, where_)) special_.push_back(id);
  }
  if (by_id_.empty()) throw bad("has no tokens", where_);
  std::sort(special_.begin(), special_.end());
}

// A token may be listed in the vocabulary and again as added, with the same id.
void TokenTable::add(const std::string& token, int id) {
  const auto known = find(token);
  if (known ? *known != id : by_id_.contains(id)) throw bad(fmt::format("uses id {} for two tokens", id), where_);
  by_id_[id] = token;
}

std::optional<int> TokenTable::find(const std::string& token) const {
  for (const auto* table : {&added_, &vocab_})
    if (const auto at = table->find(token); at != table->end() && by_id_.contains(at->second)) return at->second;
  return std::nullopt;
}

int TokenTable::get(const std::string& token) const {
  if (const auto id = find(token)) return *id;
  throw bad(fmt::format("has no token {}", token), where_);
}

SpecialIds TokenTable::special_ids() const {
  const int end = get(kEnd);  // Whisper begins, ends and pads with the same token
  return {end, end, end, get(kStart)};
}

std::map<std::string, int> TokenTable::languages() const {
  std::map<std::string, int> found;
  for (auto at = by_id_.upper_bound(get(kStart)); at != by_id_.end() && at->first < get(kTranslate); ++at)
    found[at->second] = at->first;
  return found;
}

std::string TokenTable::vocab_json() const {
  std::string text = "{";
  for (const auto& [id, token] : by_id_) {
    if (!vocab_.contains(token)) continue;
    text += fmt::format("{}{}: {}", text.size() > 1 ? ", " : "", JsonMap(token).dump(), id);
  }
  return text + "}\n";
}

std::string TokenTable::merges_txt() const { return fmt::format("#version: 0.2\n{}\n", fmt::join(merges_, "\n")); }

Json TokenTable::added_tokens() const {
  Json json = Json::object();
  for (const auto& [id, token] : by_id_)
    if (added_.contains(token)) json[token] = id;
  return json;
}

std::vector<std::string> TokenTable::special_tokens() const {
  std::vector<std::string> names;
  for (const int id : special_) names.push_back(by_id_.at(id));
  return names;
}

}  // namespace sori
