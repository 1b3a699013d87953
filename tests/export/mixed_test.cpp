// A base whose layers have different formats: each is what it would be if it had been quantised alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "export/import.h"
#include "export/quantise.h"
#include "export/quantised_folder.h"
#include "model/stored_weight.h"
#include "support/tiny_golden.h"

namespace sori::testing {
namespace {

using ::testing::HasSubstr;

const std::string kFc1 = "model.encoder.layers.1.fc1";

// nf4, int8, 16 bits, fp8, nf4 ... in the model's order.
LayerFormats by_turns() {
  const FileFormat* const turns[] = {find_file_format("nf4"), find_file_format("int8"), nullptr,
                                     find_file_format("fp8")};
  LayerFormats layers;
  for (const NamedShape& t : tensor_list(tiny_config()))
    if (is_linear(t)) layers.insert({t.name, turns[layers.size() % std::size(turns)]});
  return layers;
}

std::string name_of(const FileFormat* format) { return format ? std::string(format->name()) : "bf16"; }

class Mixed : public ::testing::Test {
 protected:
  Mixed() { write_hf(folder / "model", DType::kF32); }

  QuantiseReport make(const LayerFormats& layers, const char* out = "mixed", const char* embedding = "auto") {
    return quantise_model(folder / "model", folder / out, quantisation_of(layers, embedding), {});
  }

  // The numbers of the mixed folder, each taken from a folder in which all layers have that one format.
  std::map<std::string, std::vector<float>> each_alone(const LayerFormats& layers) {
    std::map<std::string, std::map<std::string, std::vector<float>>> uniform;
    for (const std::string& format : file_format_names()) {
      quantise_model(folder / "model", folder / format, quantisation(format, "int8"), {});
      uniform[format] = Loaded(folder / format).numbers();
    }
    std::map<std::string, std::vector<float>> all = uniform.at("nf4");
    for (const auto& [name, format] : layers)
      all[name] = format ? uniform.at(name_of(format)).at(name) : tiny_tensors().at(name).values;
    return all;
  }

  std::vector<float> logits(const Path& weights) {
    const Path config = folder / "model/config.json";
    test::TinyRun run(make_reference_backend(DType::kF32), Keep::kNothing, [](Whisper&) {}, weights, config,
                      {1, 12, 7});
    test::GoldenUtterance u;
    u.frames = 10, u.bins = tiny_config().mel_bins, u.input = u.target = {17, 1, 2, 3};
    for (int i = 0; i < 50; ++i) u.features.push_back(static_cast<float>(i % 7) / 4 - 1);
    return test::logits_of(run, u);
  }

