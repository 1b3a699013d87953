#include "model/whisper.h"

#include <charconv>

#include "base/options.h"

namespace sori {
namespace {

Linear linear(std::int64_t out, std::int64_t in, bool bias = true) {
  Linear l;
  l.weight.shape = {out, in};
  if (bias) l.bias.shape = {out};
  return l;
}

LayerNorm layer_norm(std::int64_t width) {
  LayerNorm n;
  n.weight.shape = n.bias.shape = {width};
  return n;
}

Conv1d convolution(std::int64_t out, std::int64_t in) {
  Conv1d c;
  c.weight.shape = {out, in, 3};
  c.bias.shape = {out};
  return c;
}

Attention attention(std::int64_t width, int heads) {
  Attention a;
  a.q_proj = linear(width, width);
  a.k_proj = linear(width, width, /*bias=*/false);
  a.v_proj = linear(width, width);
  a.out_proj = linear(width, width);
  a.heads = heads;
  return a;
}

EncoderLayer encoder_layer(const WhisperConfig& c) {
  EncoderLayer l;
  l.self_attn = attention(c.d_model, c.encoder_heads);
  l.fc1 = linear(c.encoder_ffn, c.d_model);
  l.fc2 = linear(c.d_model, c.encoder_ffn);
  l.self_attn_layer_norm = l.final_layer_norm = layer_norm(c.d_model);
  for_each_linear(l, [](const std::string&, Linear& each) { each.reads_audio = true; });
  return l;
}

DecoderLayer decoder_layer(const WhisperConfig& c) {
  DecoderLayer l;
  l.self_attn = l.encoder_attn = attention(c.d_model, c.decoder_heads);
  l.encoder_attn.k_proj.reads_audio = l.encoder_attn.v_proj.reads_audio = true;
  l.fc1 = linear(c.decoder_ffn, c.d_model);
  l.fc2 = linear(c.d_model, c.decoder_ffn);
  l.self_attn_layer_norm = l.encoder_attn_layer_norm = l.final_layer_norm = layer_norm(c.d_model);
  return l;
}

const std::string kLast = "last-";

// N of "last-N"; nothing for another word.
std::optional<std::int64_t> last_layers(const std::string& part) {
  std::int64_t n = 0;
  const char* end = part.data() + part.size();
  if (!part.starts_with(kLast)) return std::nullopt;
  const auto [stop, error] = std::from_chars(part.data() + kLast.size(), end, n);
  return error == std::errc{} && stop == end ? std::optional(n) : std::nullopt;
}

void check_part(const std::string& part, const WhisperConfig& c) {
  const std::int64_t most = std::max(c.encoder_layers, c.decoder_layers);
  if (const auto n = last_layers(part)) {
    if (*n >= 1 && *n <= most) return;
    throw Error{ErrorKind::kUsage, fmt::format("a side of this model has at most {} layers", most),
                "--trainable " + part, fmt::format("give last-1 to last-{}", most)};
  }
  if (part == "all" || part == "norms" || part == "biases") return;
  const std::string near = nearest_name(part, {"all", "norms", "biases", "last-1"});
  throw Error{ErrorKind::kUsage, fmt::format("\"{}\" names no part of a model", part), "--trainable",
              near.empty() ? "use all, last-N, norms or biases" : fmt::format("did you mean {}?", near)};
}

// Layer 3 of "model.encoder.layers.3.fc1.weight"; -1 outside the layers.
std::int64_t layer_of(const std::string& name) {
  const std::size_t at = name.find(".layers.");
  std::int64_t layer = -1;
  if (at != std::string::npos) std::from_chars(name.data() + at + 8, name.data() + name.size(), layer);
  return layer;
}

bool names(const std::string& part, const std::string& name, const WhisperConfig& c) {
  if (part == "all") return true;
  if (part == "norms") return name.find("layer_norm.") != std::string::npos;
  if (part == "biases") return name.ends_with(".bias");
  const std::int64_t layers = in_scope(name, "encoder") ? c.encoder_layers : c.decoder_layers;
  const std::int64_t layer = layer_of(name);
  return layer >= 0 && layer >= layers - *last_layers(part);
}

}  // namespace

Whisper make_whisper(const WhisperConfig& c) {
  Whisper w;
  w.config = c;
  w.encoder.conv1 = convolution(c.d_model, c.mel_bins);
  w.encoder.conv2 = convolution(c.d_model, c.d_model);
  w.encoder.embed_positions.weight.shape = {c.max_source_positions, c.d_model};
  w.encoder.layers.assign(static_cast<std::size_t>(c.encoder_layers), encoder_layer(c));
  w.decoder.embed_tokens.weight.shape = {c.vocab_size, c.d_model};
  w.decoder.embed_positions.weight.shape = {c.max_target_positions, c.d_model};
  w.decoder.layers.assign(static_cast<std::size_t>(c.decoder_layers), decoder_layer(c));
  w.encoder.layer_norm = w.decoder.layer_norm = layer_norm(c.d_model);
  return w;
}

void train_everything(Whisper& model, DType matrices) {
  for_each_parameter(model, [&](const std::string&, Parameter& p) {
    p.trainable = true;
    if (p.shape.size() > 1) p.type = matrices;
  });
  model.encoder.embed_positions.weight.trainable = false;
}

void freeze_others(Whisper& model, const std::vector<std::string>& parts, const std::string& scope) {
  for (const std::string& part : parts) check_part(part, model.config);
  for_each_parameter(model, [&](const std::string& name, Parameter& p) {
    const auto named = [&](const std::string& part) { return names(part, name, model.config); };
    p.trainable = p.trainable && in_scope(name, scope) && std::any_of(parts.begin(), parts.end(), named);
  });
}

bool in_scope(const std::string& name, const std::string& scope) {
  return scope == "both" || name.starts_with("model." + scope + ".");
}

void keep_little(Whisper& model, DType moments, bool fused_step) {
  for_each_parameter(model, [&](const std::string&, Parameter& p) {
    if (!p.trainable) return;
    if (p.learning_size() >= kLeastCoded) p.moments = moments;
    p.shares_gradient = fused_step && p.shape.size() > 1 && &p != &model.decoder.embed_tokens.weight;
  });
}

}  // namespace sori
