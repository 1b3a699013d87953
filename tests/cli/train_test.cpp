// The verbs as a user runs them, on a tiny model and a handful of noises: folders, exit codes, and a run that goes on
// where it stopped.
#include <gtest/gtest.h>

#include "cli/verbs.h"
#include "formats/values.h"

namespace sori::test {
namespace {

const std::vector<std::string> kFused{"--fused-step", "--max-grad-norm", "0"}, kCoded{"--optim", "adamw_8bit"},
    kBf16{"--param-dtype", "bf16"};

struct Method {
  std::string name;
  std::vector<std::string> options;
};

class Resume : public Verbs, public ::testing::WithParamInterface<Method> {};

TEST_P(Resume, GivesTheSameBytesAsNeverStopping) {
  std::vector<std::string> options = GetParam().options;
  options.insert(options.end(), {"--save-steps", "3"});
  ASSERT_EQ(train("straight", options), 0);
  make_folder(folder / "stopped");
  std::filesystem::copy(folder / "straight/checkpoint-3", folder / "stopped/checkpoint-3",
                        std::filesystem::copy_options::recursive);
  options.emplace_back("--resume");
  ASSERT_EQ(train("stopped", options), 0);
  const std::string learnt = options[1] == "lora" ? "adapter_model.safetensors" : "model.safetensors";
  for (const std::string& file :
       {"checkpoint-6/" + learnt, std::string("checkpoint-6/optimizer.safetensors"),
        std::string("checkpoint-6/trainer_state.json"), learnt, std::string("trainer_state.json")})
    EXPECT_TRUE(read_file(folder / "straight" / file) == read_file(folder / "stopped" / file)) << file;
  EXPECT_FALSE(read_file(folder / "straight/checkpoint-3" / learnt) == read_file(folder / "straight" / learnt));
}

const std::vector<std::string> kOneByOne{"--method", "lora", "--lora-r", "130"};  // large enough for codes

const std::vector<std::string> kOneAtATime{"--method", "lora", "--lora-r", "3"};
const std::vector<std::string> kDora = with(kOneAtATime, {"--use-dora", "--gradient-accumulation-steps", "2"});
const std::vector<std::string> kLoraGa{"--init-lora-weights", "lora_ga"};
const std::vector<std::string> kPissa{"--init-lora-weights", "pissa", "--weight-decay", "0.1"};

INSTANTIATE_TEST_SUITE_P(
    Methods, Resume,
    ::testing::Values(Method{"lora", kLora}, Method{"full", kFull}, Method{"full_fused", with(kFull, kFused)},
                      Method{"full_norms_and_last_layer", with(kFull, {"--trainable", "norms,last-1"})},
                      Method{"full_8bit_accumulated",
                             with(with(kFull, kCoded), {"--gradient-accumulation-steps", "2"})},
                      Method{"full_bf16", with(kFull, kBf16)},
                      Method{"full_bf16_8bit_fused", with(with(with(kFull, kBf16), kCoded), kFused)},
                      Method{"lora_8bit_fused", with(with(kOneByOne, kCoded), kFused)},
                      Method{"lora_states_kept", with(kLora, {"--target-scope", "decoder"})},
                      Method{"pissa", with(kLora, kPissa)}, Method{"lora_ga", with(kLora, kLoraGa)},
                      Method{"lora_ga_fused", with(with(kOneAtATime, kLoraGa), kFused)}, Method{"dora", kDora},
                      Method{"dora_lora_ga", with(kDora, kLoraGa)},
                      Method{"dora_nf4_fused", with(with(kOneAtATime, {"--use-dora", "--base", "nf4"}), kFused)},
                      Method{"loftq", with(kLora, {"--base", "nf4", "--init-lora-weights", "loftq"})},
                      Method{"pissa_rslora_fused", with(with(kOneAtATime, kPissa), with(kFused, {"--use-rslora"}))}),
    [](const auto& i) { return i.param.name; });

class ResumeHalfway : public Verbs, public ::testing::WithParamInterface<const char*> {};

TEST_P(ResumeHalfway, TenAndTenStepsGiveTheBytesOfTwenty) {
  compute = GetParam(), steps = "20";
  const std::vector<std::string> options = with(kLora, {"--save-steps", "10"});
  ASSERT_EQ(train("straight", options), 0);
  make_folder(folder / "stopped");
  std::filesystem::copy(folder / "straight/checkpoint-10", folder / "stopped/checkpoint-10",
                        std::filesystem::copy_options::recursive);
  ASSERT_EQ(train("stopped", with(options, {"--resume"})), 0);
  for (const char* file : {"adapter_model.safetensors", "trainer_state.json", "checkpoint-20/optimizer.safetensors"})
    EXPECT_TRUE(read_file(folder / "straight" / file) == read_file(folder / "stopped" / file)) << file;
}

INSTANTIATE_TEST_SUITE_P(Compute, ResumeHalfway, ::testing::Values("f32", "bf16"),
                         [](const auto& i) { return std::string(i.param); });

TEST_F(Verbs, AModelTunedInBf16IsWrittenAndReadSo) {
  ASSERT_EQ(train("run", with(with(with(kFull, kBf16), kCoded), kFused)), 0);
  const SafetensorsFile f(folder / "run/model.safetensors");
  EXPECT_EQ(f.get("model.decoder.embed_tokens.weight").type, DType::kBF16);
  EXPECT_EQ(f.get("model.encoder.conv1.weight").type, DType::kBF16);
  EXPECT_EQ(f.get("model.encoder.conv1.bias").type, DType::kF32);
  EXPECT_EQ(read_json(folder / "run/config.json").at("torch_dtype"), "bfloat16");
  EXPECT_EQ(
      run({"evaluate", "--model", path("run"), "--data", path("data"), "--compute", "f32", "--max-new-tokens", "3"}),
      0);
  const SafetensorsFile optimizer(folder / "run/checkpoint-6/optimizer.safetensors");
  EXPECT_EQ(optimizer.get("model.decoder.embed_tokens.weight.exp_avg").type, DType::kU8);
  EXPECT_EQ(optimizer.get("model.decoder.embed_tokens.weight.exp_avg_sq.absmax").type, DType::kF32);
  EXPECT_EQ(optimizer.get("model.encoder.conv1.bias.exp_avg").type, DType::kF32);
}

// Of a folder's adapter_model.safetensors, by name.
std::map<std::string, std::vector<float>> adapter_numbers(const Path& folder) {
  const SafetensorsFile f(folder / "adapter_model.safetensors");
  std::map<std::string, std::vector<float>> all;
  for (const TensorView& t : f.tensors()) {
    all[t.name].resize(t.bytes.size() / sizeof(float));
    read_floats(t, 0, all[t.name]);
  }
  return all;
}

// The second half of what is saved is where the first began, and stays there.
class CarriedStart : public Verbs, public ::testing::WithParamInterface<const char*> {};

TEST_P(CarriedStart, IsSavedAsAPlainAdapterOfTwiceTheRankThatBeginsAsTheBase) {
  for (const std::string base : {"model", "nf4"})
    for (const std::vector<std::string>& scale : {std::vector<std::string>{}, {"--use-rslora"}}) {
      const std::vector<std::string> options = with(with(kOneAtATime, {"--base", base}), scale);
      const std::string name = base + std::to_string(scale.size());
      ASSERT_EQ(train(name, with(options, with({"--init-lora-weights", GetParam()},
                                               {"--save-steps", "3", "--save-total-limit", "0"}))),
                0);
      ASSERT_EQ(train(name + "-lora", options), 0);
      EXPECT_NEAR(losses(name)[0], losses(name + "-lora")[0], 1e-5 * losses(name)[0]);
      EXPECT_GT(std::abs(losses(name)[5] - losses(name + "-lora")[5]), 1e-4) << "it learns otherwise";
      const Json config = read_json(folder / name / "adapter_config.json");
      EXPECT_EQ(config.at("r"), 6);
      EXPECT_NEAR(config.at("lora_alpha").get<double>(), scale.empty() ? 128 : 64 * std::sqrt(2.0), 1e-12);
      EXPECT_EQ(config.at("init_lora_weights"), true);
      const auto middle = adapter_numbers(folder / name / "checkpoint-3"), end = adapter_numbers(folder / name);
      for (const auto& [tensor, numbers] : end) {
        const bool a = tensor.ends_with("lora_A.weight");
        const std::size_t rows = a ? 6 : numbers.size() / 6, cols = numbers.size() / rows;
        bool moved = false;
        for (std::size_t i = 0; i < numbers.size(); ++i) {
          const bool frozen = a ? i / cols >= 3 : i % cols >= 3;
          if (frozen) {
            ASSERT_EQ(numbers[i], middle.at(tensor)[i]) << tensor;
          } else {
            moved |= numbers[i] != middle.at(tensor)[i];
          }
        }
        EXPECT_TRUE(moved) << tensor;
      }
    }
  EXPECT_EQ(run({"evaluate", "--model", path("model"), "--adapter", path("nf40"), "--base", "nf4", "--data",
                 path("data"), "--compute", "f32", "--max-new-tokens", "3"}),
            0);
  EXPECT_EQ(run({"merge", path("model"), path("model0"), path("merged")}), 0);
  EXPECT_EQ(train("on", with(kOneAtATime, {"--init-adapter", path("model0")})), 0);
  EXPECT_EQ(read_json(folder / "on/adapter_config.json").at("r"), 6);
}

INSTANTIATE_TEST_SUITE_P(Starts, CarriedStart, ::testing::Values("pissa", "lora_ga"),
                         [](const auto& i) { return std::string(i.param); });

TEST_F(Verbs, ALoftqRunBeginsNearerToTheModelThanItsBaseAlone) {
  const std::vector<std::string> loftq{"--init-lora-weights", "loftq"}, nf4 = with(kOneAtATime, {"--base", "nf4"});
  steps = "1";
  const std::vector<std::string> many = with(loftq, {"--lora-r", "16"});
  ASSERT_EQ(train("plain", kOneAtATime), 0);
  ASSERT_EQ(train("nf4", nf4), 0);
  ASSERT_EQ(train("loftq", with({"--method", "lora", "--base", "nf4"}, many)), 0);
  const double truth = losses("plain")[0];
  EXPECT_LT(std::abs(losses("loftq")[0] - truth), 0.5 * std::abs(losses("nf4")[0] - truth));
  EXPECT_EQ(read_json(folder / "loftq/adapter_config.json").at("r"), 16);
  // There must be both the codes and what they were made of.
  const int usage = exit_code(ErrorKind::kUsage);
  EXPECT_EQ(train("run", with(kOneAtATime, loftq)), usage);
  ASSERT_EQ(run({"quantize", path("model"), path("codes"), "--base", "nf4"}), 0);
  EXPECT_EQ(run({"train", "--model", path("codes"), "--data", path("data"), "--output-dir", path("run"), "--compute",
                 "f32", "--max-steps", "1", "--init-lora-weights", "loftq"}),
            usage);
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

TEST_F(Verbs, AStartThatCannotBeIsRefused) {
  ASSERT_EQ(train("lora", kLora), 0);
  const int usage = exit_code(ErrorKind::kUsage);
  EXPECT_EQ(train("run", with(kFull, {"--init-lora-weights", "pissa"})), usage);
  EXPECT_EQ(train("run", with({"--init-adapter", path("lora")}, kPissa)), usage);
  EXPECT_EQ(train("run", with(kPissa, {"--lora-r", "33"})), usage) << "more than a layer has";
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

// What does not learn is written as it was read.
TEST_F(Verbs, PartsOfAModelLearnAndTheRestStays) {
  const auto is_bias = [](const std::string& name) { return name.ends_with(".bias"); };
  const auto is_last = [](const std::string& name) { return name.starts_with("model.decoder.layers.1."); };
  const SafetensorsFile base(folder / "model/model.safetensors");
  for (const auto& [part, scope, learns] :
       {std::tuple<std::string, std::string, std::function<bool(const std::string&)>>{"biases", "both", is_bias},
        {"last-1", "decoder", is_last}}) {
    ASSERT_EQ(train(part, with(kFull, {"--trainable", part, "--target-scope", scope, "--param-dtype", "bf16"})), 0);
    const SafetensorsFile tuned(folder / part / "model.safetensors");
    const SafetensorsFile moments(folder / part / "checkpoint-6/optimizer.safetensors");
    ASSERT_EQ(tuned.tensors().size(), base.tensors().size());
    for (const TensorView& t : base.tensors()) {
      EXPECT_EQ(std::ranges::equal(t.bytes, tuned.get(t.name).bytes), !learns(t.name)) << t.name;
      EXPECT_EQ(moments.find(t.name + ".exp_avg") != nullptr, learns(t.name)) << t.name;
    }
    EXPECT_EQ(
        run({"evaluate", "--model", path(part), "--data", path("data"), "--compute", "f32", "--max-new-tokens", "3"}),
        0);
  }
}

TEST_F(Verbs, PartsThatAreNoneAreRefused) {
  const auto refusal = [&](const std::vector<std::string>& options) {
    const Ran r = ran([&] { return train("run", options); });
    EXPECT_EQ(r.code, exit_code(ErrorKind::kUsage)) << r.error;
    return r.error;
  };
  const auto with_part = [&](const std::string& part) { return refusal(with(kFull, {"--trainable", part})); };
  EXPECT_NE(with_part("bias").find("did you mean biases?"), std::string::npos);
  EXPECT_NE(with_part("last").find("did you mean last-1?"), std::string::npos);
  EXPECT_NE(with_part("last-3").find("give last-1 to last-2"), std::string::npos);
  EXPECT_NE(with_part("last-0").find("give last-1 to last-2"), std::string::npos);
  EXPECT_NE(with_part("encoder").find("use all, last-N, norms or biases"), std::string::npos);
  EXPECT_NE(refusal(with(kLora, {"--trainable", "norms"})).find("use --method full"), std::string::npos);
  ASSERT_EQ(run({"quantize", path("model"), path("codes"), "--base", "int8"}), 0);
  EXPECT_EQ(run({"train", "--model", path("codes"), "--data", path("data"), "--output-dir", path("run"), "--method",
                 "full", "--trainable", "norms"}),
            exit_code(ErrorKind::kUsage));
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

TEST_F(Verbs, ResumeRefusesAnotherOptimizerTypeOrStep) {
  const std::vector<std::string> classic = with(kFull, {"--max-grad-norm", "0"});
  ASSERT_EQ(train("run", classic), 0);
  for (const std::vector<std::string>& other : {kCoded, kBf16, {"--fused-step"}})
    EXPECT_EQ(train("run", with(with(classic, other), {"--resume"})), exit_code(ErrorKind::kCheckpoint)) << other[0];
  EXPECT_EQ(train("run", with(classic, {"--resume", "--optim", "adamw_torch"})), 0) << "another name of the same";
}

TEST_F(Verbs, AFusedStepNeitherClipsNorAccumulates) {
  const int usage = exit_code(ErrorKind::kUsage);
  EXPECT_EQ(train("run", with(kFull, {"--fused-step"})), usage) << "clipping is on unless it is turned off";
  EXPECT_EQ(train("run", with(with(kFull, kFused), {"--gradient-accumulation-steps", "2"})), usage);
  EXPECT_EQ(train("run", with(kLora, kBf16)), usage) << "adapters learn in f32";
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
  EXPECT_EQ(train("run", with(kFull, kFused)), 0);
}

TEST_F(Verbs, AFusedStepGivesTheBytesOfTheClassicOne) {
  ASSERT_EQ(train("classic", with(kFull, {"--max-grad-norm", "0"})), 0);
  ASSERT_EQ(train("fused", with(kFull, kFused)), 0);
  for (const char* file : {"model.safetensors", "trainer_state.json"})
    EXPECT_TRUE(read_file(folder / "classic" / file) == read_file(folder / "fused" / file)) << file;
}

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

// alpha / sqrt(r) with r = 4 and alpha = 8 is alpha / r with alpha = 16: the same run, told otherwise.
TEST_F(Verbs, RsLoraIsAnotherScale) {
  const std::vector<std::string> plain{"--lora-r", "4", "--lora-alpha", "16", "--loraplus-lr-ratio", "4"};
  ASSERT_EQ(train("plain", plain), 0);
  ASSERT_EQ(train("rs", {"--lora-r", "4", "--lora-alpha", "8", "--loraplus-lr-ratio", "4", "--use-rslora"}), 0);
  EXPECT_EQ(losses("rs"), losses("plain"));
  EXPECT_EQ(read_json(folder / "rs/adapter_config.json").at("use_rslora"), true);
  for (const char* name : {"rs", "plain"})
    ASSERT_EQ(run({"evaluate", "--model", path("model"), "--adapter", path(name), "--data", path("data"), "--compute",
                   "f32", "--max-new-tokens", "3", "--json", path(std::string(name) + ".json")}),
              0);
  EXPECT_EQ(read_json(folder / "rs.json").at("cer_counts"), read_json(folder / "plain.json").at("cer_counts"));
  ASSERT_EQ(train("slow", {"--lora-r", "4", "--lora-alpha", "16"}), 0);
  EXPECT_NE(losses("slow"), losses("plain")) << "B learns at another rate";
}

// DoRA begins with what its adapters begin with, and goes another way.
TEST_F(Verbs, ADoraRunBeginsAsThePlainOneAndGoesOnFromItsMagnitudes) {
  const std::vector<std::string> dora = with(kOneAtATime, {"--use-dora"});
  for (const std::vector<std::string>& more : {std::vector<std::string>{},
                                               {"--base", "nf4", "--init-lora-weights", "loftq"},
                                               {"--init-lora-weights", "pissa"}}) {
    const std::string name = more.empty() ? "plain" : more.back();
    ASSERT_EQ(train(name, with(kOneAtATime, more)), 0);
    ASSERT_EQ(train(name + "-dora", with(dora, more)), 0);
    EXPECT_EQ(losses(name + "-dora")[0], losses(name)[0]) << name;
    EXPECT_GT(std::abs(losses(name + "-dora")[5] - losses(name)[5]), 1e-4) << name;
  }
  EXPECT_EQ(read_json(folder / "plain-dora/adapter_config.json").at("use_dora"), true);
  const auto learnt = adapter_numbers(folder / "plain-dora");
  const std::string magnitude = "base_model.model.model.decoder.layers.0.fc1.lora_magnitude_vector";
  ASSERT_TRUE(learnt.contains(magnitude));
  steps = "1";  // and its rate is 0: the first of a warm-up
  const std::vector<std::string> one{"--warmup-steps", "1"};
  ASSERT_EQ(train("on", with({"--init-adapter", path("plain-dora")}, one)), 0);
  EXPECT_EQ(adapter_numbers(folder / "on"), learnt);
  ASSERT_EQ(train("on-plain", with({"--init-adapter", path("plain")}, one)), 0);
  EXPECT_NE(losses("on")[0], losses("on-plain")[0]);
  const int usage = exit_code(ErrorKind::kUsage);
  EXPECT_EQ(train("run", with(dora, {"--lora-dropout", "0.1"})), usage);
  EXPECT_EQ(train("run", {"--init-adapter", path("plain-dora"), "--lora-dropout", "0.1"}), usage);
  EXPECT_EQ(train("run", {"--init-adapter", path("plain-dora"), "--use-dora"}), usage);
  EXPECT_EQ(train("run", with(kFull, {"--use-dora"})), usage);
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

class Merged : public Verbs, public ::testing::WithParamInterface<Method> {};
INSTANTIATE_TEST_SUITE_P(Methods, Merged, ::testing::Values(Method{"lora", kLora}, Method{"dora", kDora}),
                         [](const auto& i) { return i.param.name; });

TEST_P(Merged, ModelScoresAsItsAdapterDoes) {
  ASSERT_EQ(train("run", GetParam().options), 0);
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
