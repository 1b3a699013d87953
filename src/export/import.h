// sori import: a model folder in any known format becomes one in the Hugging Face layout.
#pragma once

#include "export/model_writer.h"
#include "export/side_files.h"

namespace sori {

struct ImportOptions {
  bool overwrite = false;  // replace a target that is not empty
  ByteProgress progress;
};

struct ImportReport {
  std::string format;  // "Hugging Face", "CTranslate2", "random"
  WhisperConfig config;
  DType type = DType::kF32;  // of the embedding; small tensors may differ as in the source
  std::int64_t parameters = 0;
  std::uint64_t bytes = 0;  // of all tensors
  SideFiles files;
  std::vector<std::string> notes;  // what was dropped or changed
};

// Reads a Hugging Face folder (safetensors, single or sharded) or a CTranslate2 folder; types stay, int8 becomes f32.
// The target appears only when it is complete. Errors: kInput for pickles and anything the formats refuse, kNumeric for
// NaN or infinity in a weight, kUsage when the target is not empty.
ImportReport import_model(const Path& source, const Path& target, const ImportOptions& options = {});

// sori import --random SIZE: bf16 noise of a model's exact shape (weights of deviation about 0.02, norms 1, biases 0),
// with the tokenizer of another model folder. A pure function of shape and seed.
ImportReport random_model(const WhisperConfig& config, const Path& tokenizer_folder, const Path& target,
                          std::uint64_t seed, const ImportOptions& options = {});
ImportReport random_model(const std::string& size, const Path& tokenizer_folder, const Path& target, std::uint64_t seed,
                          const ImportOptions& options = {});

}  // namespace sori
