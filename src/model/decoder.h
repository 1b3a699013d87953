// The decoder: text tokens and audio states to states from which the next token is predicted.
#pragma once

#include "model/encoder.h"

namespace sori {

struct DecoderLayerSaved {
  AttentionSaved self;
  Mat after_self;  // [N, C] f32: the residual stream
  AttentionSaved cross;
  Mat after_cross;  // [N, C] f32
  MlpSaved mlp;
};

struct DecoderSaved {
  StackSaved<DecoderLayerSaved> stack;
  NormSaved norm;  // norm.y [N, C] compute is the result
};

// Index of the lowest layer that learns; 0 when an embedding or the encoder below does, layers.size() when none does.
// Backward stops there.
std::int64_t lowest_learning(Decoder& d, bool encoder_learns);

// Everything but the layers, and then those.
DecoderSaved carve_decoder_saved(Carver& c, const Decoder& d, const SideLimits& text, Keep keep);
void carve_decoder_layers(Carver& c, const Decoder& d, const SideLimits& text, std::int64_t audio_rows, Keep keep,
                          DecoderSaved& s);

// b.tokens and states [Na, C] compute -> s.norm.y [Nt, C] compute.
void decoder_forward(const Pass& p, const Decoder& d, const Batch& b, ConstMat states, DecoderSaved& s,
                     const LayerScratch& t);
// dy [Nt, C] f32, the gradient of s.norm.y. Adds the parameters' gradients, and into dstates [Na, C] f32 (empty: the
// encoder learns nothing). dx [Nt, C] f32: the residual stream's gradient, overwritten.
void decoder_backward(const Pass& p, Decoder& d, const Batch& b, ConstMat states, DecoderSaved& s,
                      const LayerScratch& t, ConstMat dy, Mat dx, Mat dstates);

}  // namespace sori
