// --base FORMAT in every verb that has it, on a tiny model: made once, kept in the cache, and used from a folder too.
#include <gtest/gtest.h>

#include "cli/cli.h"
#include "cli/tiny_world.h"
#include "ops/backend.h"
#include "quant/file_format.h"

namespace sori::test {
namespace {

class Base : public ::testing::TestWithParam<std::string> {
 protected:
  Base() {
    ::setenv("XDG_CACHE_HOME", path("cache").c_str(), /*overwrite=*/1);
    write_model(folder / "model");
    write_recordings(folder / "corpus");
    EXPECT_EQ(run({"prepare", path("corpus"), path("data")}), 0);
  }
  ~Base() override { ::unsetenv("XDG_CACHE_HOME"); }

  std::string path(const std::string& name) const { return (folder / name).string(); }

  TemporaryFolder folder;
};

TEST_P(Base, ServesPlanTrainEvaluateAndTranscribe) {
  const std::string& base = GetParam();
  EXPECT_EQ(run({"plan", "--model", path("model"), "--data", path("data"), "--base", base, "--compute", "f32"}), 0);
  ASSERT_EQ(run({"train", "--model", path("model"), "--data", path("data"), "--output-dir", path("run"), "--base", base,
                 "--compute", "f32", "--max-steps", "2", "--max-new-tokens", "3"}),
            0);
  EXPECT_EQ(SafetensorsFile(folder / "run/adapter_model.safetensors").metadata().at("base"), base);
  EXPECT_FALSE(std::filesystem::is_empty(folder / "cache/sori"));
  EXPECT_EQ(run({"evaluate", "--model", path("model"), "--adapter", path("run"), "--data", path("data"), "--split",
                 "dev", "--base", base, "--compute", "f32", "--max-new-tokens", "3"}),
            0);
  EXPECT_EQ(run({"transcribe", "--model", path("model"), "--adapter", path("run"), "--base", base, "--compute", "f32",
                 "--max-new-tokens", "3", path("corpus/dev/12.wav")}),
            0);
}

// A plan for what --base will make is that for the folder that it makes.
TEST_P(Base, IsPlannedBeforeItIsMade) {
  ASSERT_EQ(run({"quantize", path("model"), path("quantised"), "--base", GetParam()}), 0);
  const auto planned = [&](const std::string& model, const std::string& base) {
    EXPECT_EQ(run({"plan", "--model", path(model), "--base", base, "--compute", "f32", "--json", path("plan.json")}),
              0);
    return read_json(folder / "plan.json").at("choices");
  };
  EXPECT_EQ(planned("model", GetParam()), planned("quantised", "model"));
  EXPECT_NE(planned("model", GetParam()), planned("model", "model"));
  EXPECT_FALSE(std::filesystem::exists(folder / "cache"));
  EXPECT_EQ(run({"plan", "--model", path("model"), "--method", "full", "--base", GetParam()}),
            exit_code(ErrorKind::kUsage));
  const std::string other = GetParam() == "int8" ? "nf4" : "int8";
  EXPECT_EQ(run({"plan", "--model", path("quantised"), "--base", other}), exit_code(ErrorKind::kUsage));
}

TEST_P(Base, IsUsedFromAFolderThatQuantizeMade) {
  ASSERT_EQ(run({"quantize", path("model"), path("quantised"), "--base", GetParam()}), 0);
  ASSERT_EQ(run({"train", "--model", path("quantised"), "--data", path("data"), "--output-dir", path("run"),
                 "--compute", "f32", "--max-steps", "2", "--max-new-tokens", "3"}),
            0);
  EXPECT_EQ(SafetensorsFile(folder / "run/adapter_model.safetensors").metadata().at("base"), GetParam());
  EXPECT_FALSE(std::filesystem::exists(folder / "cache"));
}

// --compute int8_bf16, where the CPU multiplies codes.
TEST_P(Base, HasItsCodesMultiplied) {
  const std::vector<std::string> train{"train",        "--model",     path("model"), "--data",           path("data"),
                                       "--output-dir", path("run"),   "--base",      GetParam(),         "--compute",
                                       "int8_bf16",    "--max-steps", "4",           "--max-new-tokens", "3",
                                       "--save-steps", "2",           "--json",      path("train.json")};
  if (!has_int8_products()) {
    for (const char* verb : {"train", "plan"}) {
      std::vector<std::string> words{verb, "--model", path("model"), "--base", GetParam(), "--compute", "int8_bf16"};
      if (words[0] == "train") words = train;
      EXPECT_EQ(run(words), exit_code(ErrorKind::kUsage)) << verb;
    }
    return;
  }
  ASSERT_EQ(run(train), 0);
  EXPECT_EQ(read_json(folder / "train.json").at("compute"), "int8_bf16");
  const std::string adapter = read_file(folder / "run/adapter_model.safetensors");
  // Stopped halfway, and went on.
  std::filesystem::remove(folder / "run/run.json");
  std::filesystem::remove_all(folder / "run/checkpoint-4");
  std::vector<std::string> more = train;
  more.emplace_back("--resume");
  ASSERT_EQ(run(more), 0);
  EXPECT_TRUE(read_file(folder / "run/adapter_model.safetensors") == adapter);
  EXPECT_EQ(run({"plan", "--model", path("model"), "--base", GetParam(), "--compute", "int8_bf16"}), 0);
  EXPECT_EQ(run({"evaluate", "--model", path("model"), "--adapter", path("run"), "--data", path("data"), "--base",
                 GetParam(), "--compute", "int8_bf16", "--max-new-tokens", "3", "--json", path("score.json")}),
            0);
  EXPECT_EQ(read_json(folder / "score.json").at("judge").at("compute"), "int8_bf16");
  EXPECT_EQ(run({"plan", "--model", path("model"), "--compute", "int8_bf16"}), exit_code(ErrorKind::kUsage));
}

INSTANTIATE_TEST_SUITE_P(Formats, Base, ::testing::ValuesIn(file_format_names()),
                         [](const auto& i) { return i.param; });

}  // namespace
}  // namespace sori::test
