// adapter_config.json as PEFT writes and reads it.
#pragma once

#include "base/json.h"
#include "model/lora.h"

namespace sori {

// Only keys that old releases of PEFT know. target_modules are the layers' full names where the scope is a part of the
// model.
Json to_json(const LoraConfig& config, Whisper& model, const std::string& base_model);

// Error kInput for any other kind of adapter than LoRA, rsLoRA and DoRA (bias, patterns, PiSSA, ...), naming the key
// that is not understood.
LoraConfig parse_adapter_config(const Json& json, const std::string& where);

}  // namespace sori
