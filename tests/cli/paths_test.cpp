// Paths whose bytes are no UTF-8: Linux has them, JSON has not.
#include "cli/verbs.h"

namespace sori::test {
namespace {

TEST_F(Verbs, WorkInFoldersWhoseNamesAreNotUtf8) {
  const Path odd = folder /
                   "stra\xDF"
                   "e";
  std::filesystem::create_directory(odd);
  for (const char* name : {"model", "corpus"}) std::filesystem::rename(folder / name, odd / name);
  const std::string model = (odd / "model").string(), data = (odd / "data").string(), out = (odd / "run").string();
  ASSERT_EQ(run({"prepare", (odd / "corpus").string(), data}), 0);
  ASSERT_EQ(run({"train", "--model", model, "--data", data, "--output-dir", out, "--compute", "f32", "--max-steps", "1",
                 "--train-batch-size", "2", "--max-new-tokens", "3", "--json", path("train.json")}),
            0);
  const std::string shown = (folder / "stra\uFFFDe/model").string();
  EXPECT_EQ(read_json(odd / "run/adapter_config.json").at("base_model_name_or_path"), shown);
  EXPECT_EQ(read_json(odd / "run/run.json").at("model"), shown);
  EXPECT_EQ(run({"plan", "--model", model, "--compute", "f32", "--json", path("plan.json")}), 0);
  EXPECT_NE(read_json(folder / "plan.json").at("command").get<std::string>().find(shown), std::string::npos);
  const std::vector<std::string> judge{"--model", model, "--adapter", out, "--compute", "f32", "--max-new-tokens", "3"};
  EXPECT_EQ(
      run(with({"evaluate", "--data", data, "--json", path("score.json"), "--predictions", path("said.jsonl")}, judge)),
      0);
  EXPECT_EQ(read_json(folder / "score.json").at("judge").at("model"), shown);
  EXPECT_EQ(run(with({"transcribe", (odd / "corpus/dev/12.wav").string(), "--json", path("text.json")}, judge)), 0);
  EXPECT_EQ(read_json(folder / "text.json").at(0).at("file"), (folder / "stra\uFFFDe/corpus/dev/12.wav").string());
}

}  // namespace
}  // namespace sori::test
