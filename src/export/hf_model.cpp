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
  if (is_quantised(base))
    throw Error{ErrorKind::kInput, fmt::format("is quantised already ({})", base), file.where(),
                "name the unquantised model it was made from"};
}

// All of it but the tensors.
SourceModel open_folder(const Path& folder) {
  SourceModel model;
  model.file = open_safetensors_folder(folder);
  const Json json = read_json(folder / "config.json");
  model.config = parse_config(json, (folder / "config.json").string());
  for (const char* key : {"suppress_tokens", "begin_suppress_tokens"})
    if (json.contains(key) && json[key].is_array()) model.lists[key] = json[key];
  return model;
}

// What a weight stands for, row by row. Scales and tables are copied, for in a peer's file they need not lie aligned;
// codes, which are nearly all of it, are bytes and stay where they are.
FillRow decoded_rows(const TensorFile& base, const NamedShape& t, const StoredWeight& stored) {
  struct Weight {
    std::vector<std::vector<std::byte>> copies;
    BaseWeight view;
  };
  const auto weight = std::make_shared<Weight>();
  FileFormat::Parts parts;
  for (const TensorView& part : stored.parts) {
    const bool bytes = size_of(part.type) == 1;
    if (!bytes) weight->copies.emplace_back(part.bytes.begin(), part.bytes.end());
    parts.emplace_back(bytes ? part.bytes : std::span<const std::byte>(weight->copies.back()));
  }
  const std::int64_t rows = t.shape[0], cols = row_length(t.shape);
  weight->view = stored.format->view(rows, cols, parts, base.where() + ": " + t.name);
  return [weight, cols](std::int64_t row, std::span<float> values) {
    decode_rows(weight->view, row, Mat(values.data(), 1, cols));
  };
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
  SourceModel model = open_folder(folder);
  refuse_quantised(*model.file, model.config);
  const auto list = tensor_list(model.config);
  for (const NamedShape& wanted : list) {
    const TensorView& t = checked(*model.file, wanted);
    model.tensors.push_back(unchanged(t, t.bytes, model.file->where()));
    model.tensors.back().release = [file = model.file.get(), &t] { file->drop_pages(t); };
  }
  account_for_others(*model.file, list.size(), model);
  return model;
}

SourceModel open_decoded_model(const Path& folder, const TensorFile& base) {
  SourceModel model = open_folder(folder);
  // Of a quantised folder: convolutions keep the model's own type, or bf16 where that was f32.
  const DType matrices = model.file->get("model.encoder.conv1.weight").type;
  for (const NamedShape& t : tensor_list(model.config)) {
    const StoredWeight own = find_weight(*model.file, t), stored = find_weight(base, t);
    const TensorInfo info{t.name, own.format ? matrices : own.parts[0].type, t.shape};
    const TensorView& plain = stored.parts[0];
    model.tensors.push_back(stored.format ? computed(info, decoded_rows(base, t, stored), base.where())
                            : plain.type == info.type
                                ? unchanged(info, plain.bytes, base.where())
                                : computed(info, unchanged(plain, plain.bytes, base.where()).rows, base.where()));
    model.tensors.back().release = [&base, parts = stored.parts] {
      for (const TensorView& part : parts)
        if (!part.bytes.empty()) base.drop_pages(part);
    };
  }
  return model;
}

}  // namespace sori
