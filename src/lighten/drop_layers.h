// Which layers a model misses least.
//
// A layer is a step of the residual stream, so the model still runs without it. One layer at a time is left out: the
// one without which the loss on calibration samples is lowest, measured anew after each (Song et al., "SLEB:
// streamlining LLMs through redundancy verification and elimination of transformer blocks", 2024). What is lost is to
// be learnt again, with LoRA on what remains (Kim et al., "Shortened LLaMA: depth pruning for large language models",
// 2024).
#pragma once

#include "lighten/calibration.h"

namespace sori {

enum class Side { kEncoder, kDecoder };
const char* name_of(Side side);

struct DroppedLayer {
  Side side = Side::kEncoder;
  int layer = 0;    // its number in the whole model
  double loss = 0;  // mean of a token without it and those before it
};

struct LayerDrop {
  double loss = 0;                    // mean of a token, of the whole model
  std::vector<DroppedLayer> dropped;  // in this order
  std::int64_t tokens = 0;

  std::vector<int> kept(Side side, int layers) const;  // numbers of the layers that stay, ascending
};

// `count` layers of these sides, each of which keeps at least one; Error kUsage where there are fewer. Of layers that
// are missed equally the first is dropped. Equal input gives equal numbers.
LayerDrop choose_layers_to_drop(const WhisperConfig& config, const TensorFile& file, const Calibration& calibration,
                                const std::vector<Side>& sides, int count, const CalibrationProgress& progress = {});

}  // namespace sori
