// What the options of train do, seen in what a run leaves behind.
#include <gmock/gmock.h>

#include <numbers>

#include "cli/verbs.h"
#include "support/bounds.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;

class Options : public Verbs {
 protected:
  // The rows of trainer_state.json that have this key.
  std::vector<Json> rows(const std::string& out, const char* key) const {
    std::vector<Json> found;
    const Json state = read_json(folder / out / "trainer_state.json");
    for (const Json& row : state.at("log_history"))
      if (row.contains(key)) found.push_back(row);
    return found;
  }

  std::vector<double> numbers(const std::string& out, const char* key) const {
    std::vector<double> found;
    for (const Json& row : rows(out, key)) found.push_back(row.at(key).get<double>());
    return found;
  }

  // A data set of the same recordings in another language.
  void prepare_english() {
    ASSERT_EQ(run({"prepare", path("corpus"), path("english"), "--language", "en", "--format", "folder"}), 0);
  }
};

TEST_F(Options, TargetScopeChoosesThePartThatGetsAdapters) {
  for (const std::string scope : {"encoder", "decoder"}) {
    ASSERT_EQ(train(scope, {"--target-scope", scope, "--lora-r", "2"}), 0);
    const SafetensorsFile f(folder / scope / "adapter_model.safetensors");
    ASSERT_FALSE(f.tensors().empty());
    for (const TensorView& t : f.tensors()) EXPECT_NE(t.name.find("." + scope + "."), std::string::npos) << t.name;
  }
}

TEST_F(Options, InitAdapterIsWhereARunBegins) {
  ASSERT_EQ(train("first", kLora), 0);
  steps = "1";  // and its rate is 0: the first of a warm-up
  ASSERT_EQ(train("second", {"--init-adapter", path("first"), "--warmup-steps", "1"}), 0);
  const SafetensorsFile first(folder / "first/adapter_model.safetensors"),
      second(folder / "second/adapter_model.safetensors");
  ASSERT_EQ(first.tensors().size(), second.tensors().size());
  for (const TensorView& t : first.tensors())
    EXPECT_TRUE(std::ranges::equal(t.bytes, second.get(t.name).bytes)) << t.name;
  EXPECT_EQ(read_json(folder / "second/adapter_config.json").at("r"), 3) << "the rank is the adapter's";
  EXPECT_EQ(train("third", {"--init-adapter", path("first"), "--method", "full"}), exit_code(ErrorKind::kUsage));
}

TEST_F(Options, EvalStepsJudgeInBetweenAndAtTheEnd) {
  ASSERT_EQ(train("run", {"--eval-steps", "4"}), 0);
  EXPECT_EQ(numbers("run", "eval_cer").size(), 2u);
  std::vector<int> judged;
  for (const Json& row : rows("run", "eval_cer")) judged.push_back(row.at("step").get<int>());
  EXPECT_EQ(judged, (std::vector{4, 6}));
  for (const Json& row : rows("run", "eval_cer")) EXPECT_EQ(row.at("eval_samples"), 3);
  ASSERT_EQ(train("fewer", {"--max-eval-samples", "2"}), 0);
  EXPECT_EQ(rows("fewer", "eval_cer").at(0).at("eval_samples"), 2);
}

TEST_F(Options, MaxTrainSamplesAndEpochsDecideHowMuchIsLearnt) {
  ASSERT_EQ(train("few", {"--max-train-samples", "4"}), 0);
  EXPECT_EQ(numbers("few", "epoch"), (std::vector{0.5, 1.0, 1.5, 2.0, 2.5, 3.0}));  // batches of 2 of 4
  steps = "0";
  ASSERT_EQ(train("epochs", {"--max-train-samples", "4", "--num-train-epochs", "1.5"}), 0);
  EXPECT_EQ(numbers("epochs", "epoch"), (std::vector{0.5, 1.0, 1.5}));
  EXPECT_EQ(read_json(folder / "epochs/trainer_state.json").at("max_steps"), 3);
  ASSERT_EQ(train("all", {"--num-train-epochs", "1"}), 0);
  EXPECT_EQ(numbers("all", "loss").size(), 6u) << "11 utterances are 5.5 batches of 2";
}

