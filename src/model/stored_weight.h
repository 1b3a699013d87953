// A weight of a model as it lies in a file: plain numbers, or the parts of a quantised format.
#pragma once

#include "formats/tensor_file.h"
#include "model/config.h"
#include "quant/file_format.h"

namespace sori {

inline constexpr const char* kFolderVersion = "1";  // of quantised folders, in __metadata__["sori_format"]

struct StoredWeight {
  const FileFormat* format = nullptr;  // null: plain numbers, in one part
  std::vector<TensorView> parts;       // as the format lists them; an absent one has no bytes

  std::uint64_t bytes() const;
};

// Linear layers and the token embedding can be quantised; everything else is plain numbers. Error kInput for missing
// parts, other shapes or types, and formats that are not known.
StoredWeight find_weight(const TensorFile& file, const NamedShape& wanted);

inline constexpr const char* kTokenEmbedding = "model.decoder.embed_tokens.weight";

// Can be quantised: a linear layer or the token embedding.
bool is_quantisable(const NamedShape& t);

// The name of a part of a quantised weight: "...q_proj.weight", ".SCB" -> "...q_proj.SCB". The embedding's codes have a
// name of their own, "...embed_tokens.weight.int8": what peers find under "...embed_tokens.weight" they take for
// numbers.
std::string part_name(const std::string& weight, const FileFormat& format, const std::string& key);

// What the linear layers of a model are stored as: "nf4", or the type of the embedding where none is quantised.
std::string base_of(const TensorFile& file, const WhisperConfig& config);

// Error kInput for a quantised folder of another version than ours.
void require_our_version(const TensorFile& file);

}  // namespace sori
