// A Whisper of a few hundred numbers as a Hugging Face folder and as a CTranslate2 folder, both from the same values.
#pragma once

#include <functional>
#include <map>

#include "base/json.h"
#include "base/rng.h"
#include "formats/safetensors.h"
#include "formats/values.h"
#include "model/config.h"

namespace sori::testing {

inline WhisperConfig tiny_config() { return {8, 2, 2, 12, 1, 4, 20, 32, 5, 6, 7}; }

// 16 tokens of text, then Whisper's special tokens from 16 on; ids up to 31.
inline Json tiny_tokenizer() {
  Json vocab = Json::object(), added = Json::array();
  const char* const texts[] = {"a", "b", "ab", "\"", "\\", "\xC4\xA0", "\xEA\xB0\x80"};
  for (int i = 0; i < 7; ++i) vocab[texts[i]] = i;
  const char* const specials[] = {"<|endoftext|>",   "<|startoftranscript|>", "<|en|>",
                                  "<|ko|>",          "<|translate|>",         "<|transcribe|>",
                                  "<|startofprev|>", "<|nospeech|>",          "<|notimestamps|>"};
  for (int i = 0; i < 9; ++i) added.push_back({{"id", 16 + i}, {"content", specials[i]}, {"special", true}});
  return {{"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"a b"}}}}, {"added_tokens", added}};
}

struct Tensor {
  Shape shape;
  std::vector<float> values;
};
using Tensors = std::map<std::string, Tensor>;

// Multiples of 1/64 below 2: exact in f32, f16 and bf16.
inline Tensors tiny_tensors() {
  Tensors tensors;
  std::uint64_t number = 0;
  for (const NamedShape& t : tensor_list(tiny_config())) {
    const Rng rng(1, Draw::kNoise, number++);
    Tensor& made = tensors[t.name];
    made.shape = t.shape;
    for (std::int64_t i = 0; i < element_count(t.shape); ++i)
      made.values.push_back((static_cast<float>(rng.below(static_cast<std::uint64_t>(i), 255)) - 127) / 64);
  }
  return tensors;
}

inline std::vector<std::byte> encoded(const Tensor& t, DType type) {
  std::vector<std::byte> bytes(t.values.size() * size_of(type));
  write_floats(t.values, type, bytes.data());
  return bytes;
}

inline void write_tensors_as(const Path& path, const Tensors& tensors, DType type, const Metadata& metadata = {}) {
  std::vector<TensorInfo> infos;
  for (const auto& [name, t] : tensors) infos.push_back({name, type, t.shape});
  SafetensorsWriter writer(path, std::move(infos), metadata);
  for (const TensorInfo& info : writer.order()) writer.write(info.name, encoded(tensors.at(info.name), type));
  writer.commit();
}

inline void write_hf(const Path& folder, DType type = DType::kF16, const Tensors& tensors = tiny_tensors()) {
  make_folder(folder);
  write_tensors_as(folder / "model.safetensors", tensors, type);
  write_file(folder / "config.json", to_text(to_json(tiny_config(), type, {16, 16, 16, 17})));
  write_file(folder / "tokenizer.json", to_text(tiny_tokenizer()));
}

// What a test changes before model.bin is written.
struct Ct2Content {
  struct Stored {
    std::uint8_t type;  // f32 0, i8 1, i16 2, i32 3, f16 4
    Shape shape;
    std::string bytes;
  };
  std::map<std::string, Stored> tensors;
  std::map<std::string, std::string> aliases{{"decoder/projection/weight", "decoder/embeddings/weight"}};

  void scalar(const std::string& name, std::int16_t value) {
    tensors[name] = {2, {}, std::string(reinterpret_cast<const char*>(&value), 2)};
  }
  void put(const std::string& name, const Tensor& t, DType type) {
    const auto bytes = encoded(t, type);
    tensors[name] = {static_cast<std::uint8_t>(type == DType::kF16 ? 4 : 0), t.shape,
                     std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())};
  }
  // q = round(w scale) with scale = 127 / amax of the row.
  void put_int8(const std::string& name, const Tensor& t) {
    const std::size_t rows = static_cast<std::size_t>(t.shape[0]), cols = t.values.size() / rows;
    std::string codes;
    Tensor scales{{t.shape[0]}, {}};
    for (std::size_t r = 0; r < rows; ++r) {
      float most = 0;
      for (std::size_t c = 0; c < cols; ++c) most = std::max(most, std::fabs(t.values[r * cols + c]));
      scales.values.push_back(127 / most);
      for (std::size_t c = 0; c < cols; ++c)
        codes.push_back(static_cast<char>(std::lround(t.values[r * cols + c] * scales.values.back())));
    }
    tensors[name] = {1, t.shape, codes};
    put(name + "_scale", scales, DType::kF32);
  }
};

inline Tensor stacked(const std::vector<Tensor>& parts) {
  Tensor all{parts[0].shape, {}};
  all.shape[0] = 0;
  for (const Tensor& p : parts) {
    all.shape[0] += p.shape[0];
    all.values.insert(all.values.end(), p.values.begin(), p.values.end());
  }
  return all;
}

// The names are spelt out here once more, independently of the importer's table.
inline Ct2Content ct2_content(DType type, bool int8 = false) {
  const Tensors hf = tiny_tensors();
  const WhisperConfig c = tiny_config();
  Ct2Content out;
  const auto put = [&](const std::string& name, const Tensor& t) {
    if (int8 && name.ends_with("/weight")) return out.put_int8(name, t);
    out.put(name, t, type);
  };
  const auto linear = [&](const std::string& name, const std::vector<std::string>& parts) {
    std::vector<Tensor> weights, biases;
    for (const std::string& part : parts) {
      weights.push_back(hf.at(part + ".weight"));
      const Tensor zero{{weights.back().shape[0]},
                        std::vector<float>(static_cast<std::size_t>(weights.back().shape[0]), 0.0F)};
      biases.push_back(part.ends_with("k_proj") ? zero : hf.at(part + ".bias"));
    }
    put(name + "/weight", stacked(weights));
    put(name + "/bias", stacked(biases));
  };
  const auto norm = [&](const std::string& name, const std::string& from) {
    put(name + "/gamma", hf.at(from + ".weight"));
    put(name + "/beta", hf.at(from + ".bias"));
  };
  linear("encoder/conv1", {"model.encoder.conv1"});
  linear("encoder/conv2", {"model.encoder.conv2"});
  put("decoder/embeddings/weight", hf.at("model.decoder.embed_tokens.weight"));
  for (const std::string side : {"encoder", "decoder"}) {
    put(side + "/position_encodings/encodings", hf.at("model." + side + ".embed_positions.weight"));
    norm(side + "/layer_norm", "model." + side + ".layer_norm");
    for (int i = 0; i < (side == "encoder" ? c.encoder_layers : c.decoder_layers); ++i) {
      const std::string to = fmt::format("{}/layer_{}/", side, i), from = fmt::format("model.{}.layers.{}.", side, i);
      linear(to + "self_attention/linear_0",
             {from + "self_attn.q_proj", from + "self_attn.k_proj", from + "self_attn.v_proj"});
      linear(to + "self_attention/linear_1", {from + "self_attn.out_proj"});
      norm(to + "self_attention/layer_norm", from + "self_attn_layer_norm");
      if (side == "decoder") {
        linear(to + "attention/linear_0", {from + "encoder_attn.q_proj"});
        linear(to + "attention/linear_1", {from + "encoder_attn.k_proj", from + "encoder_attn.v_proj"});
        linear(to + "attention/linear_2", {from + "encoder_attn.out_proj"});
        norm(to + "attention/layer_norm", from + "encoder_attn_layer_norm");
      }
      linear(to + "ffn/linear_0", {from + "fc1"});
      linear(to + "ffn/linear_1", {from + "fc2"});
      norm(to + "ffn/layer_norm", from + "final_layer_norm");
    }
  }
  out.scalar("encoder/num_heads", static_cast<std::int16_t>(c.encoder_heads));
  out.scalar("decoder/num_heads", static_cast<std::int16_t>(c.decoder_heads));
  out.scalar("decoder/activation", 3);
  out.scalar("decoder/pre_norm", 1);
  out.scalar("decoder/scale_embeddings", 0);
  out.scalar("decoder/alibi", 0);
  out.scalar("decoder/alignment_heads", 1);
  return out;
}

inline void write_ct2(const Path& folder, const Ct2Content& content) {
  const auto raw = [](auto value) { return std::string(reinterpret_cast<const char*>(&value), sizeof value); };
  const auto text = [&](const std::string& s) {
    return raw(static_cast<std::uint16_t>(s.size() + 1)) + s + std::string(1, '\0');
  };
  const auto u32 = [&](std::size_t n) { return raw(static_cast<std::uint32_t>(n)); };
  std::string out = u32(6) + text("WhisperSpec") + u32(3) + u32(content.tensors.size());
  for (const auto& [name, t] : content.tensors) {
    out += text(name) + raw(static_cast<std::uint8_t>(t.shape.size()));
    for (const std::int64_t dim : t.shape) out += u32(static_cast<std::size_t>(dim));
    out += raw(t.type) + u32(t.bytes.size()) + t.bytes;
  }
  out += u32(content.aliases.size());
  for (const auto& [name, target] : content.aliases) out += text(name) + text(target);
  make_folder(folder);
  write_file(folder / "model.bin", out);
  write_file(folder / "config.json", R"({"suppress_ids": [1, 2], "suppress_ids_begin": [5, 16], "lang_ids": [18, 19],
                                         "alignment_heads": [[0, 3]]})");
  write_file(folder / "tokenizer.json", to_text(tiny_tokenizer()));
}

}  // namespace sori::testing
