// sori merge: folds a LoRA adapter into its base model, W + scale * B A, or what DoRA makes of that, so that any
// program can use the result. What is written is f32, f16 or bf16, whatever the adapter was trained on.
#pragma once

#include "export/model_writer.h"
#include "export/side_files.h"

namespace sori {

struct MergeOptions {
  std::optional<DType> type;  // f32, f16 or bf16 for every tensor; nothing: the types of the base model
  bool overwrite = false;     // replace a target that is not empty
  // A quantised base: W is what it decodes to. Nothing: the model's own weights, which must be unquantised then.
  const TensorFile* decoded = nullptr;
  ByteProgress progress;
  std::uint64_t max_shard = SafetensorsFolderWriter::kMaxShard;
};

struct MergeReport {
  int merged = 0;  // layers that the adapter changed
  DType type = DType::kF32;
  std::uint64_t bytes = 0;
  SideFiles files;
};

// `model` is a folder in the Hugging Face layout, `adapter` one in PEFT's (adapter_config.json,
// adapter_model.safetensors). Products and sums are f32, rounded once. Every tensor of the adapter must belong to a
// linear layer of the model, or Error kInput. The language and task that the adapter's metadata states go into
// generation_config.json.
// The types of a model that is quantised itself: those of its convolutions.
MergeReport merge_adapter(const Path& model, const Path& adapter, const Path& target, const MergeOptions& options = {});

// The same into a folder that is there and empty, for whoever looks at the result before it gets its name.
MergeReport merge_into(const Path& folder, const Path& model, const Path& adapter, const MergeOptions& options = {});

}  // namespace sori