  TemporaryFolder folder;
};

TEST_F(Mixed, HoldsEachLayerAsIfItHadBeenQuantisedAlone) {
  const LayerFormats layers = by_turns();
  make(layers);
  const auto found = Loaded(folder / "mixed").numbers(), alone = each_alone(layers);
  EXPECT_EQ(found, alone);
  // And says the same as a plain model of these numbers.
  Tensors numbers = tiny_tensors();
  for (auto& [name, t] : numbers) t.values = alone.at(name);
  write_tensors_as(folder / "plain.safetensors", numbers, DType::kF32);
  EXPECT_EQ(logits(folder / "mixed/model.safetensors"), logits(folder / "plain.safetensors"));
  EXPECT_NE(logits(folder / "mixed/model.safetensors"), logits(folder / "nf4/model.safetensors"));
}

TEST_F(Mixed, SaysOfItselfWhatItIs) {
  const LayerFormats layers = by_turns();
  const QuantiseReport report = make(layers);
  const Loaded loaded(folder / "mixed");
  const std::string base = base_of(*loaded.file, tiny_config());
  EXPECT_TRUE(base.starts_with("mixed-")) << base;
  EXPECT_TRUE(is_quantised(base) && is_mixed(base));
  EXPECT_EQ(loaded.file->metadata().at("base"), base);
  EXPECT_EQ(quantisation_of(layers).base(), base);
  const Json described = read_json(folder / "mixed/config.json").at("quantization_config");
  EXPECT_FALSE(described.contains("quant_method"));  // transformers then refuses it
  EXPECT_EQ(parse_layer_formats(described.at("layers"), tiny_config(), "here"), layers);
  EXPECT_EQ(described.at("layers").at(kFc1), name_of(layers.at(kFc1 + ".weight")));
  std::size_t quantised = 1;  // the embedding
  for (const auto& [name, format] : layers) quantised += format != nullptr;
  EXPECT_EQ(report.layers.size(), quantised);
  for (const QuantiseReport::Layer& l : report.layers)
    if (layers.contains(l.name)) {
      EXPECT_EQ(l.format, name_of(layers.at(l.name)));
    }
}

TEST_F(Mixed, IsNamedByItsFormats) {
  const LayerFormats layers = by_turns();
  std::set<std::string> names{quantisation_of(layers, "int8").base(), quantisation_of(layers, "bf16").base()};
  for (const auto& [weight, format] : layers) {
    LayerFormats other = layers;
    other.at(weight) = find_file_format(format ? "" : "int8");
    names.insert(quantisation_of(other, "int8").base());
  }
  EXPECT_EQ(names.size(), layers.size() + 2);
  const Quantisation how = quantisation_of(layers, "int8");
  const Json json = to_json(how, tiny_config());
  EXPECT_EQ(parse_quantisation(json, tiny_config(), "here").base(), how.base());
}

TEST_F(Mixed, TakesAsManyBytesAsWerePlanned) {
  const Quantisation how = quantisation_of(by_turns());
  quantise_model(folder / "model", folder / "mixed", how, {});
  EXPECT_EQ(sori::file_size(folder / "mixed/model.safetensors"), quantised_bytes(tiny_config(), how, DType::kF32));
  std::uint64_t whole = 0;
  for (const Path& file : list_files(folder / "mixed")) whole += sori::file_size(folder / "mixed" / file);
  EXPECT_EQ(whole, quantised_bytes(folder / "model", how));
}

TEST_F(Mixed, IsAnOrdinaryBaseWhereAllLayersAreAlike) {
  for (const std::string& format : file_format_names()) {
    LayerFormats layers = by_turns();
    for (auto& [name, f] : layers) f = find_file_format(format);
    make(layers, "same");
    quantise_model(folder / "model", folder / format, quantisation(format), {});
    for (const char* file : {"model.safetensors", "config.json"})
      EXPECT_EQ(read_file(folder / "same" / file), read_file(folder / format / file)) << format;
    std::filesystem::remove_all(folder / "same");
  }
}

TEST_F(Mixed, IsMixedWhereTheEmbeddingAloneIsQuantised) {
  LayerFormats layers = by_turns();
  for (auto& [name, f] : layers) f = nullptr;
  make(layers, "mixed", "int8");
  EXPECT_TRUE(is_mixed(base_of(*Loaded(folder / "mixed").file, tiny_config())));
  EXPECT_THAT(message_of([&] { make(layers, "nothing"); }), HasSubstr("would stay as it is"));
  EXPECT_FALSE(std::filesystem::exists(folder / "nothing"));
}

TEST_F(Mixed, IsNotQuantisedOrImportedAgain) {
  make(by_turns());
  EXPECT_THAT(message_of([&] { quantise_model(folder / "mixed", folder / "again", quantisation("int8"), {}); }),
              HasSubstr("is quantised already (mixed-"));
  EXPECT_THAT(message_of([&] { import_model(folder / "mixed", folder / "again"); }), HasSubstr("quantised already"));
}

TEST_F(Mixed, RefusesMapsThatAreNotOfTheModel) {
  const Json good = to_json(by_turns(), tiny_config());
  const auto refusal = [&](const Json& map) {
    const auto error = error_of([&] { parse_layer_formats(map, tiny_config(), "map.json"); });
    EXPECT_TRUE(error && error->kind() == ErrorKind::kInput) << map.dump();
    return error ? std::string(error->what()) : "";
  };
  Json map = good;
  map.erase(kFc1);
  EXPECT_THAT(refusal(map), HasSubstr("does not name " + kFc1));
  for (const char* other : {"model.encoder.layers.2.fc1", "model.decoder.embed_tokens", "model.encoder.conv1",
                            "model.encoder.layers.0.self_attn_layer_norm", "", "../x"}) {
    map = good;
    map[other] = "nf4";
    EXPECT_THAT(refusal(map), HasSubstr("no linear layer")) << other;
  }
  for (const Json& format : {Json("q4_k"), Json("f32"), Json(""), Json(8), Json(), Json::array({"nf4"})}) {
    map = good;
    map[kFc1] = format;
    EXPECT_THAT(refusal(map), HasSubstr("which is none of bf16, int8, fp8, nf4")) << format.dump();
  }
  for (const Json& no_map : {Json(), Json("nf4"), Json::array({"nf4"})})
    EXPECT_THAT(refusal(no_map), HasSubstr("is no map"));
  EXPECT_THAT(refusal(Json::object()), HasSubstr("does not name"));
}

TEST_F(Mixed, RefusesAFolderThatLostAPartOfALayer) {
  make(by_turns());
  const Path file = folder / "mixed/model.safetensors";
  const Content good(file);
  for (const auto& [name, t] : good.tensors) {
    if (name.ends_with(".weight_format")) continue;  // may be absent
    Content damaged = good;
    damaged.tensors.erase(name);
    damaged.write(file);
    EXPECT_NE(message_of([&] { Loaded(folder / "mixed"); }), "") << name;
  }
}

}  // namespace
}  // namespace sori::testing
