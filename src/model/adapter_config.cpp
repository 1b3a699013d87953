#include "model/adapter_config.h"

namespace sori {
namespace {

// PEFT understands suffixes; "all-linear" and scopes are spelled out, so that every release reads the same layers.
std::vector<std::string> target_names(const LoraConfig& config, Whisper& model) {
  const bool everything = std::find(config.target_modules.begin(), config.target_modules.end(), "all-linear") !=
                          config.target_modules.end();
  if (config.target_scope == "both" && !everything) return config.target_modules;
  std::vector<std::string> names;
  for_each_linear(model, [&](const std::string& name, Linear& l) {
    if (l.lora) names.push_back(name);
  });
  return names;
}

void refuse(const Json& json, const char* key, const Json& plain, const std::string& where) {
  if (!json.contains(key) || json.at(key).is_null() || json.at(key) == plain || json.at(key).empty()) return;
  throw Error{ErrorKind::kInput, fmt::format("\"{}\" is {}, which is not understood", key, json.at(key).dump()), where,
              "only plain LoRA adapters can be used; merge this one with the tool that made it"};
}

}  // namespace

Json to_json(const LoraConfig& config, Whisper& model, const std::string& base_model) {
  Json j;
  j["peft_type"] = "LORA";
  j["task_type"] = nullptr;
  j["base_model_name_or_path"] = base_model;
  j["r"] = config.rank;
  j["lora_alpha"] = config.alpha;
  j["lora_dropout"] = config.dropout;
  j["target_modules"] = target_names(config, model);
  j["bias"] = "none";
  j["fan_in_fan_out"] = false;
  j["inference_mode"] = true;
  j["init_lora_weights"] = true;
  j["modules_to_save"] = nullptr;
  j["use_rslora"] = false;
  j["use_dora"] = false;
  return j;
}

LoraConfig parse_adapter_config(const Json& json, const std::string& where) {
  if (json_get<std::string>(json, "peft_type", where) != "LORA")
    throw Error{ErrorKind::kInput, "is not a LoRA adapter", where, "only plain LoRA adapters can be used"};
  refuse(json, "use_rslora", false, where);
  refuse(json, "use_dora", false, where);
  refuse(json, "bias", "none", where);
  refuse(json, "fan_in_fan_out", false, where);
  for (const char* key : {"modules_to_save", "rank_pattern", "alpha_pattern", "layers_to_transform", "exclude_modules",
                          "target_parameters"})
    refuse(json, key, nullptr, where);
  LoraConfig c;
  c.rank = json_get<int>(json, "r", where);
  c.alpha = json_get<double>(json, "lora_alpha", where);
  c.dropout = json_get_or<double>(json, "lora_dropout", 0.0, where);
  if (json.contains("target_modules") && json.at("target_modules").is_string())
    c.target_modules = {json_get<std::string>(json, "target_modules", where)};
  else
    c.target_modules = json_get<std::vector<std::string>>(json, "target_modules", where);
  if (c.rank < 1 || c.rank > 4096 || !(c.alpha > 0) || !(c.dropout >= 0 && c.dropout < 1) || c.target_modules.empty())
    throw Error{ErrorKind::kInput, "has a rank, alpha, dropout or target list that is out of range", where,
                "check that the file is complete"};
  return c;
}

}  // namespace sori
