// A weight of a model as it lies in a file: plain numbers, or the parts of a quantised format.
#pragma once

#include <map>

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

// "model.encoder.layers.0.fc1.weight" -> "model.encoder.layers.0.fc1"
std::string module_of(const std::string& weight);

// The name of a part of a quantised weight: "...q_proj.weight", ".SCB" -> "...q_proj.SCB". The embedding's codes have a
// name of their own, "...embed_tokens.weight.int8": what peers find under "...embed_tokens.weight" they take for
// numbers.
std::string part_name(const std::string& weight, const FileFormat& format, const std::string& key);

// f(i, info) for each part i of the format that is written of a weight. Peers know an embedding's parts by no name, so
// they need no optional ones.
template <class F>
void for_each_part(const NamedShape& t, const FileFormat& format, F&& f) {
  const std::vector<FilePart> parts = format.parts(t.shape[0], t.shape[1]);
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (!parts[i].optional || is_linear(t))
      f(i, TensorInfo{part_name(t.name, format, parts[i].key), parts[i].type, parts[i].shape});
}

// Bytes of a weight with everything that lies beside it in a file: bytes_of() and a format's tables.
std::uint64_t stored_bytes(const NamedShape& t, const BaseWeight& weight);

// How the linear layers' weights and the token embedding are stored, by their names; null: plain numbers.
using WeightFormats = std::map<std::string, const FileFormat*>;
// "mixed-" and the first 12 digits of the SHA-256 of the formats: bases of one name, and of one model, are the same.
std::string mixed_base(const WeightFormats& formats);

// What the linear layers of a model are stored as: "nf4", or the type of the embedding where nothing is quantised;
// where they are not stored alike, and where the embedding alone is quantised, mixed_base().
std::string base_of(const TensorFile& file, const WhisperConfig& config);

// Error kInput for a quantised folder of another version than ours.
void require_our_version(const TensorFile& file);

}  // namespace sori
