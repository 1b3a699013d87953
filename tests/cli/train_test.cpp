// The verbs as a user runs them, on a tiny model and a handful of noises: folders, exit codes, and a run that goes on
// where it stopped.
#include <gtest/gtest.h>

#include "audio/rate.h"
#include "audio/sound_files.h"
#include "cli/cli.h"
#include "formats/safetensors.h"
#include "model/load.h"
#include "support/temporary.h"
#include "support/tiny_tokenizer.h"
#include "support/tiny_whisper.h"

namespace sori::test {
namespace {

using sori::testing::TemporaryFolder;

WhisperConfig second_config() {  // windows of a second
  WhisperConfig c = tiny_config();
  c.max_source_positions = 50;
  return c;
}

void write_model(const Path& folder, float last_gain = 1) {
  make_folder(folder);
  TinyWhisper tiny(second_config());
  std::fill_n(tiny.model.decoder.layer_norm.weight.value.row<float>(0), 32, last_gain);
  std::vector<TensorInfo> infos;
  std::map<std::string, std::span<const std::byte>> bytes;
  for_each_parameter(tiny.model, [&](const std::string& name, Parameter& p) {
    infos.push_back({name, DType::kF32, p.shape});
    bytes[name] = std::as_bytes(std::span(p.value.row<float>(0), static_cast<std::size_t>(p.size())));
  });
  SafetensorsWriter writer(folder / "model.safetensors", infos, {{"format", "pt"}});
  for (const TensorInfo& t : writer.order()) writer.write(t.name, bytes.at(t.name));
  writer.commit();
  write_file(folder / "config.json", to_text(to_json(second_config(), DType::kF32, {256, 256, 256, 257})));
  write_file(folder / "tokenizer.json", to_text(tiny_tokenizer_json()));
  write_file(folder / "generation_config.json", "{}\n");
}

class Verbs : public ::testing::Test {
 protected:
  Verbs() {
    write_model(folder / "model");
    for (int i = 0; i < 14; ++i) {
      const Path split = folder / "corpus" / (i < 11 ? "train" : "dev");
      make_folder(split);
      const double seconds = 0.3 + 0.05 * i;
      std::vector<float> samples(static_cast<std::size_t>(seconds * kSampleRate));
      const Rng rng(static_cast<std::uint64_t>(i), Draw::kNoise);
      for (std::size_t k = 0; k < samples.size(); ++k) samples[k] = 0.1f * static_cast<float>(rng.normal(k));
      write_sound(split / fmt::format("{}.wav", i), SF_FORMAT_WAV | SF_FORMAT_PCM_16, kSampleRate, 1, samples);
      write_file(split / fmt::format("{}.txt", i), fmt::format("소리 {}\n", static_cast<char>('a' + i)));
    }
    EXPECT_EQ(run({"prepare", path("corpus"), path("data")}), 0);
  }

  std::string path(const std::string& name) const { return (folder / name).string(); }

