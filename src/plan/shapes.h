// A model without a file: its frozen weights in the format they would have, for plans.
#pragma once

#include "model/whisper.h"

namespace sori {

// Linear layers as `base` (f32, f16, bf16, int8, nf4), the embedding as int8 where `int8_embedding`, other matrices in
// bf16 at most. Trainable weights stay as they are.
void assume_base(Whisper& model, const std::string& base, bool int8_embedding);

}  // namespace sori
