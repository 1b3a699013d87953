// Gives a model its memory and its numbers.
#pragma once

#include "formats/tensor_file.h"
#include "model/whisper.h"

namespace sori {

// Takes what the model keeps of its own: values and gradients of what learns, f32 copies of vectors, and copies of
// what does not lie aligned in the file. Other frozen weights, quantised ones among them (model/stored_weight.h), stay
// where they are: the file must outlive the model.
// Called with a counting carver first, then for real; the second call fills in the numbers. Adapters are not in the
// file: they get memory here and numbers from init_lora or load_adapter, and what DoRA measures from model/dora.h.
// Error kInput for a missing tensor or another shape, kNumeric for NaN or infinity, kUsage where something quantised
// shall learn.
void load_weights(Carver& carver, Whisper& model, const TensorFile& file);

// The memory that load_weights would take, without a file: for plans. Frozen matrices count as lying aligned in one.
void count_weights(Carver& carver, Whisper& model);

// Puts a file's adapter tensors into adapters that have memory. Error kInput where they do not fit each other exactly.
void load_adapter(Whisper& model, const TensorFile& adapter);

}  // namespace sori
