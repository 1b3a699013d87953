// A Whisper model as a few numbers, and the list of tensors that follows from them.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "tensor/dtype.h"

namespace sori {

// Names as in Hugging Face's config.json, shortened; the letters are those of tensor/mat.h.
struct WhisperConfig {
  int d_model = 0;                                             // C
  int encoder_layers = 0, encoder_heads = 0, encoder_ffn = 0;  // heads H, feed-forward width F
  int decoder_layers = 0, decoder_heads = 0, decoder_ffn = 0;
  int vocab_size = 0;               // V
  int mel_bins = 0;                 // M
  int max_source_positions = 1500;  // most audio states S; a window has twice as many mel frames
  int max_target_positions = 448;   // most text tokens T

  bool operator==(const WhisperConfig&) const = default;
};

// Error kInput when a size is impossible, heads do not divide the width, or the file describes something else than
// Whisper as it was published (model_type, activation gelu, no scaled embedding).
void check(const WhisperConfig& config, const std::string& where);
WhisperConfig parse_config(const Json& json, const std::string& where);

// Ids of the tokens that config.json repeats.
struct SpecialIds {
  int bos = 0, eos = 0, pad = 0, decoder_start = 0;
};
const char* config_name_of(DType type);  // "float16": how config.json spells f32, f16 and bf16
Json to_json(const WhisperConfig& config, DType dtype, const SpecialIds& ids);  // the content of config.json

struct NamedShape {
  std::string name;
  std::vector<std::int64_t> shape;
};

// Every tensor of the model, in Hugging Face's names and order. proj_out is tied to embed_tokens, so it is not listed.
std::vector<NamedShape> tensor_list(const WhisperConfig& config);

// The weight matrix of a linear layer: neither vector, convolution nor embedding.
bool is_linear(const NamedShape& tensor);

// The published sizes: tiny, base, small, medium, large-v3, large-v3-turbo. Error kUsage for another name.
WhisperConfig size_config(const std::string& size);
const std::vector<std::string>& size_names();

}  // namespace sori