  int train(const std::string& out, std::vector<std::string> more) {
    std::vector<std::string> words{"train",
                                   "--model",
                                   path("model"),
                                   "--data",
                                   path("data"),
                                   "--output-dir",
                                   path(out),
                                   "--compute",
                                   "f32",
                                   "--max-steps",
                                   "6",
                                   "--train-batch-size",
                                   "2",
                                   "--max-new-tokens",
                                   "3"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }

  TemporaryFolder folder;
};

const std::vector<std::string> kLora{
    "--method", "lora", "--lora-r", "3", "--lora-dropout", "0.1", "--gradient-accumulation-steps", "2"};
const std::vector<std::string> kFull{"--method", "full", "--learning-rate", "0.001", "--weight-decay", "0.01"};

class Resume : public Verbs, public ::testing::WithParamInterface<std::vector<std::string>> {};

TEST_P(Resume, GivesTheSameBytesAsNeverStopping) {
  std::vector<std::string> options = GetParam();
  options.insert(options.end(), {"--save-steps", "3"});
  ASSERT_EQ(train("straight", options), 0);
  make_folder(folder / "stopped");
  std::filesystem::copy(folder / "straight/checkpoint-3", folder / "stopped/checkpoint-3",
                        std::filesystem::copy_options::recursive);
  options.emplace_back("--resume");
  ASSERT_EQ(train("stopped", options), 0);
  const std::string learnt = GetParam()[1] == "lora" ? "adapter_model.safetensors" : "model.safetensors";
  for (const std::string& file :
       {"checkpoint-6/" + learnt, std::string("checkpoint-6/optimizer.safetensors"),
        std::string("checkpoint-6/trainer_state.json"), learnt, std::string("trainer_state.json")})
    EXPECT_TRUE(read_file(folder / "straight" / file) == read_file(folder / "stopped" / file)) << file;
  EXPECT_FALSE(read_file(folder / "straight/checkpoint-3" / learnt) == read_file(folder / "straight" / learnt));
}

INSTANTIATE_TEST_SUITE_P(Methods, Resume, ::testing::Values(kLora, kFull), [](const auto& i) { return i.param[1]; });

TEST_F(Verbs, ResumeRefusesAnotherRunsCheckpoint) {
  std::vector<std::string> options = kLora;
  ASSERT_EQ(train("run", options), 0);
  options.insert(options.end(), {"--resume", "--seed", "7"});
  EXPECT_EQ(train("run", options), exit_code(ErrorKind::kCheckpoint));
}

TEST_F(Verbs, TrainRefusesAFolderInUse) {
  ASSERT_EQ(train("run", kLora), 0);
  EXPECT_EQ(train("run", kLora), exit_code(ErrorKind::kUsage));
  std::vector<std::string> options = kLora;
  options.emplace_back("--overwrite-output-dir");
  EXPECT_EQ(train("run", options), 0);
}

TEST_F(Verbs, TheSameSeedGivesTheSameBytesAndAnotherDoesNot) {
  std::vector<std::string> options = kLora;
  ASSERT_EQ(train("a", options), 0);
  ASSERT_EQ(train("b", options), 0);
  options.insert(options.end(), {"--seed", "1"});
  ASSERT_EQ(train("c", options), 0);
  const auto bytes = [&](const char* run) { return read_file(folder / run / "adapter_model.safetensors"); };
  EXPECT_TRUE(bytes("a") == bytes("b"));
  EXPECT_FALSE(bytes("a") == bytes("c"));
}

TEST_F(Verbs, RecomputingChangesNothing) {
  std::vector<std::string> options = kLora;
  ASSERT_EQ(train("a", options), 0);
  options.emplace_back("--gradient-checkpointing");
  ASSERT_EQ(train("b", options), 0);
  EXPECT_TRUE(read_file(folder / "a/adapter_model.safetensors") == read_file(folder / "b/adapter_model.safetensors"));
}

TEST_F(Verbs, ALossThatIsNoNumberStopsAtOnceAndWritesNothing) {
  write_model(folder / "model", /*last_gain=*/3e38f);  // finite in the file, infinite in the logits
  EXPECT_EQ(train("run", kLora), exit_code(ErrorKind::kNumeric));
  EXPECT_TRUE(std::filesystem::is_empty(folder / "run"));
}

TEST_F(Verbs, AnAdapterCarriesItsLanguageAndRefusesAnother) {
  ASSERT_EQ(train("run", kLora), 0);
  const std::string wav = path("corpus/dev/12.wav");
  EXPECT_EQ(run({"transcribe", wav, "--model", path("model"), "--adapter", path("run"), "--compute", "f32",
                 "--max-new-tokens", "3"}),
            0);
  EXPECT_EQ(run({"transcribe", wav, "--model", path("model"), "--adapter", path("run"), "--compute", "f32",
                 "--language", "en"}),
            exit_code(ErrorKind::kUsage));
}

TEST_F(Verbs, AMergedModelScoresAsItsAdapterDoes) {
  ASSERT_EQ(train("run", kLora), 0);
  ASSERT_EQ(run({"merge", path("model"), path("run"), path("merged")}), 0);
  const auto score = [&](std::vector<std::string> more) {
    std::vector<std::string> words{"evaluate",         "--data", path("data"), "--compute",       "f32",
                                   "--max-new-tokens", "12",     "--json",     path("score.json")};
    words.insert(words.end(), more.begin(), more.end());
    EXPECT_EQ(run(words), 0);
    return read_json(folder / "score.json").at("cer");
  };
  EXPECT_EQ(score({"--model", path("model"), "--adapter", path("run")}), score({"--model", path("merged")}));
}

TEST_F(Verbs, EveryFailureHasItsExitCode) {
  EXPECT_EQ(run({"trian"}), 2);
  EXPECT_EQ(run({"train", "--modle", "x"}), 2);
  EXPECT_EQ(run({"train", "--model", path("nothing"), "--data", path("data"), "--output-dir", path("x")}), 4);
  EXPECT_EQ(run({"transcribe", path("corpus/dev/12.txt"), "--model", path("model"), "--compute", "f32"}), 3);
  write_file(folder / "model/model.safetensors", read_file(folder / "model/model.safetensors").substr(0, 5000));
  EXPECT_EQ(run({"evaluate", "--model", path("model"), "--data", path("data")}), 3);
  EXPECT_EQ(run({"--version"}), 0);
}

TEST(Help, NamesEveryVerbAndEveryExitCode) {
  for (const Verb& v : verbs()) EXPECT_NE(help_all().find(v.name), std::string::npos);
  EXPECT_NE(help_all().find("75 stopped"), std::string::npos);
}

}  // namespace
}  // namespace sori::test
