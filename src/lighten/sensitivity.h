// How much a model minds that a layer is stored in fewer bits.
//
// A change d of the weights raises the loss by g.d + 1/2 d.H d + ... (LeCun, Denker, Solla, "Optimal brain damage",
// 1989). Near a minimum g is small, H is near the Fisher information, and of that the diagonal is taken: the squared
// gradient of each sample, added up (Kim et al., "SqueezeLLM: dense-and-sparse quantization", 2024, section 4.1;
// Zandonati et al., "FIT: a metric for model sensitivity", 2023, sum it over a layer as here). So no layer needs a
// forward of its own.
#pragma once

#include "lighten/calibration.h"

namespace sori {

struct LayerSensitivity {
  NamedShape weight;          // of the linear layer: [out, in]
  std::vector<double> rises;  // by format: of the mean loss of a token, 1/2 sum of g^2 d^2 / tokens
};

struct Sensitivity {
  std::vector<std::string> formats;
  std::vector<LayerSensitivity> layers;  // in the model's order
  double loss = 0;                       // mean of a token, of the model as it is
  std::int64_t tokens = 0;
};

// g is the gradient of the sum of a sample's token losses, in f32; d is what a format changes of a weight. Each weight
// is quantised anew for each sample: the memory is that of one layer and its gradient, beside the mapped file. The
// model is unquantised. Equal input gives equal numbers. Error kNumeric where a loss is not a number.
Sensitivity measure_sensitivity(const WhisperConfig& config, const TensorFile& file, const Calibration& calibration,
                                const std::vector<std::string>& formats, const CalibrationProgress& progress = {});

// Bytes that this takes beside the mapped file, of which no more than two layers are there at a time.
std::uint64_t sensitivity_bytes(const WhisperConfig& config, const TensorFile& file, const Calibration& calibration,
                                const std::vector<std::string>& formats);

}  // namespace sori
