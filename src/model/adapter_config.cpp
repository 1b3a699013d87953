#include "model/adapter_config.h"

#include "base/unicode.h"

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

[[noreturn]] void refuse(const std::string& key, const Json& value, const std::string& where) {
  throw Error{ErrorKind::kInput, fmt::format("\"{}\" is {}, which is not understood", key, value.dump()), where,
              "only plain LoRA adapters can be used; merge this one into its model with the tool that made it"};
}

// Keys that say where an adapter comes from, or how training would go on; none changes what it computes. Settings of an
// initialisation are among them, because the initialisations that use them are refused themselves.
const std::vector<std::string_view> kHarmless{
    "auto_mapping", "base_model_name_or_path", "corda_config",  "eva_config",        "inference_mode", "layers_pattern",
    "loftq_config", "lora_ga_config",          "megatron_core", "qalora_group_size", "peft_version",   "revision",
    "task_type"};
// Keys that are read.
const std::vector<std::string_view> kRead{"peft_type",      "r",          "lora_alpha", "lora_dropout",
                                          "target_modules", "use_rslora", "use_dora"};

bool is_one_of(const std::vector<std::string_view>& keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

// Initialisations that take A and B out of the base weight (PiSSA, OLoRA, LoftQ, ...) change the base too, and the
// folder does not hold the changed one.
bool is_plain(const std::string& key, const Json& value) {
  if (key == "bias") return value == "none";
  if (key == "init_lora_weights") return value.is_boolean() || value.is_null() || value == "gaussian";
  return value.is_null() || value == false || (!value.is_primitive() && value.empty());
}

// Whatever is not known to be harmless must be off: releases to come have variants that nobody here knows.
void refuse_variants(const Json& json, const std::string& where) {
  for (const auto& [key, value] : json.items())
    if (!is_one_of(kHarmless, key) && !is_one_of(kRead, key) && !is_plain(key, value)) refuse(key, value, where);
}

}  // namespace

Json to_json(const LoraConfig& config, Whisper& model, const std::string& base_model) {
  Json j;
  j["peft_type"] = "LORA";
  j["task_type"] = nullptr;
  j["base_model_name_or_path"] = printable(base_model);
  j["r"] = config.rank;
  j["lora_alpha"] = config.alpha;
  j["lora_dropout"] = config.dropout;
  j["target_modules"] = target_names(config, model);
  j["bias"] = "none";
  j["fan_in_fan_out"] = false;
  j["inference_mode"] = true;
  j["init_lora_weights"] = true;
  j["modules_to_save"] = nullptr;
  j["use_rslora"] = config.rslora;
  j["use_dora"] = config.dora;
  return j;
}

LoraConfig parse_adapter_config(const Json& json, const std::string& where) {
  if (json_get<std::string>(json, "peft_type", where) != "LORA")
    throw Error{ErrorKind::kInput, "is not a LoRA adapter", where, "only plain LoRA adapters can be used"};
  refuse_variants(json, where);
  LoraConfig c;
  c.rank = json_get<int>(json, "r", where);
  c.alpha = json_get<double>(json, "lora_alpha", where);
  c.rslora = json_get_or<bool>(json, "use_rslora", false, where);
  c.dora = json_get_or<bool>(json, "use_dora", false, where);
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
