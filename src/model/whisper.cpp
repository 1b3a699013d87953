#include "model/whisper.h"

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

void keep_little(Whisper& model, DType moments, bool fused_step) {
  for_each_parameter(model, [&](const std::string&, Parameter& p) {
    if (!p.trainable) return;
    if (p.learning_size() >= kLeastCoded) p.moments = moments;
    p.shares_gradient = fused_step && p.shape.size() > 1 && &p != &model.decoder.embed_tokens.weight;
  });
}

}  // namespace sori
