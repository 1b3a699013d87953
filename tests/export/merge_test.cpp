#include "export/merge.h"

#include <gtest/gtest.h>

#include <limits>

#include "export/quantised_folder.h"
#include "support/temporary.h"

namespace sori {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::message_of;
using testing::TemporaryFolder;
using testing::Tensors;
using testing::tiny_tensors;
using testing::write_hf;

constexpr int kRank = 4;
constexpr double kAlpha = 8;  // scale 2
constexpr const char* kQuery = "model.encoder.layers.1.self_attn.q_proj";
constexpr const char* kUp = "model.decoder.layers.0.fc1";

// Adapters of two layers, filled with multiples of 1/8.
Tensors adapter_tensors() {
  Tensors tensors;
  std::uint64_t number = 0;
  const auto add = [&](const std::string& name, Shape shape) {
    const Rng rng(2, Draw::kNoise, number++);
    testing::Tensor& t = tensors["base_model.model." + name];
    for (std::int64_t i = 0; i < element_count(shape); ++i)
      t.values.push_back((static_cast<float>(rng.below(static_cast<std::uint64_t>(i), 15)) - 7) / 8);
    t.shape = std::move(shape);
  };
  add(std::string(kQuery) + ".lora_A.weight", {kRank, 8});
  add(std::string(kQuery) + ".lora_B.weight", {8, kRank});
  add(std::string(kUp) + ".lora_A.weight", {kRank, 8});
  add(std::string(kUp) + ".lora_B.weight", {20, kRank});
  return tensors;
}

void write_adapter(const Path& folder, const Tensors& tensors = adapter_tensors(), const Metadata& metadata = {}) {
  make_folder(folder);
  testing::write_tensors_as(folder / "adapter_model.safetensors", tensors, DType::kF32, metadata);
  const Json config = {
      {"peft_type", "LORA"}, {"r", kRank},          {"lora_alpha", kAlpha}, {"target_modules", {"q_proj", "fc1"}},
      {"bias", "none"},      {"use_rslora", false}, {"use_dora", false}};
  write_file(folder / "adapter_config.json", to_text(config));
}

// W + 2 B A; exact in f32 for these numbers.
std::vector<float> merged(const std::string& layer, std::vector<float> w) {
  const Tensors adapter = adapter_tensors();
  const auto& a = adapter.at("base_model.model." + layer + ".lora_A.weight").values;
  const auto& b = adapter.at("base_model.model." + layer + ".lora_B.weight").values;
  for (std::size_t i = 0; i < w.size(); ++i)
    for (std::size_t r = 0; r < kRank; ++r) w[i] += 2 * b[i / 8 * kRank + r] * a[r * 8 + i % 8];
  return w;
}
std::vector<float> merged(const std::string& layer) {
  return merged(layer, tiny_tensors().at(layer + ".weight").values);
}

std::vector<float> values_of(const TensorView& t) {
  std::vector<float> values(static_cast<std::size_t>(element_count(t.shape)));
  read_floats(t, 0, values);
  return values;
}

TEST(Merge, AddsTheScaledProductToItsLayersOnly) {
  const TemporaryFolder folder;
  write_hf(folder / "base", DType::kF32);
  write_adapter(folder / "adapter");
  const MergeReport report = merge_adapter(folder / "base", folder / "adapter", folder / "out");
  EXPECT_EQ(report.merged, 2);
  EXPECT_EQ(report.type, DType::kF32);
  const auto file = open_safetensors_folder(folder / "out");
  const Tensors base = tiny_tensors();
  EXPECT_EQ(file->tensors().size(), base.size());
  for (const auto& [name, t] : base) {
    const std::string layer = name.substr(0, name.rfind('.'));
    const bool changed = (layer == kQuery || layer == kUp) && name.ends_with(".weight");
    EXPECT_EQ(values_of(file->get(name)), changed ? merged(layer) : t.values) << name;
  }
}

TEST(Merge, ScalesAnRsLoraAdapterByTheRootOfItsRank) {
  const TemporaryFolder folder;
  write_hf(folder / "base", DType::kF32);
  write_adapter(folder / "adapter");
  Json config = read_json(folder / "adapter/adapter_config.json");
  config["use_rslora"] = true;
  config["lora_alpha"] = kAlpha / 2;  // over sqrt(4): scale 2 again
  write_file(folder / "adapter/adapter_config.json", to_text(config));
  merge_adapter(folder / "base", folder / "adapter", folder / "out");
  EXPECT_EQ(values_of(open_safetensors_folder(folder / "out")->get(std::string(kUp) + ".weight")), merged(kUp));
}

// m W' / ||W'|| of each row. A row is given its length in f32 once: two roundings.
TEST(Merge, GivesEachRowOfADoraAdapterItsMagnitude) {
  const TemporaryFolder folder;
  write_hf(folder / "base", DType::kF32);
  Tensors tensors = adapter_tensors();
  const std::string magnitude = std::string("base_model.model.") + kUp + ".lora_magnitude_vector";
  for (const char* layer : {kQuery, kUp}) {
    testing::Tensor& t = tensors[std::string("base_model.model.") + layer + ".lora_magnitude_vector"];
    t.shape = {layer == kUp ? 20 : 8};
    for (std::int64_t o = 0; o < t.shape[0]; ++o) t.values.push_back(static_cast<float>(o) / 4 - 1);
  }
  write_adapter(folder / "adapter", tensors);
  const Path config_path = folder / "adapter/adapter_config.json";
  EXPECT_THAT(message_of([&] { merge_adapter(folder / "base", folder / "adapter", folder / "out"); }),
              HasSubstr("no LoRA adapter of this model"));
  Json config = read_json(config_path);
  config["use_dora"] = true;
  write_file(config_path, to_text(config));
  merge_adapter(folder / "base", folder / "adapter", folder / "out");
  const auto got = values_of(open_safetensors_folder(folder / "out")->get(std::string(kUp) + ".weight"));
  const std::vector<float> direction = merged(kUp);
  for (std::size_t o = 0; o < 20; ++o) {
    double squares = 0;
    for (std::size_t i = 0; i < 8; ++i) squares += std::pow(static_cast<double>(direction[o * 8 + i]), 2);
    for (std::size_t i = 0; i < 8; ++i) {
      const double wanted = (static_cast<double>(o) / 4 - 1) * direction[o * 8 + i] / std::sqrt(squares);
      EXPECT_NEAR(got[o * 8 + i], wanted, 2 * 0x1p-24 * std::abs(wanted)) << o << " " << i;
    }
  }
  tensors.erase(magnitude);
  write_adapter(folder / "adapter", tensors);
  write_file(config_path, to_text(config));
  EXPECT_THAT(message_of([&] { merge_adapter(folder / "base", folder / "adapter", folder / "without"); }),
              HasSubstr(magnitude));
}

TEST(Merge, WritesTheTypeAskedForRoundedOnce) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    const TemporaryFolder folder;
    write_hf(folder / "base", DType::kF16);
    write_adapter(folder / "adapter");
    MergeOptions options;
    options.type = type;
    merge_adapter(folder / "base", folder / "adapter", folder / "out", options);
    const auto file = open_safetensors_folder(folder / "out");
    for (const TensorView& t : file->tensors()) EXPECT_EQ(t.type, type) << t.name;
    const auto got = values_of(file->get(std::string(kUp) + ".weight"));
    std::vector<float> wanted = merged(kUp);
    for (float& w : wanted)
      w = type == DType::kF16 ? to_float(from_float<f16>(w)) : type == DType::kBF16 ? to_float(from_float<bf16>(w)) : w;
    EXPECT_EQ(got, wanted) << name_of(type);
    EXPECT_EQ(read_json(folder / "out/config.json")["dtype"], config_name_of(type));
  }
}

