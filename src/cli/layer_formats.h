// A format for each layer of a base: how much each minds fewer bits is measured on a few utterances, and under a budget
// of bytes those that mind most get more. It is what --base auto of sori quantize does, and of a run that 16 bits do
// not fit.
#pragma once

#include "cli/calibration_data.h"
#include "export/quantise.h"
#include "lighten/choose_formats.h"
#include "lighten/sensitivity.h"
#include "plan/choose_base.h"

namespace sori {

// Bytes of all linear layers, in 16 bits or each in what takes least.
struct LayerBytes {
  std::uint64_t sixteen = 0, least = 0;
};
LayerBytes layer_bytes(const WhisperConfig& config);

Sensitivity measure_sensitivity(const ModelFolder& model, const CalibrationData& data, Log& log);

struct ChosenFormats {
  LayerFormats layers;
  std::uint64_t bytes = 0;  // of all linear layers
  double rise = 0;          // of the loss, as expected
  Json record{};            // the choice and what it follows from
  std::string text{};       // the same in a line
};
ChosenFormats choose_layer_formats(const Sensitivity& s, const FormatBudget& budget);

// A row a layer of encoder and decoder, a column a kind of matrix.
std::string format_table(const LayerFormats& layers, const WhisperConfig& config);

// Why all layers of a run have one format, whatever fits; empty where each may have its own.
std::string why_one_format(const TrainOptions& options);

// A run's base with a format for each layer.
struct BaseByLayer {
  BaseChoice base;
  ChosenFormats formats;
};
// The one that is expected to lose least of all that fit; nothing where `whole`, the most precise format that fits for
// all layers, loses no more. Matrices that are no linear layer stay as `whole` has them.
std::optional<BaseByLayer> choose_base_by_layer(const Whisper& model, const Sensitivity& s, const BaseChoice& whole,
                                                const RunRequest& request);

// The same for a model that is here: how much layers mind is measured, or was, for the cache keeps it. `formats.record`
// is then what sori quantize writes as sensitivity.json. Nothing where `whole` stays, and a line that says why. The
// choice follows from model, data, options and limit: measuring takes no more memory than the limit, or is not done.
std::optional<BaseByLayer> choose_base_by_layer(const ModelFolder& model, const CalibrationData& data,
                                                const BaseChoice& whole, const TrainOptions& options,
                                                const RunRequest& request, Log& log);

}  // namespace sori
