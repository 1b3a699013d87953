// sori prune, and what is done with the smaller model.
#include <gmock/gmock.h>

#include "cli/verbs.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;

class PruneVerb : public Verbs {
 protected:
  std::vector<std::string> words(const std::string& out, const std::string& count) const {
    return {"prune", path("model"), path(out), "--drop-layers", count, "--data", path("data")};
  }
};

TEST_F(PruneVerb, MakesAModelThatLearns) {
  const std::string text = output_of(with(words("small", "2"), {"--json", path("prune.json")}));
  EXPECT_THAT(text, HasSubstr("1 + 1 layers of 2 + 2"));
  const Json record = read_json(folder / "small/pruning.json"), result = read_json(folder / "prune.json");
  ASSERT_EQ(record.at("dropped").size(), 2u);
  for (const Json& d : record.at("dropped")) {
    EXPECT_THAT(text, HasSubstr(fmt::format("- {} {}", d.at("side").get<std::string>(), d.at("layer").get<int>())));
  }
  EXPECT_EQ(record.at("data_hash"), read_json(folder / "data/dataset.json").at("hash"));
  EXPECT_EQ(record.at("samples"), 11);
  EXPECT_EQ(result.at("dropped"), record.at("dropped"));
  EXPECT_EQ(result.at("encoder_layers"), 1);
  ASSERT_EQ(run({"train", "--model", path("small"), "--data", path("data"), "--output-dir", path("run"), "--compute",
                 "f32", "--max-steps", "2", "--max-new-tokens", "3", "--base", "int8"}),
            0);
  EXPECT_EQ(run({"evaluate", "--model", path("small"), "--adapter", path("run"), "--data", path("data"), "--split",
                 "dev", "--compute", "f32", "--max-new-tokens", "3"}),
            0);
}

TEST_F(PruneVerb, ChoosesTheSameAgainOnTheSameData) {
  ASSERT_EQ(run(words("a", "1")), 0);
  ASSERT_EQ(run(words("b", "1")), 0);
  for (const Path& file : list_files(folder / "a"))
    EXPECT_EQ(read_file(folder / "a" / file), read_file(folder / "b" / file)) << file;
  ASSERT_EQ(run(with(words("c", "1"), {"--side", "decoder", "--split", "dev"})), 0);
  EXPECT_EQ(read_json(folder / "c/pruning.json").at("dropped")[0].at("side"), "decoder");
  EXPECT_EQ(read_json(folder / "c/pruning.json").at("split"), "dev");
}

TEST_F(PruneVerb, RefusesWhatItCannotDo) {
  EXPECT_EQ(run(words("x", "3")), exit_code(ErrorKind::kUsage));
  EXPECT_EQ(run(words("x", "0")), exit_code(ErrorKind::kUsage));
  EXPECT_EQ(run(with(words("x", "2"), {"--side", "encoder"})), exit_code(ErrorKind::kUsage));
  EXPECT_EQ(run({"prune", path("model"), path("x"), "--drop-layers", "1"}), exit_code(ErrorKind::kUsage));
  ASSERT_EQ(run({"quantize", path("model"), path("int8"), "--base", "int8"}), 0);
  const Ran r = ran([&] {
    return run({"prune", path("int8"), path("x"), "--drop-layers", "1", "--data", path("data")});
  });
  EXPECT_EQ(r.code, exit_code(ErrorKind::kInput));
  EXPECT_THAT(r.error, HasSubstr("is quantised (int8)"));
  EXPECT_FALSE(std::filesystem::exists(folder / "x"));
}

}  // namespace
}  // namespace sori::test
