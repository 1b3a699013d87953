// Memory filled with random numbers, for measurements: nothing of a model, a file or a data set is needed.
#pragma once

#include <string_view>

#include "model/whisper.h"
#include "tensor/carver.h"

namespace sori {

inline constexpr float kNoiseDeviation = 0.02F;  // of weights

// Matrices of numbers (f32, f16, bf16) and weights in any format. `number` tells one from another.
Mat carve_noise(Carver& c, DType type, std::int64_t rows, std::int64_t cols, std::uint64_t number, float deviation);
BaseWeight carve_noise(Carver& c, std::string_view format, std::int64_t rows, std::int64_t cols, std::uint64_t number);

// All weights of a model whose frozen ones have the formats that they shall have (plan/shapes.h), gradients included:
// matrices of noise, norms that change nothing, adapters as they begin.
void carve_noise(Carver& c, Whisper& model);

}  // namespace sori