TEST(Merge, KeepsTheModelsTypeUnlessAsked) {
  const TemporaryFolder folder;
  write_hf(folder / "base", DType::kBF16);
  write_adapter(folder / "adapter");
  EXPECT_EQ(merge_adapter(folder / "base", folder / "adapter", folder / "out").type, DType::kBF16);
}

// W as a quantised base decodes it, from the quantised copy of a model and from a quantised model alone.
TEST(Merge, AddsToWhatAQuantisedBaseDecodesTo) {
  for (const std::string format : {"int8", "nf4"}) {
    const TemporaryFolder folder;
    write_hf(folder / "base", DType::kF32);
    write_adapter(folder / "adapter");
    quantise_model(folder / "base", folder / "quantised", testing::quantisation(format));
    testing::Loaded quantised(folder / "quantised");
    const auto numbers = quantised.numbers();
    MergeOptions options;
    options.decoded = quantised.file.get();
    merge_adapter(folder / "base", folder / "adapter", folder / "out", options);
    options.type = DType::kF32;
    merge_adapter(folder / "quantised", folder / "adapter", folder / "alone", options);
    for (const char* out : {"out", "alone"}) {
      EXPECT_FALSE(read_json(folder / out / "config.json").contains("quantization_config"));
      const auto file = open_safetensors_folder(folder / out);
      EXPECT_EQ(file->tensors().size(), numbers.size());
      for (const auto& [name, w] : numbers) {
        const std::string layer = name.substr(0, name.rfind('.'));
        const bool changed = (layer == kQuery || layer == kUp) && name.ends_with(".weight");
        EXPECT_EQ(file->get(name).type, DType::kF32) << name;
        EXPECT_EQ(values_of(file->get(name)), changed ? merged(layer, w) : w) << format << " " << name;
      }
    }
  }
}

