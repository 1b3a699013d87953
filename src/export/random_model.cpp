#include "base/error.h"
#include "base/rng.h"
#include "export/import.h"

namespace sori {
namespace {

constexpr float kDeviation = 0.02F;

OutTensor random_tensor(const NamedShape& shape, std::uint64_t seed, std::uint64_t number) {
  const bool norm = shape.name.ends_with("layer_norm.weight"), bias = shape.name.ends_with(".bias");
  auto fill = [=](std::int64_t row, std::span<float> values) {
    if (norm || bias)
      std::fill(values.begin(), values.end(), norm ? 1.0F : 0.0F);
    else
      fill_noise(Rng(seed, Draw::kRandomWeights, number, static_cast<std::uint64_t>(row)), kDeviation, values);
  };
  return computed({shape.name, DType::kBF16, shape.shape}, std::move(fill), "random weights");
}

// The lists of token ids hold for every size; the alignment heads of another size do not.
Json lists_of(const Path& tokenizer_folder) {
  Json lists = Json::object();
  std::error_code code;
  if (!std::filesystem::exists(tokenizer_folder / "generation_config.json", code)) return lists;
  const Json json = read_json(tokenizer_folder / "generation_config.json");
  for (const char* key : {"suppress_tokens", "begin_suppress_tokens"})
    if (json.contains(key) && json[key].is_array()) lists[key] = json[key];
  return lists;
}

}  // namespace

ImportReport random_model(const WhisperConfig& config, const Path& tokenizer_folder, const Path& target,
                          std::uint64_t seed, const ImportOptions& options) {
  ImportReport report;
  report.format = "random";
  report.config = config;
  report.type = DType::kBF16;
  AtomicFolder folder(target, existing_model(target, options.overwrite, {tokenizer_folder}));
  std::vector<OutTensor> tensors;
  for (const NamedShape& shape : tensor_list(report.config)) {
    tensors.push_back(random_tensor(shape, seed, tensors.size()));
    report.parameters += element_count(shape.shape);
  }
  report.files = write_side_files(tokenizer_folder, folder.path(), report.config, report.type,
                                  lists_of(tokenizer_folder), Copied::kTokenizer);
  report.bytes = write_tensors(folder.path(), tensors, options.progress);
  folder.commit();
  return report;
}

ImportReport random_model(const std::string& size, const Path& tokenizer_folder, const Path& target, std::uint64_t seed,
                          const ImportOptions& options) {
  return random_model(size_config(size), tokenizer_folder, target, seed, options);
}

}  // namespace sori
