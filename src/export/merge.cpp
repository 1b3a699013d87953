#include "export/merge.h"

#include <cmath>

#include "base/error.h"
#include "export/source_model.h"
#include "formats/pickle.h"
#include "formats/values.h"
#include "model/adapter_config.h"
#include "model/dora.h"

namespace sori {
namespace {

constexpr std::string_view kPrefix = "base_model.model.";

// What changes one weight [out, in]: + scale * b a; and, of DoRA, each row's length.
struct Delta {
  std::vector<float> a, b;       // [R, in], [out, R]
  std::vector<float> magnitude;  // [out]; empty: lengths stay
  std::int64_t rank = 0;
  float scale = 0;

  void change_row(std::int64_t row, std::span<float> values) const {
    for (std::int64_t r = 0; r < rank; ++r) {
      const float factor = scale * b[static_cast<std::size_t>(row * rank + r)];
      const float* from = a.data() + r * static_cast<std::int64_t>(values.size());
      for (std::size_t i = 0; i < values.size(); ++i) values[i] += factor * from[i];
    }
    if (magnitude.empty()) return;
    double squares = 0;
    for (const float x : values) squares += static_cast<double>(x) * x;
    const float gain = dora_gain(magnitude[static_cast<std::size_t>(row)], std::sqrt(squares));
    for (float& x : values) x *= gain;
  }
};

std::vector<float> numbers(const TensorFile& file, const std::string& name, const Shape& shape) {
  const TensorView& t = file.get(name);
  const std::string where = file.where() + ": " + name;
  if (t.shape != shape)
    throw Error{ErrorKind::kInput,
                fmt::format("tensor has shape {}, the model needs {}", to_text(t.shape), to_text(shape)), where,
                "name the model that this adapter was trained on"};
  if (!is_float(t.type)) throw Error{ErrorKind::kInput, "is not f32, f16 or bf16", where, "export the adapter again"};
  if (!all_finite(t.type, t.bytes))
    throw Error{ErrorKind::kNumeric, "tensor holds NaN or infinity", where, "use an earlier checkpoint of the adapter"};
  std::vector<float> values(static_cast<std::size_t>(element_count(shape)));
  read_floats(t, 0, values);
  return values;
}

// By the name of the weight. Every tensor of the adapter is used.
std::map<std::string, std::shared_ptr<const Delta>> read_deltas(const TensorFile& file, const LoraConfig& lora,
                                                                const WhisperConfig& config) {
  std::map<std::string, std::shared_ptr<const Delta>> deltas;
  for (const NamedShape& t : tensor_list(config)) {
    const std::string module = std::string(kPrefix) + t.name.substr(0, t.name.rfind('.'));
    const std::string a = module + ".lora_A.weight", b = module + ".lora_B.weight";
    if (!is_linear(t) || !t.name.ends_with(".weight") || (!file.find(a) && !file.find(b))) continue;
    const auto delta = std::make_shared<Delta>();
    delta->rank = lora.rank;
    delta->scale = static_cast<float>(lora.scale());
    delta->a = numbers(file, a, {lora.rank, t.shape[1]});
    delta->b = numbers(file, b, {t.shape[0], lora.rank});
    if (lora.dora) delta->magnitude = numbers(file, module + ".lora_magnitude_vector", {t.shape[0]});
    deltas[t.name] = delta;
  }
  if (deltas.empty() || file.tensors().size() != (lora.dora ? 3 : 2) * deltas.size())
    throw Error{ErrorKind::kInput, "holds tensors that are no LoRA adapter of this model", file.where(),
                "name the model that this adapter was trained on"};
  return deltas;
}

std::vector<OutTensor> merged_tensors(const SourceModel& base,
                                      const std::map<std::string, std::shared_ptr<const Delta>>& deltas,
                                      std::optional<DType> type) {
  std::vector<OutTensor> tensors;
  for (const OutTensor& stored : base.tensors) {
    const auto found = deltas.find(stored.info.name);
    const std::shared_ptr<const Delta> delta = found == deltas.end() ? nullptr : found->second;
    TensorInfo info = stored.info;
    info.type = type.value_or(info.type);
    if (!delta && info.type == stored.info.type) {
      tensors.push_back(stored);
      continue;
    }
    auto fill = [rows = stored.rows, delta](std::int64_t row, std::span<float> values) {
      rows(row, values);
      if (delta) delta->change_row(row, values);
    };
    tensors.push_back(computed(std::move(info), std::move(fill), base.file->where()));
    tensors.back().release = stored.release;
  }
  return tensors;
}

}  // namespace

MergeReport merge_into(const Path& folder, const Path& model, const Path& adapter, const MergeOptions& options) {
  const SourceModel base = options.decoded ? open_decoded_model(model, *options.decoded) : open_hf_model(model);
  const Path config_path = adapter / "adapter_config.json", weights_path = adapter / "adapter_model.safetensors";
  const LoraConfig lora = parse_adapter_config(read_json(config_path), config_path.string());
  std::error_code code;
  if (!std::filesystem::exists(weights_path, code)) refuse_pickles_in(adapter);
  const SafetensorsFile file(weights_path);
  const auto deltas = read_deltas(file, lora, base.config);
  const auto tensors = merged_tensors(base, deltas, options.type);

  MergeReport report;
  report.merged = static_cast<int>(deltas.size());
  report.type = embedding_type(tensors);
  report.files = write_side_files(model, folder, base.config, report.type, base.lists, Copied::kAll);
  adjust_configs(folder, options.type, file.metadata());
  report.bytes = write_tensors(folder, tensors, options.progress, options.max_shard);
  return report;
}

MergeReport merge_adapter(const Path& model, const Path& adapter, const Path& target, const MergeOptions& options) {
  AtomicFolder folder(target, existing_model(target, options.overwrite, {model, adapter}));
  MergeReport report = merge_into(folder.path(), model, adapter, options);
  folder.commit();
  return report;
}

}  // namespace sori