TEST(Merge, OfAQuantisedModelKeepsTheTypeOfItsOtherMatrices) {
  const TemporaryFolder folder;
  write_hf(folder / "base", DType::kF16);
  write_adapter(folder / "adapter");
  quantise_model(folder / "base", folder / "quantised", testing::quantisation("nf4"));
  const auto quantised = open_safetensors_folder(folder / "quantised");
  MergeOptions options;
  options.decoded = quantised.get();
  EXPECT_EQ(merge_adapter(folder / "quantised", folder / "adapter", folder / "out", options).type, DType::kF16);
  const auto merged = open_safetensors_folder(folder / "out");
  for (const TensorView& t : merged->tensors()) EXPECT_EQ(t.type, DType::kF16) << t.name;
  EXPECT_EQ(read_json(folder / "out/config.json")["dtype"], "float16");
}

TEST(Merge, WritesShardsThatReadAsOneModel) {
  const TemporaryFolder folder;
  write_hf(folder / "base", DType::kF32);
  write_adapter(folder / "adapter");
  MergeOptions options;
  options.max_shard = 4000;
  merge_adapter(folder / "base", folder / "adapter", folder / "out", options);
  EXPECT_FALSE(std::filesystem::exists(folder / "out/model.safetensors"));
  EXPECT_EQ(values_of(open_safetensors_folder(folder / "out")->get(std::string(kQuery) + ".weight")), merged(kQuery));
}

TEST(Merge, StatesTheAdaptersLanguageAndTask) {
  const TemporaryFolder folder;
  write_hf(folder / "base");
  write_adapter(folder / "adapter", adapter_tensors(), {{"language", "ko"}, {"task", "transcribe"}});
  merge_adapter(folder / "base", folder / "adapter", folder / "out");
  const Json generation = read_json(folder / "out/generation_config.json");
  EXPECT_EQ(generation["language"], "ko");
  EXPECT_EQ(generation["task"], "transcribe");
  EXPECT_EQ(generation["lang_to_id"]["<|ko|>"], 19);
}

// What merging an adapter after a change throws. Nothing may be left under the target's name.
std::string refusal(const std::function<void(Tensors&)>& change, ErrorKind kind = ErrorKind::kInput) {
  const TemporaryFolder folder;
  write_hf(folder / "base", DType::kF16);
  Tensors tensors = adapter_tensors();
  change(tensors);
  write_adapter(folder / "adapter", tensors);
  const auto error = error_of([&] { merge_adapter(folder / "base", folder / "adapter", folder / "out"); });
  EXPECT_EQ(std::filesystem::exists(folder / "out"), !error);
  if (!error) return "";
  EXPECT_EQ(error->kind(), kind) << error->what();
  return error->what();
}

TEST(Merge, RefusesAdaptersOfAnotherModel) {
  const std::string a = std::string("base_model.model.") + kQuery + ".lora_A.weight";
  const std::string b = std::string("base_model.model.") + kQuery + ".lora_B.weight";
  EXPECT_EQ(refusal([](Tensors&) {}), "");
  EXPECT_THAT(refusal([&](Tensors& t) { t.erase(a); }), HasSubstr(a));
  EXPECT_THAT(refusal([&](Tensors& t) { t.erase(b); }), HasSubstr(b));
  EXPECT_THAT(refusal([&](Tensors& t) { t[a].shape = {8, 4}; }), HasSubstr("has shape [8, 4], the model needs [4, 8]"));
  EXPECT_THAT(refusal([&](Tensors& t) { t["base_model.model.other.lora_A.weight"] = t[a]; }),
              HasSubstr("no LoRA adapter of this model"));
  EXPECT_THAT(refusal([](Tensors& t) { t = {{"x", {{1}, {0}}}}; }), HasSubstr("no LoRA adapter of this model"));
}

TEST(Merge, RefusesNumbersThatAreNotFinite) {
  const std::string a = std::string("base_model.model.") + kQuery + ".lora_A.weight";
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(refusal([&](Tensors& t) { t[a].values[5] = nan; }, ErrorKind::kNumeric), HasSubstr(a));
  EXPECT_THAT(refusal([&](Tensors& t) { t[a].values.assign(kRank * 8, 65000.0F); }, ErrorKind::kNumeric),
              HasSubstr("too large for f16"));
}

TEST(Merge, RefusesAPickledAdapter) {
  const TemporaryFolder folder;
  write_hf(folder / "base");
  write_adapter(folder / "adapter");
  std::filesystem::rename(folder / "adapter/adapter_model.safetensors", folder / "adapter/adapter_model.bin");
  EXPECT_THAT(message_of([&] { merge_adapter(folder / "base", folder / "adapter", folder / "out"); }),
              HasSubstr("pickle"));
}

}  // namespace
}  // namespace sori
