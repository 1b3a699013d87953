// Which linear layers get an adapter, and how it starts. Names and rules are PEFT's (LoraConfig).
#pragma once

#include <cmath>

#include "model/linear.h"
#include "model/whisper.h"

namespace sori {

struct LoraConfig {
  int rank = 32;
  double alpha = 64, dropout = 0;
  // As in PEFT: a suffix ("q_proj") or a full name ("model.encoder.layers.0.fc1"); "all-linear": every linear layer.
  std::vector<std::string> target_modules{"q_proj", "v_proj"};
  std::string target_scope = "both";  // encoder, decoder or both
  // rsLoRA (Kalajdzievski, "A rank stabilization scaling factor for fine-tuning with LoRA", 2023; PEFT's use_rslora).
  bool rslora = false;
  // init_lora_weights: "true", or a start of model/lora_start.h.
  std::string init = "true";
  bool dora = false;  // model/dora.h; PEFT's use_dora
  // PiSSA and LoRA-GA start from A0 and B0 that are not zero, and subtract them from the base. Here the base stays as
  // it is, in any format, and the second half of the rank subtracts them: a plain adapter to every reader.
  bool carries_start() const { return init == "pissa" || init == "lora_ga"; }

  double scale() const { return alpha / (rslora ? std::sqrt(rank) : rank); }
};

// Gives the chosen layers an adapter (shapes only). Error kUsage when a target names no layer.
void add_lora(Whisper& model, const LoraConfig& config);

// Error kUsage for dropout with DoRA: PEFT's W x + (gain - 1) W dropout(x) + ... multiplies by W twice.
void refuse_dropped_dora(const LoraConfig& config);

// a: uniform in +-1/sqrt(in) (PEFT's default, kaiming with a = sqrt 5); b: zero, so the tuned model starts as the base
// model.
void init_lora(Whisper& model, std::uint64_t seed);

// "base_model.model.model.encoder.layers.0.self_attn.q_proj.lora_A.weight": PEFT's name of our parameter.
std::string peft_name(const std::string& name);

// What the adapters need of a linear layer's scratch memory.
AdapterLimits adapter_limits(Whisper& model);

}  // namespace sori
