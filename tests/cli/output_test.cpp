// The folder a run writes to: what may be replaced and when, who may write, what is kept in it.
#include "cli/verbs.h"

namespace sori::test {
namespace {

const int kUsage = exit_code(ErrorKind::kUsage);
const std::vector<std::string> kOverwrite{"--overwrite-output-dir"};

std::string said(const std::function<void()>& body) {
  ::testing::internal::CaptureStderr();
  body();
  return ::testing::internal::GetCapturedStderr();
}

TEST_F(Verbs, TrainReplacesOnlyTheFolderOfARun) {
  make_folder(folder / "mine");
  write_file(folder / "mine/precious", "1");
  EXPECT_NE(said([&] { EXPECT_EQ(train("mine", kOverwrite), kUsage); }).find("is not the folder of a run"),
            std::string::npos);
  EXPECT_NE(said([&] { EXPECT_EQ(train("mine", {"--resume"}), kUsage); }).find("is not the folder of a run"),
            std::string::npos);
  EXPECT_EQ(read_file(folder / "mine/precious"), "1");
  for (const char* needed : {"model", "data", "corpus"}) {
    write_file(folder / needed / "run.json", "{}");  // even where it looks like one
    EXPECT_NE(said([&] { EXPECT_EQ(train(needed, kOverwrite), kUsage); }).find("is or holds"), std::string::npos);
    EXPECT_TRUE(std::filesystem::exists(folder / needed / "run.json"));
  }
}

TEST_F(Verbs, TrainKeepsTheOldRunUntilTheNewOneIsSureToStart) {
  ASSERT_EQ(train("run", kLora), 0);
  const auto kept = [&] { return std::filesystem::exists(folder / "run/adapter_model.safetensors"); };
  const std::string weights = read_file(folder / "model/model.safetensors");
  std::string damaged = weights;
  damaged.replace(damaged.size() - 4, 4, "\xFF\xFF\xFF\x7F");  // NaN: seen when the weights are loaded
  write_file(folder / "model/model.safetensors", damaged);
  EXPECT_EQ(train("run", kOverwrite), exit_code(ErrorKind::kNumeric));
  EXPECT_TRUE(kept());
  write_file(folder / "model/model.safetensors", weights);
  EXPECT_EQ(train("run", {"--overwrite-output-dir", "--ram", "1M"}), exit_code(ErrorKind::kMemory));
  EXPECT_EQ(train("run", {"--overwrite-output-dir", "--resume"}), kUsage);
  EXPECT_TRUE(kept());
  write_file(folder / "run/old", "1");
  EXPECT_EQ(train("run", kOverwrite), 0);
  EXPECT_TRUE(kept());
  EXPECT_FALSE(std::filesystem::exists(folder / "run/old"));
}

TEST_F(Verbs, TwoRunsDoNotShareAFolder) {
  make_folder(folder / "run");
  const FolderLock other(folder / "run");
  for (const std::vector<std::string>& how : {std::vector<std::string>{}, {"--resume"}, kOverwrite})
    EXPECT_EQ(train("run", how), exit_code(ErrorKind::kLocked));
}

TEST_F(Verbs, ARunKeepsItsNewestCheckpoints) {
  const auto left = [&](const std::string& out, const std::vector<std::string>& how) {
    EXPECT_EQ(train(out, with(kLora, how)), 0);
    std::set<std::string> names;
    for (const auto& e : std::filesystem::directory_iterator(folder / out))
      if (e.is_directory()) names.insert(e.path().filename());
    return names;
  };
  using Names = std::set<std::string>;
  EXPECT_EQ(left("two", {"--save-steps", "2"}), (Names{"checkpoint-4", "checkpoint-6"}));
  EXPECT_EQ(left("one", {"--save-steps", "2", "--save-total-limit", "1"}), Names{"checkpoint-6"});
  EXPECT_EQ(left("all", {"--save-steps", "2", "--save-total-limit", "0"}),
            (Names{"checkpoint-2", "checkpoint-4", "checkpoint-6"}));
}

// A sound that is looked at without complaint, and cannot be decoded.
void damage_sound(const Path& wav) {
  std::vector<float> samples(8000, 0.1f);
  samples[4000] = std::numeric_limits<float>::quiet_NaN();
  write_sound(wav, SF_FORMAT_WAV | SF_FORMAT_FLOAT, kSampleRate, 1, samples);
}

TEST_F(Verbs, AnEvaluationThatFailsCostsNoStep) {
  ASSERT_EQ(train("straight", kLora), 0);
  const Path wav = folder / "corpus/dev/13.wav";
  const std::string sound = read_file(wav);
  damage_sound(wav);
  EXPECT_EQ(train("run", kLora), exit_code(ErrorKind::kInput));
  ASSERT_TRUE(std::filesystem::exists(folder / "run/checkpoint-6/adapter_model.safetensors"));
  EXPECT_FALSE(std::filesystem::exists(folder / "run/run.json"));
  write_file(wav, sound);
  EXPECT_EQ(train("run", with(kLora, {"--resume"})), 0);
  for (const char* file : {"adapter_model.safetensors", "trainer_state.json", "checkpoint-6/trainer_state.json"})
    EXPECT_TRUE(read_file(folder / "run" / file) == read_file(folder / "straight" / file)) << file;
}

TEST_F(Verbs, TrainLooksAtTheSoundsOfDevBeforeItLearns) {
  std::filesystem::remove(folder / "corpus/dev/13.wav");
  EXPECT_EQ(train("run", kLora), exit_code(ErrorKind::kInput));
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

TEST_F(Verbs, ResumingAFinishedRunKeepsItsScore) {
  ASSERT_EQ(train("run", kLora), 0);
  const std::string readme = read_file(folder / "run/README.md");
  EXPECT_NE(readme.find("CER on dev"), std::string::npos);
  const Json cer = read_json(folder / "run/run.json").at("result").at("eval").at("cer").at("rate");
  ASSERT_EQ(train("run", with(kLora, {"--resume"})), 0);
  EXPECT_EQ(read_file(folder / "run/README.md"), readme);
  EXPECT_EQ(read_json(folder / "run/run.json").at("result").at("eval").at("cer").at("rate"), cer);
}

TEST_F(Verbs, TheReadmeNamesTheLibraryThatLoadsTheResult) {
  ASSERT_EQ(train("adapter", kLora), 0);
  ASSERT_EQ(train("model2", kFull), 0);
  EXPECT_NE(read_file(folder / "adapter/README.md").find("library_name: peft\n"), std::string::npos);
  EXPECT_NE(read_file(folder / "model2/README.md").find("library_name: transformers\n"), std::string::npos);
}

}  // namespace
}  // namespace sori::test
