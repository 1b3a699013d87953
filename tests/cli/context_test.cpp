// --audio-context, from training to what its results are used for: one policy, stored and obeyed.
#include <gmock/gmock.h>

#include "cli/verbs.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Context : public Verbs {
 protected:
  Context() {
    write_model(
        folder / "model", [](Whisper&) {}, four_seconds());
  }

  std::string stored(const std::string& adapter) const {
    return SafetensorsFile(folder / adapter / "adapter_model.safetensors").metadata().at("audio_context");
  }
  Ran judge(const std::string& model, const std::vector<std::string>& more) {
    const std::vector<std::string> words{"evaluate",       "--model", path(model),        "--data", path("data"),
                                         "--compute",      "f32",     "--max-new-tokens", "3",      "--json",
                                         path("eval.json")};
    return ran([&] { return run(with(words, more)); });
  }
  std::string judged() const { return read_json(folder / "eval.json").at("judge").at("audio_context"); }
};

TEST_F(Context, AnAdapterIsUsedAsItWasTrained) {
  ASSERT_EQ(train("run", with(kLora, {"--audio-context", "exact"})), 0);
  EXPECT_EQ(stored("run"), "exact");
  ASSERT_EQ(judge("model", {"--adapter", path("run")}).code, 0);
  EXPECT_EQ(judged(), "exact");
  EXPECT_GT(read_json(folder / "eval.json").at("ready_seconds"), 0);
  const Ran other = judge("model", {"--adapter", path("run"), "--audio-context", "full"});
  EXPECT_EQ(other.code, 0);
  EXPECT_EQ(judged(), "full");
  EXPECT_THAT(other.error, HasSubstr("audio context full; it was trained on exact: scores may differ"));
  // What goes on from it, and the model it is merged into, too.
  ASSERT_EQ(train("more", {"--method", "lora", "--init-adapter", path("run")}), 0);
  EXPECT_EQ(stored("more"), "exact");
  ASSERT_EQ(run({"merge", path("model"), path("run"), path("merged")}), 0);
  EXPECT_EQ(read_json(folder / "merged/generation_config.json").at("audio_context"), "exact");
  ASSERT_EQ(judge("merged", {}).code, 0);
  EXPECT_EQ(judged(), "exact");
}

// Recordings are cut into pieces of the length that a model practised; another can be asked for.
TEST_F(Context, LongRecordingsAreCutIntoWhatWasPractised) {
  const auto window = [&] { return read_json(folder / "eval.json").at("judge").at("window_seconds").get<double>(); };
  ASSERT_EQ(judge("model", {}).code, 0);
  EXPECT_EQ(window(), 30);
  ASSERT_EQ(train("run", kLora), 0);
  ASSERT_EQ(judge("model", {"--adapter", path("run")}).code, 0);
  EXPECT_EQ(window(), 5) << "utterances are shorter here";
  ASSERT_EQ(judge("model", {"--adapter", path("run"), "--window-seconds", "12"}).code, 0);
  EXPECT_EQ(window(), 12);
  ASSERT_EQ(run({"merge", path("model"), path("run"), path("merged")}), 0);
  ASSERT_EQ(judge("merged", {}).code, 0);
  EXPECT_EQ(window(), 5);
  Json generation = read_json(folder / "merged/generation_config.json");
  for (const char* wrong : {"0.5", "31", "5x", "nan"}) {
    generation["window_seconds"] = wrong;
    write_file(folder / "merged/generation_config.json", to_text(generation));
    const Ran refused = judge("merged", {});
    EXPECT_EQ(refused.code, exit_code(ErrorKind::kInput)) << wrong;
    EXPECT_THAT(refused.error, HasSubstr("is no length of 1 to 30 seconds"));
  }
}

