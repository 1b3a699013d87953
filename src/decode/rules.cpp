#include "decode/rules.h"

#include <limits>

#include "base/json.h"

namespace sori {
namespace {

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
  return {ids(config, "suppress_tokens", vocab_size, path.string()),
          ids(config, "begin_suppress_tokens", vocab_size, path.string())};
}

void suppress(std::span<float> logits, const DecodeRules& rules, bool first) {
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  for (const int id : rules.suppress) logits[static_cast<std::size_t>(id)] = kNever;
  if (first)
    for (const int id : rules.begin_suppress) logits[static_cast<std::size_t>(id)] = kNever;
}

Error not_predictions() {
  return Error{ErrorKind::kNumeric, "the model's predictions are not numbers", "",
               "the model or the adapter is damaged"};
}

}  // namespace sori
