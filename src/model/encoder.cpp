#include "model/encoder.h"

#include <cstring>

#include "model/layer_pages.h"

namespace sori {
namespace {

EncoderLayerSaved carve_layer(Carver& c, const EncoderLayer& l, const SideLimits& d, bool recomputed) {
  EncoderLayerSaved s;
  s.attention = carve_attention_saved(c, l.self_attn, d, d.rows);
  s.middle = c.mat(DType::kF32, d.rows, d.width);
  s.mlp = carve_mlp_saved(c, l.fc1, l.fc2, l.final_layer_norm, d, recomputed);
  return s;
}

ConvSaved carve_conv(Carver& c, const Conv1d& conv, const SideLimits& d, std::int64_t rows) {
  ConvSaved s;
  s.columns = c.mat(d.compute, rows, conv.weight.cols());
  if (conv.trainable()) s.pre = c.mat(d.compute, rows, d.width);
  s.y = c.mat(d.compute, rows, d.width);
  return s;
}

// x [N, in] -> s.y [N', C] = gelu(conv(x)).
void conv_forward(const Pass& p, const Conv1d& conv, ConstMat x, const Rows& from, const Rows& to, std::int64_t stride,
                  const ConvSaved& s) {
  const Mat columns = s.columns.top(to.total);
  p.backend.unfold(x, from.spans, to.spans, stride, columns);
  p.backend.linear(columns, conv.weight.weight,
                   {.bias = conv.bias.vector(), .saved = s.pre.top(to.total), .gelu = true}, s.y.top(to.total));
}

// dy [N', C] f32 -> t.dpre, and the gradients of weight and bias.
Mat conv_backward(const Pass& p, Conv1d& conv, const Rows& to, const ConvSaved& s, const ConvScratch& t, ConstMat dy) {
  const Mat dpre = t.dpre.top(to.total);
  p.backend.gelu_backward(s.pre.top(to.total), dy, dpre);
  p.backend.weight_gradient(dpre, s.columns.top(to.total), 1, conv.weight.gradient, conv.bias.gradient_vector());
  return dpre;
}

void layer_forward(const Pass& p, const EncoderLayer& l, const Batch& b, ConstMat x, EncoderLayerSaved& s,
                   const LayerScratch& t, Mat y) {
  const Mat middle = s.middle.top(x.rows);
  self_attention_forward(p, l.self_attn, l.self_attn_layer_norm, x, b.audio, b.audio_self, /*causal=*/false,
                         s.attention, t, middle);
  mlp_forward(p, l.fc1, l.fc2, l.final_layer_norm, middle, b.audio, s.mlp, t, y);
}

// What backward wants of forward: everything but the layer's output.
void layer_recompute(const Pass& p, const EncoderLayer& l, const Batch& b, ConstMat x, EncoderLayerSaved& s,
                     const LayerScratch& t) {
  const Mat middle = s.middle.top(x.rows);
  self_attention_forward(p, l.self_attn, l.self_attn_layer_norm, x, b.audio, b.audio_self, /*causal=*/false,
                         s.attention, t, middle);
  mlp_recompute(p, l.fc1, l.fc2, l.final_layer_norm, middle, b.audio, s.mlp, t);
}

void layer_backward(const Pass& p, EncoderLayer& l, const Batch& b, ConstMat x, EncoderLayerSaved& s,
                    const LayerScratch& t, Mat dx) {
  const Mat middle = s.middle.top(x.rows);
  mlp_backward(p, l.fc1, l.fc2, l.final_layer_norm, middle, b.audio, s.mlp, t, dx);
  self_attention_backward(p, l.self_attn, l.self_attn_layer_norm, x, b.audio, b.audio_self, /*causal=*/false,
                          s.attention, t, dx);
}

}  // namespace

void set_zero(Mat m) {
  for (std::int64_t r = 0; r < m.rows; ++r)
    std::memset(static_cast<char*>(m.data) + static_cast<std::size_t>(r * m.stride) * size_of(m.type), 0,
                static_cast<std::size_t>(m.cols) * size_of(m.type));
}

EncoderSaved carve_encoder_saved(Carver& c, const Encoder& e, const SideLimits& d, std::int64_t frame_rows, Keep keep) {
  EncoderSaved s;
  const std::size_t inputs = keep == Keep::kNothing ? 2 : e.layers.size() + 1;
  for (std::size_t i = 0; i < inputs; ++i) s.stack.x.push_back(c.mat(d.compute, d.rows, d.width));
  s.norm = carve_norm_saved(c, d);
  const auto convolutions = [&] {
    s.conv1 = carve_conv(c, e.conv1, d, frame_rows);
    s.conv2 = carve_conv(c, e.conv2, d, d.rows);
  };
  if (e.conv1.trainable() || e.conv2.trainable()) {
    convolutions();
  } else {  // over before the first layer begins: the layers may take the same memory
    const Carver::Scope free_again(c);
    convolutions();
  }
  return s;
}

void carve_encoder_layers(Carver& c, const Encoder& e, const SideLimits& d, Keep keep, EncoderSaved& s) {
  const bool all = keep == Keep::kEverything;
  for (const EncoderLayer& layer : all ? e.layers : std::vector{with_all_that_learns(e.layers)})
    s.stack.layers.push_back(carve_layer(c, layer, d, keep == Keep::kInputs));
}

ConvScratch carve_conv_scratch(Carver& c, const Encoder& e, const SideLimits& d, std::int64_t frame_rows) {
  ConvScratch t;
  if (!e.conv1.trainable() && !e.conv2.trainable()) return t;
  t.dpre = c.mat(d.compute, frame_rows, d.width);
  t.dcolumns = c.mat(DType::kF32, d.rows, e.conv2.weight.cols());
  t.dy = c.mat(DType::kF32, frame_rows, d.width);
  return t;
}

std::int64_t lowest_learning(Encoder& e) {
  if (e.conv1.trainable() || e.conv2.trainable()) return -1;
  const auto learns = [](auto& module) {
    bool any = false;
    for_each_parameter(module, [&](const std::string&, Parameter& q) { any |= q.trainable; });
    return any;
  };
  for (std::size_t i = 0; i < e.layers.size(); ++i)
    if (learns(e.layers[i])) return static_cast<std::int64_t>(i);
  return static_cast<std::int64_t>(e.layers.size()) + (learns(e.layer_norm) ? 0 : 1);
}

void encoder_forward(const Pass& p, const Encoder& e, const Batch& b, ConstMat mel, EncoderSaved& s,
                     const LayerScratch& t) {
  const std::int64_t n = b.audio.total;
  conv_forward(p, e.conv1, mel, b.frames, b.frames, 1, s.conv1);
  conv_forward(p, e.conv2, s.conv1.y.top(b.frames.total), b.frames, b.audio, 2, s.conv2);
  p.backend.add_rows(s.conv2.y.top(n), e.embed_positions.weight.weight, b.audio.places, s.stack.input(0, n));
  for (std::size_t i = 0; i < e.layers.size(); ++i) {
    layer_forward(p, e.layers[i], b, s.stack.input(i, n), s.stack.at(i), t, s.stack.input(i + 1, n));
    if (p.drop) p.drop->drop_encoder(i);
  }
  norm_forward(p, e.layer_norm, s.stack.input(e.layers.size(), n), s.norm);
}

void encoder_backward(const Pass& p, Encoder& e, const Batch& b, EncoderSaved& s, const LayerScratch& t,
                      const ConvScratch& ct, ConstMat dstates, Mat dx) {
  const std::int64_t n = b.audio.total, lowest = lowest_learning(e);
  set_zero(dx);
  norm_backward(p, e.layer_norm, s.stack.input(e.layers.size(), n), s.norm, dstates, dx);
  for (std::int64_t i = std::ssize(e.layers) - 1; i >= std::max<std::int64_t>(lowest, 0); --i) {
    const auto layer = static_cast<std::size_t>(i);
    const Mat x = s.stack.input(layer, n);
    if (s.stack.recomputes()) layer_recompute(p, e.layers[layer], b, x, s.stack.at(layer), t);
    layer_backward(p, e.layers[layer], b, x, s.stack.at(layer), t, dx);
    if (p.drop) p.drop->drop_encoder(layer);
  }
  if (lowest >= 0) return;
  // The positions are constants: d(x0) is d(conv2.y).
  const Mat dpre2 = conv_backward(p, e.conv2, b.audio, s.conv2, ct, dx);
  const Mat dcolumns = ct.dcolumns.top(n), dy1 = ct.dy.top(b.frames.total);
  p.backend.linear_backward(dpre2, e.conv2.weight.weight, /*add=*/false, dcolumns);
  p.finished(e.conv2.weight);
  p.finished(e.conv2.bias);
  set_zero(dy1);
  p.backend.unfold_backward(dcolumns, b.frames.spans, b.audio.spans, 2, dy1);
  conv_backward(p, e.conv1, b.frames, s.conv1, ct, dy1);
  p.finished(e.conv1.weight);
  p.finished(e.conv1.bias);
}

}  // namespace sori