TEST_F(Options, TheScheduleHasTheShapeThatIsAskedFor) {
  const std::vector<std::string> peak{"--learning-rate", "0.01", "--warmup-steps", "2", "--lr-scheduler-type"};
  for (const std::string type : {"cosine", "linear", "constant"}) {
    ASSERT_EQ(train(type, with(peak, {type})), 0);
    const std::vector<double> rates = numbers(type, "learning_rate");
    ASSERT_EQ(rates.size(), 6u);
    EXPECT_EQ(rates[0], 0);
    EXPECT_EQ(rates[1], 0.005);
    for (std::size_t i = 2; i < 6; ++i) {
      const double done = static_cast<double>(i - 2) / 4;
      const double share = type == "cosine"   ? (1 + std::cos(std::numbers::pi * done)) / 2
                           : type == "linear" ? 1 - done
                                              : 1;
      EXPECT_DOUBLE_EQ(rates[i], 0.01 * share) << type << i;
    }
  }
}

// (1 - e) nll + e / V sum over all words of -log p, so what e adds is proportional to e.
TEST_F(Options, LabelSmoothingMovesTheLossInProportion) {
  std::vector<double> losses;
  for (const char* factor : {"0", "0.25", "0.5"}) {
    ASSERT_EQ(train(factor, {"--label-smoothing-factor", factor}), 0);
    losses.push_back(numbers(factor, "loss").at(0));
  }
  EXPECT_NE(losses[0], losses[1]);
  EXPECT_NEAR(losses[2] - losses[0], 2 * (losses[1] - losses[0]), 4 * gamma(kTinyVocabulary, kRoundoffF32) * losses[0]);
}

// Micro-batches change the order of sums, nothing else: dropout follows the utterance, and every token weighs the same.
TEST_F(Options, AccumulationOfFourGivesTheStepOfABatchOfFour) {
  const std::vector<std::string> dropout{"--method",
                                         "lora",
                                         "--lora-r",
                                         "3",
                                         "--lora-dropout",
                                         "0.1",
                                         "--warmup-steps",
                                         "1",
                                         "--gradient-accumulation-steps"};
  batch = "1";
  ASSERT_EQ(train("pieces", with(dropout, {"4"})), 0);
  batch = "4";
  ASSERT_EQ(train("whole", with(dropout, {"1"})), 0);
  for (const char* key : {"loss", "grad_norm"}) {
    const std::vector<double> pieces = numbers("pieces", key), whole = numbers("whole", key);
    ASSERT_EQ(pieces.size(), 6u);
    // Before the first update, which step 2 makes with the rate of the warm-up's end: sums of some hundred tokens.
    for (int step : {0, 1}) {
      const auto i = static_cast<std::size_t>(step);
      EXPECT_NEAR(pieces[i], whole[i], gamma(256, kRoundoffF32) * whole[i]) << key << step;
    }
  }
  EXPECT_EQ(numbers("pieces", "epoch"), numbers("whole", "epoch"));
}

TEST_F(Options, ALanguageOrTaskThatDiffersIsRefused) {
  ASSERT_EQ(train("run", kLora), 0);
  prepare_english();
  const int usage = exit_code(ErrorKind::kUsage);
  const auto refused = [&](const std::vector<std::string>& words) {
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(run(words), usage);
    return ::testing::internal::GetCapturedStderr();
  };
  EXPECT_THAT(refused({"evaluate", "--model", path("model"), "--adapter", path("run"), "--data", path("english"),
                       "--compute", "f32"}),
              HasSubstr("language is en in the data set, and ko in the adapter"));
  EXPECT_THAT(refused({"train", "--model", path("model"), "--data", path("english"), "--output-dir", path("other"),
                       "--init-adapter", path("run"), "--compute", "f32"}),
              HasSubstr("language is en in the data set, and ko in the adapter"));
  write_file(folder / "model/generation_config.json", R"({"language": "ko", "task": "translate"})");
  EXPECT_THAT(refused({"train", "--model", path("model"), "--data", path("data"), "--output-dir", path("other"),
                       "--compute", "f32"}),
              HasSubstr("task is transcribe in the data set, and translate in the model"));
  EXPECT_THAT(refused({"evaluate", "--model", path("model"), "--data", path("data"), "--compute", "f32"}),
              HasSubstr("task is transcribe in the data set, and translate in the model"));
  EXPECT_FALSE(std::filesystem::exists(folder / "other"));
}

class Output : public Verbs {
 protected:
  const std::vector<std::string> kJudge{"--model", path("model"), "--compute", "f32", "--max-new-tokens", "3"};
};

