#include "decode/rules.h"

#include <algorithm>
#include <limits>

#include "base/json.h"

namespace sori {
namespace {

constexpr const char* kNoRepeatNgramSize = "no_repeat_ngram_size";

std::vector<int> ids(const Json& config, const char* key, int vocab_size, const std::string& where) {
  const auto list = json_get_or<std::vector<std::int64_t>>(config, key, {}, where);
  std::vector<int> out;
  for (const std::int64_t id : list) {
    if (id < 0 || id >= vocab_size)
      throw Error{ErrorKind::kInput, fmt::format("\"{}\" names token {}, the model has {}", key, id, vocab_size), where,
                  "use the generation_config.json that belongs to this model, or remove the file"};
    out.push_back(static_cast<int>(id));
  }
  return out;
}

}  // namespace

DecodeRules read_rules(const Path& model_folder, int vocab_size) {
  const Path path = model_folder / "generation_config.json";
  if (!std::filesystem::exists(path)) return {};
  const Json config = read_json(path);
  const auto size = json_get_or<std::int64_t>(config, kNoRepeatNgramSize, 0, path.string());
  if (size < 0 || size > std::numeric_limits<int>::max())
    throw Error{ErrorKind::kInput, fmt::format("\"{}\" is {}", kNoRepeatNgramSize, size), path.string(),
                "write how many tokens in a row may not stand twice in a text, or 0"};
  return {ids(config, "suppress_tokens", vocab_size, path.string()),
          ids(config, "begin_suppress_tokens", vocab_size, path.string()), static_cast<int>(size)};
}

void suppress(std::span<float> logits, const DecodeRules& rules, std::span<const int> text) {
  const auto forbid = [&](int id) { logits[static_cast<std::size_t>(id)] = -std::numeric_limits<float>::infinity(); };
  std::ranges::for_each(rules.suppress, forbid);
  if (text.empty()) std::ranges::for_each(rules.begin_suppress, forbid);
  if (rules.no_repeat_ngram_size == 0) return;
  // What followed wherever the last tokens stood before.
  const auto last = static_cast<std::size_t>(rules.no_repeat_ngram_size - 1);
  for (std::size_t next = last; next < text.size(); ++next)
    if (std::ranges::equal(text.subspan(next - last, last), text.last(last))) forbid(text[next]);
}

Error not_predictions() {
  return Error{ErrorKind::kNumeric, "the model's predictions are not numbers", "",
               "the model or the adapter is damaged"};
}

}  // namespace sori
