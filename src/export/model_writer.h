// Model tensors on their way into a folder: each knows how to produce its bytes, and nothing holds more than one piece.
#pragma once

#include <functional>
#include <vector>

#include "base/file.h"
#include "formats/safetensors.h"

namespace sori {

using ByteSink = std::function<void(std::span<const std::byte>)>;
using ByteProgress = std::function<void(std::int64_t done, std::int64_t total)>;  // bytes

using FillRow = std::function<void(std::int64_t row, std::span<float> values)>;

struct OutTensor {
  TensorInfo info;
  std::function<void(const ByteSink&)> produce;  // all bytes of the tensor, in pieces
  FillRow rows = {};                             // its numbers, before they are rounded to its type; none of codes
  std::function<void()> release = {};            // lets go of the pages that it was read from
};

// Tensors of f32, f16 or bf16 as rows: [n] is one row, [out, in, 3] has out rows of in * 3.
std::int64_t row_count(const Shape& shape);
std::int64_t row_length(const Shape& shape);

// A stored tensor unchanged, or Error kNumeric when it holds NaN or infinity. `where` names the file.
OutTensor unchanged(TensorInfo info, std::span<const std::byte> bytes, const std::string& where);

// A tensor made row by row and rounded to its type; fill(row, values) is called once a row, by several threads at a
// time. Error kNumeric when a rounded number is NaN or infinite.
OutTensor computed(TensorInfo info, FillRow fill, const std::string& where);

// The type of embed_tokens.weight, which stands for the model's.
DType embedding_type(const std::vector<OutTensor>& tensors);

// How a model folder may be made at `target`: with `overwrite` in place of another model folder, but never of `needed`,
// the folders it is made from (Error kUsage).
AtomicFolder::Existing existing_model(const Path& target, bool overwrite, const std::vector<Path>& needed);

// Writes model.safetensors, or shards of at most max_shard bytes with their index; returns the bytes of all tensors.
// Metadata gets transformers' "format": "pt".
std::uint64_t write_tensors(const Path& folder, const std::vector<OutTensor>& tensors,
                            const ByteProgress& progress = {},
                            std::uint64_t max_shard = SafetensorsFolderWriter::kMaxShard, Metadata metadata = {});

}  // namespace sori
