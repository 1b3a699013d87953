// The encoder: log-mel frames to audio states.
#pragma once

#include "model/sublayers.h"
#include "model/whisper.h"

namespace sori {

// What forward keeps for backward. Recomputed layers give equal bits, because they run the same code on the same
// inputs.
enum class Keep {
  kEverything,  // each layer's activations
  kInputs,      // each layer's input; backward runs the layer's forward again
  kNothing      // no backward will follow
};

// The memory of a stack of layers under a policy: layer i's input x(i), and its activations.
template <class LayerSaved>
struct StackSaved {
  std::vector<Mat> x;              // [N, C] compute; layers + 1 of them, or two taking turns if nothing is kept
  std::vector<LayerSaved> layers;  // one each, or one for all

  Mat input(std::size_t layer, std::int64_t rows) const { return x[layer % x.size()].row_range(0, rows); }
  LayerSaved& at(std::size_t layer) { return layers[layer % layers.size()]; }
  bool recomputes() const { return layers.size() < x.size() - 1; }
};

// A layer whose linear layers learn wherever one of the layers' do, and have an adapter wherever one has: what is
// carved for it serves them all in turn.
template <class Layer>
Layer with_all_that_learns(std::vector<Layer> layers) {
  Layer all = layers.front();
  std::vector<Linear*> linears;
  for_each_linear(all, [&](const std::string&, Linear& l) { linears.push_back(&l); });
  for (Layer& layer : layers) {
    std::size_t i = 0;
    for_each_linear(layer, [&](const std::string&, Linear& l) {
      Linear& shared = *linears[i++];
      if (l.lora && !shared.lora) shared.lora = l.lora;
      shared.weight.trainable |= l.weight.trainable;
      shared.bias.trainable |= l.bias.trainable;
    });
  }
  return all;
}

struct EncoderLayerSaved {
  AttentionSaved attention;
  Mat middle;  // [N, C] f32: the residual stream between the two branches
  MlpSaved mlp;
};

struct ConvSaved {
  Mat columns;  // [N, in * 3] compute
  Mat pre;      // [N, C] compute, before the GELU; only if the convolution learns
  Mat y;        // [N, C] compute
};

struct EncoderSaved {
  ConvSaved conv1, conv2;
  StackSaved<EncoderLayerSaved> stack;
  NormSaved norm;  // norm.y is the result: the audio states [N, C] compute
};

// Gradients that only learning convolutions need.
struct ConvScratch {
  Mat dpre;      // [2N, C] compute
  Mat dcolumns;  // [N, C * 3] f32
  Mat dy;        // [2N, C] f32
};

// Everything but the layers, and then those: between the two, others may take and give back memory that the layers
// use too.
EncoderSaved carve_encoder_saved(Carver& c, const Encoder& e, const SideLimits& audio, std::int64_t frame_rows,
                                 Keep keep);
void carve_encoder_layers(Carver& c, const Encoder& e, const SideLimits& audio, Keep keep, EncoderSaved& s);
ConvScratch carve_conv_scratch(Carver& c, const Encoder& e, const SideLimits& audio, std::int64_t frame_rows);

// Index of the lowest layer that learns; -1 when a convolution does, layers.size() when only the last norm does, and
// layers.size() + 1 when nothing does. Backward stops there.
std::int64_t lowest_learning(Encoder& e);

// mel [Nf, M] f32 -> s.norm.y [Na, C] compute.
void encoder_forward(const Pass& p, const Encoder& e, const Batch& b, ConstMat mel, EncoderSaved& s,
                     const LayerScratch& t);
// dstates [Na, C] f32 -> gradients of the parameters. dx [Na, C] f32: the residual stream's gradient, overwritten.
void encoder_backward(const Pass& p, Encoder& e, const Batch& b, EncoderSaved& s, const LayerScratch& t,
                      const ConvScratch& ct, ConstMat dstates, Mat dx);

void set_zero(Mat m);

}  // namespace sori
