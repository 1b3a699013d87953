// A model without a file: its frozen weights in the format they would have, for plans.
#pragma once

#include "export/quantise.h"
#include "model/whisper.h"

namespace sori {

// Linear layers as `base`, the embedding as int8 where `int8_embedding`, other matrices in bf16 where `base` is a
// quantised format. Trainable weights stay as they are.
void assume_base(Whisper& model, const std::string& base, bool int8_embedding);
void assume_base(Whisper& model, const Quantisation& how);

}  // namespace sori
