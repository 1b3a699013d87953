// An encoder that does not learn is asked once for each utterance; what is learnt stays the same.
#include <gmock/gmock.h>

#include "cli/verbs.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;

const std::vector<std::string> kDecoder{"--method", "lora", "--lora-r", "3", "--target-scope", "decoder"};

class EncoderCacheTest : public Verbs {
 protected:
  EncoderCacheTest() {
    write_model(
        folder / "model", [](Whisper&) {}, four_seconds());
  }

  Json result(const std::string& name, const std::vector<std::string>& more) {
    EXPECT_EQ(train(name, with(with(kDecoder, {"--json", path("run.json")}), more)), 0);
    return read_json(folder / "run.json");
  }
};

TEST_F(EncoderCacheTest, ChangesNothingThatIsLearnt) {
  for (const std::vector<std::string>& context :
       {std::vector<std::string>{"--audio-context", "full"}, {"--full-context-share", "0.4"}}) {
    steps = "12";
    EXPECT_TRUE(result("kept", with(context, {"--encoder-cache", "on"})).contains("encoder_cache_bytes"));
    EXPECT_FALSE(result("anew", with(context, {"--encoder-cache", "off"})).contains("encoder_cache_bytes"));
    const std::vector<double> kept = losses("kept"), anew = losses("anew");
    ASSERT_EQ(kept.size(), 12u);
    for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_NEAR(kept[i], anew[i], 1e-5 * anew[i]) << "step " << i + 1;
    remove_tree(folder / "kept");
    remove_tree(folder / "anew");
  }
}

TEST_F(EncoderCacheTest, HoldsEachUtteranceOnceAsPlanned) {
  std::vector<std::string> words =
      with({"plan", "--model", path("model"), "--data", path("data"), "--compute", "f32", "--audio-context", "full",
            "--train-batch-size", batch, "--max-steps", "12", "--json", path("plan.json")},
           kDecoder);
  ASSERT_EQ(run(words), 0);
  const std::uint64_t planned = read_json(folder / "plan.json").at("encoder_cache_bytes");
  EXPECT_EQ(planned, 11u * 200 * 32 * sizeof(float));
  steps = "12";  // of 2: every utterance is heard twice
  EXPECT_EQ(result("run", {"--audio-context", "full"}).at("encoder_cache_bytes"), planned);
  for (const auto& e : std::filesystem::recursive_directory_iterator(folder / "run"))
    EXPECT_FALSE(e.path().filename().string().starts_with(".tmp")) << e.path();
}

TEST_F(EncoderCacheTest, IsNotKeptWhereNothingIsHeardTwice) {
  steps = "5";
  EXPECT_FALSE(result("run", {}).contains("encoder_cache_bytes"));
}

// Sounds that are made up anew are not the utterance's.
TEST_F(EncoderCacheTest, IsNotKeptWhereSomeSamplesAreOtherSounds) {
  steps = "12";
  const std::vector<std::string> share{"--no-speech-share", "0.3"};
  EXPECT_FALSE(result("run", share).contains("encoder_cache_bytes"));
  const Ran r = ran([&] { return train("on", with(with(kDecoder, share), {"--encoder-cache", "on"})); });
  EXPECT_EQ(r.code, exit_code(ErrorKind::kUsage));
  EXPECT_THAT(r.error, HasSubstr("--no-speech-share 0"));
}

TEST_F(EncoderCacheTest, IsRefusedWhereTheEncoderLearns) {
  const Ran r = ran([&] { return train("run", {"--method", "lora", "--lora-r", "3", "--encoder-cache", "on"}); });
  EXPECT_EQ(r.code, exit_code(ErrorKind::kUsage));
  EXPECT_THAT(r.error, HasSubstr("the encoder learns"));
  EXPECT_THAT(r.error, HasSubstr("--target-scope decoder"));
}

}  // namespace
}  // namespace sori::test
