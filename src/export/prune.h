// sori prune: an ordinary model with fewer layers.
#pragma once

#include "export/model_writer.h"
#include "export/side_files.h"

namespace sori {

struct KeptLayers {
  std::vector<int> encoder, decoder;  // numbers of the layers that stay, ascending; at least one of each
};

struct PruneOptions {
  bool overwrite = false;  // replace a target that is not empty
  ByteProgress progress{};
  Json record{};  // how they were chosen: written as pruning.json
};

struct PruneReport {
  WhisperConfig config;                       // of what was written
  std::uint64_t source_bytes = 0, bytes = 0;  // of all tensors
};

// Writes `model`, an unquantised folder in the Hugging Face layout, without the other layers: what stays keeps its
// bytes and is numbered anew, in tensors, config.json and the alignment heads of generation_config.json, where heads of
// layers that are gone are left out. Errors: kInput for a quantised model and heads of layers that it does not have,
// kUsage when the target is not empty.
PruneReport prune_model(const Path& model, const Path& target, const KeptLayers& kept, const PruneOptions& options);

}  // namespace sori
