// A base whose layers differ, in every verb that opens one.
#include <gmock/gmock.h>

#include "cli/verbs.h"
#include "export/quantise.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class MixedBase : public Verbs {
 protected:
  MixedBase() {
    Json layers = Json::object();
    for (const NamedShape& t : tensor_list(second_config()))
      if (is_linear(t))
        layers[t.name.substr(0, t.name.rfind('.'))] = std::vector{"nf4", "int8", "bf16"}[layers.size() % 3];
    write_map(layers);
    EXPECT_EQ(run({"quantize", path("model"), path("mixed"), "--base", "mixed", "--layers", path("map.json")}), 0);
  }

  void write_map(const Json& layers) {
    write_file(folder / "map.json", to_text({{"quantization_config", {{"layers", layers}}}}));
  }

  int train_on(const std::string& model, const std::string& out, const std::vector<std::string>& more = {}) {
    return run(with({"train", "--model", path(model), "--data", path("data"), "--output-dir", path(out), "--compute",
                     "f32", "--max-steps", "2", "--max-new-tokens", "3"},
                    more));
  }
};

TEST_F(MixedBase, ServesInspectPlanTrainAndEvaluate) {
  EXPECT_THAT(output_of({"inspect", path("mixed")}), HasSubstr("base mixed"));
  EXPECT_EQ(run({"plan", "--model", path("mixed"), "--compute", "f32"}), 0);
  EXPECT_EQ(run({"plan", "--model", path("mixed"), "--compute", "f32", "--base", "auto"}), 0);
  ASSERT_EQ(train_on("mixed", "run"), 0);
  EXPECT_EQ(SafetensorsFile(folder / "run/adapter_model.safetensors").metadata().at("base"),
            SafetensorsFile(folder / "mixed/model.safetensors").metadata().at("base"));
  EXPECT_EQ(run({"evaluate", "--model", path("mixed"), "--adapter", path("run"), "--data", path("data"), "--split",
                 "dev", "--compute", "f32", "--max-new-tokens", "3"}),
            0);
}

TEST_F(MixedBase, IsNeitherQuantisedAgainNorTrainedWholeNorMeasured) {
  for (const std::string base : {"int8", "nf4"}) {
    const Ran r = ran([&] { return train_on("mixed", "run", {"--base", base}); });
    EXPECT_EQ(r.code, exit_code(ErrorKind::kUsage));
    EXPECT_THAT(r.error, HasSubstr("is quantised as mixed-"));
  }
  EXPECT_EQ(train_on("mixed", "run", {"--method", "full"}), exit_code(ErrorKind::kUsage));
  const Ran bench = ran([&] { return run({"bench", "--model", path("mixed"), "--compute", "f32"}); });
  EXPECT_EQ(bench.code, exit_code(ErrorKind::kUsage));
  EXPECT_THAT(bench.error, HasSubstr("mixes formats"));
}

// The numbers of the original model, and those of the mixed base.
TEST_F(MixedBase, IsMergedOntoWhatTheUserNames) {
  ASSERT_EQ(train_on("mixed", "run"), 0);
  EXPECT_THAT(output_of({"merge", path("mixed"), path("run"), path("decoded")}), HasSubstr("onto decoded weights"));
  for (const std::vector<std::string>& data : {std::vector<std::string>{}, {"--data", path("data")}}) {
    const std::string out = data.empty() ? "original" : "scored";
    EXPECT_THAT(output_of(with({"merge", path("model"), path("run"), path(out)}, data)),
                HasSubstr("onto original weights"));
  }
  EXPECT_NE(read_file(folder / "decoded/model.safetensors"), read_file(folder / "original/model.safetensors"));
  const Ran r = ran([&] { return run({"merge", path("model"), path("run"), path("x"), "--onto", "decoded"}); });
  EXPECT_EQ(r.code, exit_code(ErrorKind::kUsage));
  EXPECT_THAT(r.error, HasSubstr("trained on a mixed base"));
}

// Of the same model, with one layer in another format.
TEST_F(MixedBase, IsNotTakenForAnotherOne) {
  Json layers = read_json(folder / "map.json").at("quantization_config").at("layers");
  layers.begin().value() = "int8";
  write_map(layers);
  ASSERT_EQ(run({"quantize", path("model"), path("other"), "--base", "mixed", "--layers", path("map.json")}), 0);
  ASSERT_EQ(train_on("mixed", "run"), 0);
  const auto evaluated = [&](const std::string& model, const std::string& base = "model") {
    return ran([&] {
      return run({"evaluate", "--model", path(model), "--adapter", path("run"), "--data", path("data"), "--base", base,
                  "--compute", "f32", "--max-new-tokens", "3"});
    });
  };
  const Ran same = evaluated("mixed"), other = evaluated("other");
  EXPECT_EQ(same.code + other.code, 0);
  EXPECT_THAT(same.error, Not(HasSubstr("scores may differ")));
  EXPECT_THAT(other.error, HasSubstr("the adapter was trained on a base in mixed-"));
  EXPECT_EQ(evaluated("mixed", "auto").code, 0);
  // The folder alone says what it is made of.
  for (const auto& [model, why] :
       {std::pair{"other", "is quantised as mixed-"}, {"model", "does not say which layers"}}) {
    const Ran refused = evaluated(model, "auto");
    EXPECT_EQ(refused.code, exit_code(ErrorKind::kUsage));
    EXPECT_THAT(refused.error, HasSubstr(why));
  }
  const Ran merged = ran([&] { return run({"merge", path("other"), path("run"), path("merged")}); });
  EXPECT_EQ(merged.code, exit_code(ErrorKind::kUsage));
  EXPECT_THAT(merged.error, HasSubstr("is quantised as mixed-"));
}

TEST_F(MixedBase, IsMadeAgainFromItsOwnConfig) {
  ASSERT_EQ(run({"quantize", path("model"), path("again"), "--base", "mixed", "--layers", path("mixed/config.json")}),
            0);
  for (const char* file : {"model.safetensors", "config.json"})
    EXPECT_EQ(read_file(folder / "mixed" / file), read_file(folder / "again" / file));
}

TEST_F(MixedBase, WantsAMapOfTheModelsLayers) {
  const auto quantize = [&](const std::vector<std::string>& more) {
    return ran([&] { return run(with({"quantize", path("model"), path("x")}, more)); });
  };
  for (const auto& words :
       {std::vector<std::string>{"--base", "mixed"}, {"--base", "nf4", "--layers", path("map.json")}})
    EXPECT_EQ(quantize(words).code, exit_code(ErrorKind::kUsage));
  const std::vector<std::string> mixed{"--base", "mixed", "--layers", path("map.json")};
  write_map({{"model.encoder.layers.0.fc1", "nf4"}});
  EXPECT_EQ(quantize(mixed).code, exit_code(ErrorKind::kInput));
  EXPECT_THAT(quantize(mixed).error, HasSubstr("map.json: does not name"));
  write_file(folder / "map.json", "{}");
  EXPECT_EQ(quantize(mixed).code, exit_code(ErrorKind::kInput));
  EXPECT_EQ(quantize({"--base", "mixed", "--layers", path("model/config.json")}).code, exit_code(ErrorKind::kInput));
  EXPECT_FALSE(std::filesystem::exists(folder / "x"));
}

}  // namespace
}  // namespace sori::test
