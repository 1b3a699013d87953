#include "export/prune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "export/quantised_folder.h"
#include "support/tiny_golden.h"

namespace sori::testing {
namespace {

using ::testing::HasSubstr;

// transformers' tiny model, 2 + 2 layers, as a folder.
class Prune : public ::testing::Test {
 protected:
  Prune() {
    const SafetensorsFile golden(test::golden("tiny_model.safetensors"));
    Tensors tensors;
    for (const TensorView& t : golden.tensors()) tensors[t.name] = {t.shape, test::floats(t)};
    make_folder(folder / "model");
    write_tensors_as(folder / "model/model.safetensors", tensors, DType::kF32);
    write_file(folder / "model/tokenizer.json", to_text(tiny_tokenizer()));
    Json config = read_json(test::golden("tiny_config.json"));
    config["num_hidden_layers"] = 2;
    write_file(folder / "model/config.json", to_text(config));
    write_heads({{0, 1}, {1, 0}, {1, 1}});
  }

  void write_heads(const Json& heads) {
    write_file(folder / "model/generation_config.json", to_text({{"alignment_heads", heads}, {"task", "transcribe"}}));
  }

  PruneReport prune(const KeptLayers& kept, const Json& record = {}) {
    return prune_model(folder / "model", folder / "out", kept, {.overwrite = true, .record = record});
  }

  // change(model): between loading and running.
  std::vector<float> logits(const char* model, const std::function<void(Whisper&)>& change) {
    test::TinyRun run(
        make_reference_backend(DType::kF32), Keep::kNothing, [](Whisper&) {}, folder / model / "model.safetensors",
        folder / model / "config.json");
    change(run.model);
    const SafetensorsFile f(test::golden("tiny_forward.safetensors"));
    return test::logits_of(run, test::read_utterance(f, "u0."));
  }

  TemporaryFolder folder;
};

template <class Layer>
void keep_only(std::vector<Layer>& layers, const std::vector<int>& kept) {
  std::vector<Layer> left;
  for (const int i : kept) left.push_back(layers[static_cast<std::size_t>(i)]);
  layers = left;
}

TEST_F(Prune, SaysWhatTheWholeModelSaysWithoutTheseLayers) {
  const std::vector<float> whole = logits("model", [](Whisper&) {});
  for (const std::vector<int>& encoder : {std::vector{0}, {1}, {0, 1}})
    for (const std::vector<int>& decoder : {std::vector{0}, {1}, {0, 1}}) {
      const PruneReport report = prune({encoder, decoder});
      EXPECT_EQ(report.config.encoder_layers, std::ssize(encoder));
      EXPECT_EQ(report.config.decoder_layers, std::ssize(decoder));
      const std::vector<float> skipped = logits("model", [&](Whisper& w) {
        keep_only(w.encoder.layers, encoder);
        keep_only(w.decoder.layers, decoder);
      });
      EXPECT_EQ(logits("out", [](Whisper&) {}), skipped);
      EXPECT_EQ(skipped == whole, encoder.size() + decoder.size() == 4);
    }
}

TEST_F(Prune, KeepsBytesAndCountsThem) {
  const PruneReport report = prune({{1}, {0, 1}}, {{"why", "test"}});
  const SafetensorsFile whole(folder / "model/model.safetensors"), left(folder / "out/model.safetensors");
  std::uint64_t bytes = 0;
  for (const TensorView& t : left.tensors()) bytes += t.bytes.size();
  EXPECT_EQ(report.bytes, bytes);
  EXPECT_LT(report.bytes, report.source_bytes);
  EXPECT_EQ(left.tensors().size(), tensor_list(report.config).size());
  EXPECT_TRUE(std::ranges::equal(left.get("model.encoder.layers.0.fc1.weight").bytes,
                                 whole.get("model.encoder.layers.1.fc1.weight").bytes));
  const Json config = read_json(folder / "out/config.json");
  EXPECT_EQ(config.at("encoder_layers"), 1);
  EXPECT_EQ(config.at("decoder_layers"), 2);
  EXPECT_EQ(config.at("num_hidden_layers"), 1);
  EXPECT_EQ(read_json(folder / "out/pruning.json").at("why"), "test");
  // It goes where the model goes.
  quantise_model(folder / "out", folder / "quantised", quantisation("int8"), {});
  EXPECT_EQ(read_json(folder / "quantised/pruning.json").at("why"), "test");
}

TEST_F(Prune, NumbersAlignmentHeadsAnew) {
  const auto heads = [&](const std::vector<int>& decoder) {
    prune({{0, 1}, decoder});
    return read_json(folder / "out/generation_config.json").value("alignment_heads", Json());
  };
  EXPECT_EQ(heads({0, 1}), Json({{0, 1}, {1, 0}, {1, 1}}));
  EXPECT_EQ(heads({1}), Json({{0, 0}, {0, 1}}));
  EXPECT_EQ(heads({0}), Json({{0, 1}}));
  write_heads({{1, 1}});
  EXPECT_EQ(heads({0}), Json()) << "an empty list would be a promise";
  EXPECT_EQ(read_json(folder / "out/generation_config.json").at("task"), "transcribe");
}

TEST_F(Prune, RefusesWhatItCannotNumber) {
  for (const Json& bad : {Json({{2, 0}}), Json({{-1, 0}}), Json({{0, 0, 0}}), Json("0.1")}) {
    write_heads(bad);
    const auto error = error_of([&] { prune({{0}, {0}}); });
    ASSERT_TRUE(error) << bad.dump();
    EXPECT_EQ(error->kind(), ErrorKind::kInput);
    EXPECT_FALSE(std::filesystem::exists(folder / "out"));
  }
  write_heads(Json::array({Json::array({0, 0})}));
  quantise_model(folder / "model", folder / "quantised", quantisation("int8"), {});
  EXPECT_THAT(message_of([&] {
                prune_model(folder / "quantised", folder / "out", {{0}, {0}}, {});
              }),
              HasSubstr("is quantised already"));
  prune({{0}, {0}});
  EXPECT_THAT(message_of([&] {
                prune_model(folder / "model", folder / "out", {{0}, {0}}, {});
              }),
              HasSubstr("already exists"));
}

}  // namespace
}  // namespace sori::testing
