// One forward and backward of the whole model over a ragged batch.
#pragma once

#include "model/decoder.h"
#include "model/dora.h"
#include "model/lora.h"

namespace sori {

// Memory of learning, without weights: what forward keeps, scratch, and the gradients that flow between layers.
struct LearnMemory {
  Mat mel;  // [Nf, M] f32: fill it before forward
  EncoderSaved encoder;
  DecoderSaved decoder;
  LayerScratch scratch;
  ConvScratch convolutions;
  DoraScratch dora;
  Mat dstates;              // [Na, C] f32; empty where the encoder learns nothing
  Mat dx;                   // [max(Na, Nt), C] f32: the residual stream's gradient
  Mat dy;                   // [Nt, C] f32: of what the decoder returns
  std::span<float> losses;  // [Nt]
};

// Also takes the backend's own scratch.
LearnMemory carve_learning(Carver& c, Whisper& model, Backend& backend, const BatchLimits& limits, Keep keep);

struct Loss {
  float scale = 1;  // of the gradient: 1 / all target tokens of the optimizer step
  float label_smoothing = 0;
};

// Sum of the batch's token losses (not scaled); gradients of what learns are added to. There is no backward from a sum
// that is not a number.
double forward_backward(const Pass& p, Whisper& model, const Batch& b, const Loss& loss, LearnMemory& m);
// The same where m.encoder.norm.y holds the audio states already. Nothing of the encoder may learn.
double forward_backward_from_states(const Pass& p, Whisper& model, const Batch& b, const Loss& loss, LearnMemory& m);
// The sum alone, without dropout's and backward's memory being touched.
double forward_loss(const Pass& p, Whisper& model, const Batch& b, const Loss& loss, LearnMemory& m);
double forward_loss_from_states(const Pass& p, Whisper& model, const Batch& b, const Loss& loss, LearnMemory& m);

}  // namespace sori
