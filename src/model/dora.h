// DoRA (Liu et al., "DoRA: weight-decomposed low-rank adaptation", ICML 2024; PEFT's use_dora):
// W' = m (W + scale B A) / ||W + scale B A||, norms over each output's row, m learnt. The norm is a constant to
// backward (section 4.3), so it is measured where A and B have changed, once a step, and products see one number an
// output, m / norm (Epilogue::gain).
#pragma once

#include "model/linear.h"
#include "model/whisper.h"

namespace sori {

// What an output is multiplied by. Of a row of zeros, which has no direction, nothing.
inline float dora_gain(float magnitude, double norm) { return norm > 0 ? static_cast<float>(magnitude / norm) : 0.0f; }

// What a layer's norms are measured in; of the largest layer.
struct DoraScratch {
  Mat row;       // [1, in] f32 of W
  Mat a;         // [R, in] compute
  Mat gram;      // [R, R] compute: A A^T
  Mat products;  // [R, out] f32: A (W + scale / 2 B A)^T
};
DoraScratch carve_dora(Carver& c, Whisper& model, DType compute);

// Gains and the base's norms lie with the weights.
void carve_gains(Carver& c, Whisper& model);

// The three do nothing to adapters without a magnitude.
// The base's norms, once it has its numbers.
void measure_base(const Pass& p, Whisper& model, const DoraScratch& t);
// m = ||W + scale B A||: the model begins as it would without DoRA.
void start_magnitudes(const Pass& p, Whisper& model, const DoraScratch& t);
// What products read, after each change of A, B or m.
void refresh_gains(const Pass& p, Whisper& model, const DoraScratch& t);

}  // namespace sori
