// sori quantize: a model folder whose frozen matrices lie in 8 or 4 bits, under other programs' own keys
// (docs/formats.md).
#pragma once

#include "export/model_writer.h"
#include "export/side_files.h"
#include "model/stored_weight.h"

namespace sori {

// Of each linear layer, by the name of its weight; null: 16 bits.
using LayerFormats = WeightFormats;

// The same as {"model.encoder.layers.0.fc1": "nf4", ...}, in the model's order; 16 bits are called "bf16".
Json to_json(const LayerFormats& layers, const WhisperConfig& config);
// Error kInput unless every linear layer of the model, and nothing else, has a format that is known.
LayerFormats parse_layer_formats(const Json& json, const WhisperConfig& config, const std::string& where);

// How a model is quantised: the linear layers in `format`, or each as `layers` says; the tied embedding in int8 or 16
// bits. Vectors stay as they are; everything else in 16 bits does too, or is rounded to bf16 where it is f32.
struct Quantisation {
  const FileFormat* format = nullptr;
  bool int8_embedding = false;
  LayerFormats layers{};  // where `format` is null

  std::string base() const;
  std::string embedding() const { return int8_embedding ? "int8" : "bf16"; }
};
// What is done where nobody says otherwise: who asks for 4 bits asks for memory, so its embedding takes 8.
Quantisation quantisation_of(const FileFormat& format, const std::string& embedding = "auto");
// Layers that are all stored alike are an ordinary base of their format.
Quantisation quantisation_of(LayerFormats layers, const std::string& embedding = "auto");
// Of a mixed base: {"layers": ..., "embedding": "int8"}, from which it is made again. Error kInput as for layers.
Json to_json(const Quantisation& how, const WhisperConfig& config);
Quantisation parse_quantisation(const Json& json, const WhisperConfig& config, const std::string& where);

struct QuantiseOptions {
  bool overwrite = false;  // replace a target that is not empty
  ByteProgress progress;
  std::uint64_t max_shard = SafetensorsFolderWriter::kMaxShard;
  Json record{};  // how it was chosen: written as sensitivity.json where there is one
};

struct QuantiseReport {
  struct Layer {
    std::string name;
    std::string kind;  // "encoder.fc1": the name without its layer's number
    std::string format;
    double error = 0;  // root mean square of what quantising changed, over that of the weight
  };
  std::vector<Layer> layers;  // those that were quantised, in tensor_list()'s order
  WhisperConfig config;
  std::uint64_t source_bytes = 0, bytes = 0;  // of all tensors
  std::string source_hash;
  std::string warning;  // where 4 bits hurt a model of this size; else empty

  const Layer& worst() const;
};

// Streams `model`, an unquantised folder in the Hugging Face layout, tensor by tensor. Errors: kInput for one that is
// quantised already, kNumeric for NaN or infinity in a weight, kUsage when the target is not empty, or nothing would be
// quantised.
QuantiseReport quantise_model(const Path& model, const Path& target, const Quantisation& how,
                              const QuantiseOptions& options = {});

// Bytes of all tensors that this would write: what a run has resident where no layer leaves memory.
std::uint64_t tensor_bytes(const Path& model, const Quantisation& how);
// Bytes of the weights' files that this would write, from shapes alone, where all tensors of the source have one type.
std::uint64_t quantised_bytes(const WhisperConfig& config, const Quantisation& how, DType source);
// Bytes of all files of the folder that this would write.
std::uint64_t quantised_bytes(const Path& model, const Quantisation& how);

}  // namespace sori
