#include "model/decoder.h"

#include "model/layer_pages.h"

namespace sori {
namespace {

DecoderLayerSaved carve_layer(Carver& c, const DecoderLayer& l, const SideLimits& d, std::int64_t audio_rows,
                              bool recomputed) {
  DecoderLayerSaved s;
  s.self = carve_attention_saved(c, l.self_attn, d, d.rows);
  s.after_self = c.mat(DType::kF32, d.rows, d.width);
  s.cross = carve_attention_saved(c, l.encoder_attn, d, audio_rows);
  s.after_cross = c.mat(DType::kF32, d.rows, d.width);
  s.mlp = carve_mlp_saved(c, l.fc1, l.fc2, l.final_layer_norm, d, recomputed);
  return s;
}

// Both attentions: x -> s.after_cross.
void attentions_forward(const Pass& p, const DecoderLayer& l, const Batch& b, ConstMat x, ConstMat states,
                        DecoderLayerSaved& s, const LayerScratch& t) {
  const Mat after_self = s.after_self.top(x.rows), after_cross = s.after_cross.top(x.rows);
  self_attention_forward(p, l.self_attn, l.self_attn_layer_norm, x, b.text, b.text_self, /*causal=*/true, s.self, t,
                         after_self);
  cross_attention_forward(p, l.encoder_attn, l.encoder_attn_layer_norm, after_self, b.text, states, b.audio, b.cross,
                          s.cross, t, after_cross);
}

void layer_forward(const Pass& p, const DecoderLayer& l, const Batch& b, ConstMat x, ConstMat states,
                   DecoderLayerSaved& s, const LayerScratch& t, Mat y) {
  attentions_forward(p, l, b, x, states, s, t);
  mlp_forward(p, l.fc1, l.fc2, l.final_layer_norm, s.after_cross.top(x.rows), b.text, s.mlp, t, y);
}

// What backward wants of forward: everything but the layer's output.
void layer_recompute(const Pass& p, const DecoderLayer& l, const Batch& b, ConstMat x, ConstMat states,
                     DecoderLayerSaved& s, const LayerScratch& t) {
  attentions_forward(p, l, b, x, states, s, t);
  mlp_recompute(p, l.fc1, l.fc2, l.final_layer_norm, s.after_cross.top(x.rows), b.text, s.mlp, t);
}

void layer_backward(const Pass& p, DecoderLayer& l, const Batch& b, ConstMat x, ConstMat states, DecoderLayerSaved& s,
                    const LayerScratch& t, Mat dx, Mat dstates) {
  const Mat after_self = s.after_self.top(x.rows), after_cross = s.after_cross.top(x.rows);
  mlp_backward(p, l.fc1, l.fc2, l.final_layer_norm, after_cross, b.text, s.mlp, t, dx);
  cross_attention_backward(p, l.encoder_attn, l.encoder_attn_layer_norm, after_self, b.text, states, b.audio, b.cross,
                           s.cross, t, dx, dstates);
  self_attention_backward(p, l.self_attn, l.self_attn_layer_norm, x, b.text, b.text_self, /*causal=*/true, s.self, t,
                          dx);
}

}  // namespace

std::int64_t lowest_learning(Decoder& d, bool encoder_learns) {
  if (encoder_learns || d.embed_tokens.weight.trainable || d.embed_positions.weight.trainable) return 0;
  for (std::size_t i = 0; i < d.layers.size(); ++i) {
    bool any = false;
    for_each_parameter(d.layers[i], [&](const std::string&, Parameter& q) { any |= q.trainable; });
    if (any) return static_cast<std::int64_t>(i);
  }
  return std::ssize(d.layers);
}

DecoderSaved carve_decoder_saved(Carver& c, const Decoder& d, const SideLimits& text, Keep keep) {
  DecoderSaved s;
  const std::size_t inputs = keep == Keep::kNothing ? 2 : d.layers.size() + 1;
  for (std::size_t i = 0; i < inputs; ++i) s.stack.x.push_back(c.mat(text.compute, text.rows, text.width));
  s.norm = carve_norm_saved(c, text);
  return s;
}

void carve_decoder_layers(Carver& c, const Decoder& d, const SideLimits& text, std::int64_t audio_rows, Keep keep,
                          DecoderSaved& s) {
  const bool all = keep == Keep::kEverything;
  for (const DecoderLayer& layer : all ? d.layers : std::vector{with_all_that_learns(d.layers)})
    s.stack.layers.push_back(carve_layer(c, layer, text, audio_rows, keep == Keep::kInputs));
}

void decoder_forward(const Pass& p, const Decoder& d, const Batch& b, ConstMat states, DecoderSaved& s,
                     const LayerScratch& t) {
  const std::int64_t n = b.text.total;
  p.backend.embed(d.embed_tokens.weight.weight, b.tokens, d.embed_positions.weight.weight, b.text.places,
                  s.stack.input(0, n));
  for (std::size_t i = 0; i < d.layers.size(); ++i) {
    layer_forward(p, d.layers[i], b, s.stack.input(i, n), states, s.stack.at(i), t, s.stack.input(i + 1, n));
    if (p.drop) p.drop->drop_decoder(i);
  }
  norm_forward(p, d.layer_norm, s.stack.input(d.layers.size(), n), s.norm);
}

void decoder_backward(const Pass& p, Decoder& d, const Batch& b, ConstMat states, DecoderSaved& s,
                      const LayerScratch& t, ConstMat dy, Mat dx, Mat dstates) {
  const std::int64_t n = b.text.total;
  set_zero(dx);
  norm_backward(p, d.layer_norm, s.stack.input(d.layers.size(), n), s.norm, dy, dx);
  for (std::int64_t i = std::ssize(d.layers) - 1; i >= lowest_learning(d, !dstates.empty()); --i) {
    const auto layer = static_cast<std::size_t>(i);
    const Mat x = s.stack.input(layer, n);
    if (s.stack.recomputes()) layer_recompute(p, d.layers[layer], b, x, states, s.stack.at(layer), t);
    layer_backward(p, d.layers[layer], b, x, states, s.stack.at(layer), t, dx, dstates);
    if (p.drop) p.drop->drop_decoder(layer);
  }
  if (d.embed_tokens.weight.trainable) p.backend.add_rows_backward(dx, b.tokens, d.embed_tokens.weight.gradient);
  p.finished(d.embed_tokens.weight);
  if (d.embed_positions.weight.trainable)
    p.backend.add_rows_backward(dx, b.text.places, d.embed_positions.weight.gradient);
  p.finished(d.embed_positions.weight);
}

}  // namespace sori
