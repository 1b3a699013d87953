// What real Whisper base writes, beside transformers' generate(num_beams=1, do_sample=False).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "audio/read.h"
#include "base/json.h"
#include "support/real_whisper.h"
#include "support/tiny_golden.h"

namespace sori::test {
namespace {

TEST(Greedy, WritesWhatTransformersWrites) {
  const auto folder = real_model_folder();
  if (!folder) GTEST_SKIP() << kNoRealModel;
  const Json file = read_json(golden("greedy.json"));
  RealWhisper whisper(*folder, make_cpu_backend(DType::kF32), 4, file.at("max_new_tokens").get<std::int64_t>());
  std::vector<std::vector<float>> sounds;
  for (const Json& c : file.at("cases")) sounds.push_back(read_audio(golden(c.at("clip").get<std::string>())).samples);
  ASSERT_EQ(sounds.size(), 11u);
  const std::vector<std::span<const float>> windows(sounds.begin(), sounds.end());
  const std::vector<Decoded> written = whisper.recognizer->recognise(windows);
  double worst = 0;
  for (std::size_t i = 0; i < written.size(); ++i) {
    const Json& c = file.at("cases")[i];
    const std::string clip = c.at("clip");
    EXPECT_EQ(written[i].ids, c.at("ids").get<std::vector<int>>()) << clip;
    EXPECT_EQ(" " + written[i].text, c.at("text").get<std::string>()) << clip;
    EXPECT_EQ(written[i].ended, c.at("ended").get<bool>()) << clip;
    const double difference = std::abs(written[i].smallest_margin - c.at("smallest_margin").get<double>());
    EXPECT_LE(difference, 2 * 1e-3) << clip;  // of two logits, each within 1e-3 from the sound on
    worst = std::max(worst, difference);
  }
  RecordProperty("worst_margin_difference", fmt::format("{:.2e}", worst));
}

TEST(Greedy, RepeatsNothingWhereTransformersRepeatsNothing) {
  const auto folder = real_model_folder();
  if (!folder) GTEST_SKIP() << kNoRealModel;
  const Json file = read_json(golden("no_repeats.json"));
  DecodeRules rules = read_rules(*folder, 51865);
  rules.no_repeat_ngram_size = file.at("no_repeat_ngram_size").get<int>();
  RealWhisper whisper(*folder, make_cpu_backend(DType::kF32), 4, file.at("max_new_tokens").get<std::int64_t>(), {},
                      rules);
  std::vector<std::vector<float>> sounds;
  for (const Json& c : file.at("cases")) sounds.push_back(read_audio(golden(c.at("clip").get<std::string>())).samples);
  const std::vector<std::span<const float>> windows(sounds.begin(), sounds.end());
  const std::vector<Decoded> written = whisper.recognizer->recognise(windows);
  std::size_t changed = 0;
  for (std::size_t i = 0; i < written.size(); ++i) {
    const Json& c = file.at("cases")[i];
    EXPECT_EQ(written[i].ids, c.at("ids").get<std::vector<int>>()) << c.at("clip");
    EXPECT_EQ(written[i].ended, c.at("ended").get<bool>()) << c.at("clip");
    changed += c.at("changed").get<bool>();
  }
  EXPECT_GE(changed, 1u);
}

}  // namespace
}  // namespace sori::test
