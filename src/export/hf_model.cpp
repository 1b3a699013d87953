#include "base/error.h"
#include "export/source_model.h"
#include "formats/values.h"
#include "model/stored_weight.h"

namespace sori {
namespace {

constexpr const char* kTied = "proj_out.weight";
constexpr const char* kEmbedding = "model.decoder.embed_tokens.weight";

bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

const TensorView& checked(const TensorFile& file, const NamedShape& wanted) {
  const TensorView& t = file.get(wanted.name);
  const std::string where = file.where() + ": " + wanted.name;
  if (t.shape != wanted.shape)
    throw Error{ErrorKind::kInput,
                fmt::format("tensor has shape {}, the model needs {}", to_text(t.shape), to_text(wanted.shape)), where,
                "check that config.json belongs to these weights"};
  if (!is_float(t.type))
    throw Error{ErrorKind::kInput, fmt::format("tensor has type {}, not f32, f16 or bf16", name_of(t.type)), where,
                "import the model it was quantised from"};
  return t;
}

void refuse_quantised(const TensorFile& file, const WhisperConfig& config) {
  const std::string base = base_of(file, config);
  if (find_file_format(base))
    throw Error{ErrorKind::kInput, fmt::format("is quantised already ({})", base), file.where(),
                "name the unquantised model it was made from"};
}

// What is left over after the list must be the tied output projection.
void account_for_others(const TensorFile& file, std::size_t listed, SourceModel& model) {
  if (file.tensors().size() == listed) return;
  std::unordered_map<std::string_view, bool> known;
  for (const OutTensor& t : model.tensors) known[t.info.name] = true;
  for (const TensorView& t : file.tensors()) {
    if (known.contains(t.name)) continue;
    if (t.name != kTied)
      throw Error{ErrorKind::kInput, fmt::format("holds a tensor that Whisper does not have: {}", t.name), file.where(),
                  "name an unquantised Whisper model; an adapter is folded in with 'sori merge'"};
    if (!same_bytes(t.bytes, file.get(kEmbedding).bytes))
      throw Error{ErrorKind::kInput, "differs from the embedding, to which Whisper ties it",
                  file.where() + ": " + t.name, "use a model whose output projection is tied"};
    model.notes.push_back(fmt::format("{} left out: it equals the embedding", kTied));
  }
}

}  // namespace

SourceModel open_hf_model(const Path& folder) {
  SourceModel model;
  model.file = open_safetensors_folder(folder);
  const Json json = read_json(folder / "config.json");
  model.config = parse_config(json, (folder / "config.json").string());
  refuse_quantised(*model.file, model.config);
  for (const char* key : {"suppress_tokens", "begin_suppress_tokens"})
    if (json.contains(key) && json[key].is_array()) model.lists[key] = json[key];

  const auto list = tensor_list(model.config);
  for (const NamedShape& wanted : list) {
    const TensorView& t = checked(*model.file, wanted);
    model.tensors.push_back(unchanged(t, t.bytes, model.file->where()));
  }
  account_for_others(*model.file, list.size(), model);
  return model;
}

}  // namespace sori
