#include "plan/work.h"

#include "model/lora.h"

namespace sori {
namespace {

// Products of a layer's linear layers, one pass; adapters included.
double products(Linear& l, double rows) {
  double numbers = static_cast<double>(l.weight.size());
  if (l.lora) numbers += static_cast<double>(l.lora->a.size() + l.lora->b.size());
  return 2 * numbers * rows;
}

// Rows that a linear layer of this name works on: the keys and values of a cross-attention read the audio.
double rows_of_layer(const std::string& name, double states, double tokens) {
  const bool cross_key =
      name.find("encoder_attn.k_proj") != std::string::npos || name.find("encoder_attn.v_proj") != std::string::npos;
  return name.starts_with("model.encoder") || cross_key ? states : tokens;
}

}  // namespace

StepWork step_work(Whisper& model, std::int64_t states_, std::int64_t tokens_, Keep keep) {
  const WhisperConfig& c = model.config;
  const double states = static_cast<double>(states_), tokens = static_cast<double>(tokens_), width = c.d_model;
  StepWork w;
  double linear = 0, learnt = 0;
  for_each_linear(model, [&](const std::string& name, Linear& l) {
    const double once = products(l, rows_of_layer(name, states, tokens));
    linear += once;
    if (l.weight.trainable) learnt += once;
    if (l.lora) learnt += 2 * static_cast<double>(l.lora->a.size() + l.lora->b.size()) * states;
  });
  const double attention =
      4 * width * (c.encoder_layers * states * states + c.decoder_layers * (tokens * states + tokens * tokens));
  const double convolutions = 12 * states * c.mel_bins * width + 6 * states * width * width;
  const double logits = 2 * tokens * width * c.vocab_size;
  w.forward = linear + attention + convolutions + logits;
  w.backward = linear + learnt + 2.5 * attention + logits;
  if (keep == Keep::kInputs) w.recompute = linear + attention;
  return w;
}

double decoded_weights(Whisper& model, Keep keep) {
  double numbers = 0;
  for_each_linear(model, [&](const std::string&, Linear& l) {
    if (!std::holds_alternative<Dense<float>>(l.weight.weight) && !std::holds_alternative<Dense<bf16>>(l.weight.weight))
      numbers += static_cast<double>(l.weight.size());
  });
  return numbers * (keep == Keep::kInputs ? 3 : 2);
}

}  // namespace sori
