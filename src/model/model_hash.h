// Names a model without reading gigabytes.
#pragma once

#include "formats/tensor_file.h"
#include "model/config.h"

namespace sori {

// SHA-256 over the config and each tensor's name, type, shape and sixteen pieces of 64 bytes, evenly spaced. Training
// changes all numbers of what it trains, so models that were trained differently differ in it; an edit of single bytes
// may escape it.
std::string model_hash(const WhisperConfig& config, const TensorFile& file);

}  // namespace sori