TEST_F(Context, AModelIsUsedAsItWasTrained) {
  ASSERT_EQ(train("run", with(kFull, {"--audio-context", "bucket", "--full-context-share", "0.5"})), 0);
  ASSERT_EQ(judge("run", {}).code, 0);
  EXPECT_EQ(judged(), "bucket");
  ASSERT_EQ(judge("model", {}).code, 0);
  EXPECT_EQ(judged(), "full") << "as Whisper was trained";
}

TEST_F(Context, WhatWasNeverTunedLearnsTheExactOne) {
  ASSERT_EQ(train("run", kLora), 0);
  EXPECT_EQ(stored("run"), "exact");
}

TEST_F(Context, AResumedRunMayNotChangeIt) {
  const std::vector<std::string> exact = with(kLora, {"--audio-context", "exact"});
  ASSERT_EQ(train("run", exact), 0);
  EXPECT_EQ(train("run", with(exact, {"--resume"})), 0);
  const Ran other = ran([&] { return train("run", with(kLora, {"--audio-context", "full", "--resume"})); });
  EXPECT_EQ(other.code, exit_code(ErrorKind::kCheckpoint));
  EXPECT_THAT(other.error, HasSubstr("audio-context"));
}

TEST_F(Context, ShortRecordingsTakeLessMemoryAsPlanned) {
  const auto bytes = [&](const std::string& context) {
    const std::vector<std::string> how{"--method", "lora", "--audio-context", context};
    EXPECT_EQ(train(context, with(how, {"--json", path("run.json")})), 0);
    EXPECT_EQ(run(with({"plan", "--model", path("model"), "--data", path("data"), "--compute", "f32",
                        "--max-new-tokens", "3", "--train-batch-size", batch, "--json", path("plan.json")},
                       how)),
              0);
    const auto taken = read_json(folder / "run.json").at("planned_bytes").get<std::uint64_t>();
    EXPECT_EQ(read_json(folder / "plan.json").at("chosen").at("memory").at("planned_bytes"), taken) << context;
    return taken;
  };
  const std::uint64_t full = bytes("full");
  EXPECT_LT(bytes("exact"), full);
}

TEST_F(Context, ARunSaysHowManyFramesEachStepRead) {
  const auto frames = [&](const std::string& context, const std::string& size, const std::string& times) {
    batch = size;
    EXPECT_EQ(train("run", {"--method", "lora", "--gradient-accumulation-steps", times, "--audio-context", context,
                            "--overwrite-output-dir", "--json", path("run.json")}),
              0);
    return read_json(folder / "run.json").at("step_frames").get<std::vector<std::int64_t>>();
  };
  const std::vector<std::int64_t> whole(6, 4 * 400), exact = frames("exact", "4", "1");
  EXPECT_EQ(frames("full", "4", "1"), whole);
  EXPECT_EQ(frames("exact", "1", "4"), exact);
  ASSERT_EQ(exact.size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_LT(exact[i], whole[i]);
}

TEST_F(Context, WhatIsLearntDoesNotDependOnTheMicroBatches) {
  const auto learn = [&](const std::string& size, const std::string& times) {
    batch = size;
    EXPECT_EQ(train("by" + size, {"--method", "lora", "--gradient-accumulation-steps", times, "--audio-context",
                                  "exact", "--full-context-share", "0.3"}),
              0);
    return losses("by" + size);
  };
  const std::vector<double> together = learn("4", "1"), few = learn("1", "4");
  ASSERT_EQ(together.size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(few[i], together[i], 1e-5 * together[i]) << "step " << i + 1;
  EXPECT_LT(few.back(), few.front());
}

TEST_F(Context, AWordThatIsNoneIsRefused) {
  write_file(folder / "model/generation_config.json", R"({"audio_context": "half"})");
  const Ran r = judge("model", {});
  EXPECT_EQ(r.code, exit_code(ErrorKind::kInput));
  EXPECT_THAT(r.error, HasSubstr("audio context \"half\" is not known"));
  EXPECT_THAT(r.error, Not(HasSubstr("\n\n")));
}

}  // namespace
}  // namespace sori::test