TEST_F(Output, OfEvaluateShowsTheWorstUtterancesWithTheirTexts) {
  const std::vector<std::string> words = with({"evaluate", "--data", path("data")}, kJudge);
  const std::string plain = output_of(words), shown = output_of(with(words, {"--show-text"}));
  for (const char* row : {"CER  ", "CER with blanks", "WER  ", "3 utterances", "sori-ko/1", "at most 3 new tokens"})
    EXPECT_THAT(plain, HasSubstr(row));
  EXPECT_THAT(plain, ::testing::Not(HasSubstr("소리")));
  for (const char* id : {"dev/11", "dev/12", "dev/13"}) EXPECT_THAT(shown, HasSubstr(std::string(id) + "  CER "));
  EXPECT_THAT(shown, HasSubstr("said   소리 l"));
  EXPECT_THAT(shown, HasSubstr("heard  "));
}

TEST_F(Output, OfTranscribeIsALineAFileOrJson) {
  const std::vector<std::string> words =
      with({"transcribe", path("corpus/dev/11.wav"), path("corpus/dev/12.wav")}, kJudge);
  const std::string text = output_of(words), json = output_of(with(words, {"--output-format", "json"}));
  const Json files = parse_json(json, "standard output");
  ASSERT_EQ(files.size(), 2u);
  std::string lines;
  for (const Json& file : files) {
    lines += file.at("text").get<std::string>() + "\n";
    EXPECT_NEAR(file.at("duration").get<double>(), file == files[0] ? 0.85 : 0.9, 1.0 / kSampleRate);
    ASSERT_EQ(file.at("segments").size(), 1u);
    EXPECT_EQ(file.at("segments")[0].at("start"), 0.0);
    EXPECT_EQ(file.at("segments")[0].at("text"), file.at("text"));
  }
  EXPECT_EQ(text, lines);
  EXPECT_EQ(files[1].at("file"), path("corpus/dev/12.wav"));
}

TEST_F(Output, OfInspectShowsADataSetTokenByToken) {
  const std::string plain = output_of({"inspect", path("data"), "--samples", "1"});
  EXPECT_THAT(plain, HasSubstr("data set: language ko, task transcribe"));
  EXPECT_THAT(plain, HasSubstr("\ntrain ")) << "the split that is learnt, where none is named";
  const std::string tokens =
      output_of({"inspect", path("data"), "--model", path("model"), "--split", "dev", "--samples", "3"});
  for (const char* part : {"dev dev/11  0.85 s", "text  소리 l", "input", "target", "<|startoftranscript|>", "<|ko|>",
                           "<|transcribe|>", "<|notimestamps|>", "(no loss)", "<|endoftext|>"})
    EXPECT_THAT(tokens, HasSubstr(part));
}

TEST_F(Output, OfInspectShowsAModelAndAnAdapter) {
  ASSERT_EQ(train("run", with(kLora, {"--target-modules", "q_proj,v_proj"})), 0);
  const std::string model = output_of({"inspect", path("model")}), adapter = output_of({"inspect", path("run")});
  for (const char* part :
       {"width 32, 2 + 2 layers, 2 + 2 heads", "8 mel bins, 50 audio states", "f32 ", "tuned for no single language"})
    EXPECT_THAT(model, HasSubstr(part));
  for (const char* part :
       {"LoRA adapter: rank 3, alpha 64, scaled by 21.33 = alpha / rank\n", "start (init_lora_weights): true\n",
        "on 12 layers: q_proj 6, v_proj 6\n", "language ko, task transcribe, audio context exact"})
    EXPECT_THAT(adapter, HasSubstr(part));
}

// Every module is named in JSON alone.
TEST_F(Output, OfInspectSumsUpWhatAnAdapterChanges) {
  ASSERT_EQ(train("run", {"--lora-r", "2", "--lora-alpha", "8", "--target-scope", "decoder", "--use-rslora", "--use-dora",
                          "--init-lora-weights", "pissa"}),
            0);
  const std::string text = output_of({"inspect", path("run"), "--json", path("inspect.json")});
  for (const char* part : {"DoRA adapter: rank 4, alpha 11.3", "scaled by 5.657 = alpha / sqrt(rank), rsLoRA\n",
                           "start (init_lora_weights): pissa, which the second half of the rank takes back\n",
                           "on 20 layers: fc1 2, fc2 2, k_proj 4, out_proj 4, q_proj 4, v_proj 4\n"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_THAT(text, Not(HasSubstr("model.decoder")));
  const Json json = read_json(folder / "inspect.json");
  EXPECT_EQ(json.at("modules").size(), 20u);
  EXPECT_EQ(json.at("modules")[0], "model.decoder.layers.0.encoder_attn.k_proj");
  EXPECT_EQ(json.at("use_rslora"), true);
  EXPECT_EQ(json.at("use_dora"), true);
  EXPECT_EQ(json.at("init_lora_weights"), "pissa");
}

}  // namespace
}  // namespace sori::test
