// What real Whisper base writes with beam search, beside transformers' generate(num_beams=5).
#include <gtest/gtest.h>

#include "audio/read.h"
#include "base/json.h"
#include "support/real_whisper.h"
#include "support/tiny_golden.h"

namespace sori::test {
namespace {

TEST(BeamSearch, WritesWhatTransformersWrites) {
  const auto folder = real_model_folder();
  if (!folder) GTEST_SKIP() << kNoRealModel;
  const Json file = read_json(golden("beams.json"));
  RealWhisper whisper(*folder, make_cpu_backend(DType::kF32), 4, file.at("max_new_tokens").get<std::int64_t>(),
                      [&](RecognizerLimits& l) { l.beams = file.at("num_beams").get<std::int64_t>(); });
  std::vector<std::vector<float>> sounds;
  for (const Json& c : file.at("cases")) sounds.push_back(read_audio(golden(c.at("clip").get<std::string>())).samples);
  ASSERT_EQ(sounds.size(), 11u);
  const std::vector<std::span<const float>> windows(sounds.begin(), sounds.end());
  const std::vector<Decoded> written = whisper.recognizer->recognise(windows);
  for (std::size_t i = 0; i < written.size(); ++i) {
    const Json& c = file.at("cases")[i];
    EXPECT_EQ(written[i].ids, c.at("ids").get<std::vector<int>>()) << c.at("clip");
    EXPECT_EQ(written[i].ended, c.at("ended").get<bool>()) << c.at("clip");
  }
}

}  // namespace
}  // namespace sori::test
