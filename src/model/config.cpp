#include "model/config.h"

namespace sori {
namespace {

Error bad(const std::string& what, const std::string& where) {
  return Error{ErrorKind::kInput, what, where, "name a Whisper model"};
}

// Caps are far above every published Whisper, so that a hostile file cannot make us allocate without bound.
struct Field {
  const char* key;
  int WhisperConfig::*value;
  int most;
};
constexpr Field kFields[] = {{"d_model", &WhisperConfig::d_model, 4096},
                             {"encoder_layers", &WhisperConfig::encoder_layers, 64},
                             {"encoder_attention_heads", &WhisperConfig::encoder_heads, 128},
                             {"encoder_ffn_dim", &WhisperConfig::encoder_ffn, 16384},
                             {"decoder_layers", &WhisperConfig::decoder_layers, 64},
                             {"decoder_attention_heads", &WhisperConfig::decoder_heads, 128},
                             {"decoder_ffn_dim", &WhisperConfig::decoder_ffn, 16384},
                             {"vocab_size", &WhisperConfig::vocab_size, 200000},
                             {"num_mel_bins", &WhisperConfig::mel_bins, 256},
                             {"max_source_positions", &WhisperConfig::max_source_positions, 1500},
                             {"max_target_positions", &WhisperConfig::max_target_positions, 2048}};

using List = std::vector<NamedShape>;

void add_norm(List& list, const std::string& name, std::int64_t width) {
  list.push_back({name + ".weight", {width}});
  list.push_back({name + ".bias", {width}});
}

void add_linear(List& list, const std::string& name, std::int64_t out, std::int64_t in) {
  list.push_back({name + ".weight", {out, in}});
  list.push_back({name + ".bias", {out}});
}

void add_attention(List& list, const std::string& name, std::int64_t width) {
  list.push_back({name + ".k_proj.weight", {width, width}});  // the only product without a bias
  for (const char* part : {".v_proj", ".q_proj", ".out_proj"}) add_linear(list, name + part, width, width);
}

void add_layer(List& list, const std::string& name, std::int64_t width, std::int64_t ffn, bool decoder) {
  add_attention(list, name + "self_attn", width);
  add_norm(list, name + "self_attn_layer_norm", width);
  if (decoder) {
    add_attention(list, name + "encoder_attn", width);
    add_norm(list, name + "encoder_attn_layer_norm", width);
  }
  add_linear(list, name + "fc1", ffn, width);
  add_linear(list, name + "fc2", width, ffn);
  add_norm(list, name + "final_layer_norm", width);
}

struct Size {
  const char* name;
  int width, encoder_layers, decoder_layers, mel_bins, vocab;
};
constexpr Size kSizes[] = {{"tiny", 384, 4, 4, 80, 51865},         {"base", 512, 6, 6, 80, 51865},
                           {"small", 768, 12, 12, 80, 51865},      {"medium", 1024, 24, 24, 80, 51865},
                           {"large-v3", 1280, 32, 32, 128, 51866}, {"large-v3-turbo", 1280, 32, 4, 128, 51866}};

}  // namespace

void check(const WhisperConfig& config, const std::string& where) {
  for (const Field& f : kFields)
    if (config.*f.value < 1 || config.*f.value > f.most)
      throw bad(fmt::format("\"{}\" is {}, which is not within 1 and {}", f.key, config.*f.value, f.most), where);
  for (const int heads : {config.encoder_heads, config.decoder_heads})
    if (config.d_model % heads != 0)
      throw bad(fmt::format("a width of {} cannot be divided among {} heads", config.d_model, heads), where);
}

WhisperConfig parse_config(const Json& json, const std::string& where) {
  const auto type = json_get<std::string>(json, "model_type", where);
  if (type != "whisper") throw bad("describes another kind of model than whisper", where);
  if (json_get_or<std::string>(json, "activation_function", "gelu", where) != "gelu")
    throw bad("has another activation_function than gelu", where);
  if (json_get_or<bool>(json, "scale_embedding", false, where)) throw bad("scales its embedding", where);

  WhisperConfig config;
  for (const Field& f : kFields) {
    const Json value = json_get<Json>(json, f.key, where);
    if (!value.is_number_integer()) detail::wrong_type(f.key, where);
    // Clamped before it is narrowed; check() refuses what was clamped.
    const bool huge = value.is_number_unsigned() && value.get<std::uint64_t>() > INT32_MAX;
    config.*f.value =
        huge ? INT32_MAX : static_cast<int>(std::clamp<std::int64_t>(value.get<std::int64_t>(), -1, INT32_MAX));
  }
  check(config, where);
  return config;
}

const char* config_name_of(DType type) {
  return type == DType::kF16 ? "float16" : type == DType::kBF16 ? "bfloat16" : "float32";
}

Json to_json(const WhisperConfig& config, DType dtype, const SpecialIds& ids) {
  const char* type = config_name_of(dtype);
  Json json = {{"model_type", "whisper"}, {"architectures", {"WhisperForConditionalGeneration"}}};
  for (const Field& f : kFields) json[f.key] = config.*f.value;
  json.update({{"activation_function", "gelu"},
               {"scale_embedding", false},
               {"dropout", 0.0},
               {"attention_dropout", 0.0},
               {"activation_dropout", 0.0},
               {"encoder_layerdrop", 0.0},
               {"decoder_layerdrop", 0.0},
               {"init_std", 0.02},
               {"is_encoder_decoder", true},
               {"tie_word_embeddings", true},
               {"use_cache", true},
               {"bos_token_id", ids.bos},
               {"eos_token_id", ids.eos},
               {"pad_token_id", ids.pad},
               {"decoder_start_token_id", ids.decoder_start},
               {"dtype", type},          // transformers 5
               {"torch_dtype", type}});  // transformers 4
  return json;
}

std::vector<NamedShape> tensor_list(const WhisperConfig& config) {
  const std::int64_t width = config.d_model;
  List list;
  list.push_back({"model.encoder.conv1.weight", {width, config.mel_bins, 3}});
  list.push_back({"model.encoder.conv1.bias", {width}});
  list.push_back({"model.encoder.conv2.weight", {width, width, 3}});
  list.push_back({"model.encoder.conv2.bias", {width}});
  list.push_back({"model.encoder.embed_positions.weight", {config.max_source_positions, width}});
  for (int i = 0; i < config.encoder_layers; ++i)
    add_layer(list, fmt::format("model.encoder.layers.{}.", i), width, config.encoder_ffn, false);
  add_norm(list, "model.encoder.layer_norm", width);
  list.push_back({"model.decoder.embed_tokens.weight", {config.vocab_size, width}});
  list.push_back({"model.decoder.embed_positions.weight", {config.max_target_positions, width}});
  for (int i = 0; i < config.decoder_layers; ++i)
    add_layer(list, fmt::format("model.decoder.layers.{}.", i), width, config.decoder_ffn, true);
  add_norm(list, "model.decoder.layer_norm", width);
  return list;
}

bool is_linear(const NamedShape& t) { return t.shape.size() == 2 && t.name.find(".embed_") == std::string::npos; }

WhisperConfig size_config(const std::string& size) {
  for (const Size& s : kSizes) {
    if (size != s.name) continue;
    const int heads = s.width / 64;  // every published Whisper has heads of 64
    return {s.width, s.encoder_layers, heads, 4 * s.width, s.decoder_layers, heads, 4 * s.width, s.vocab, s.mel_bins};
  }
  throw Error{ErrorKind::kUsage, "is no Whisper size", size,
              fmt::format("use one of {}", fmt::join(size_names(), ", "))};
}

const std::vector<std::string>& size_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Size& s : kSizes) all.emplace_back(s.name);
    return all;
  }();
  return names;
}

}  // namespace sori
