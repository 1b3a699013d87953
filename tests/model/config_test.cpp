#include "model/config.h"

#include <gtest/gtest.h>

#include <set>

#include "support/temporary.h"

namespace sori {
namespace {

std::int64_t parameters(const WhisperConfig& config) {
  std::int64_t sum = 0;
  for (const NamedShape& t : tensor_list(config)) {
    std::int64_t n = 1;
    for (const std::int64_t dim : t.shape) n *= dim;
    sum += n;
  }
  return sum;
}

// Counted by transformers 5.23: sum(p.numel() for p in WhisperForConditionalGeneration(config).parameters()).
TEST(WhisperConfig, SizesHaveThePublishedNumberOfParameters) {
  const std::vector<std::pair<std::string, std::int64_t>> published = {
      {"tiny", 37'760'640},    {"base", 72'593'920},        {"small", 241'734'912},
      {"medium", 763'857'920}, {"large-v3", 1'543'490'560}, {"large-v3-turbo", 808'878'080}};
  std::vector<std::string> names;
  for (const auto& [size, n] : published) {
    EXPECT_EQ(parameters(size_config(size)), n) << size;
    names.push_back(size);
  }
  EXPECT_EQ(size_names(), names);
}

TEST(WhisperConfig, RefusesAnUnknownSize) {
  const auto error = testing::error_of([] { size_config("huge"); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->kind(), ErrorKind::kUsage);
  EXPECT_THAT(error->what(), ::testing::HasSubstr("large-v3-turbo"));
}

TEST(WhisperConfig, ListsEachTensorOnceAndNoBiasOnTheKeys) {
  std::set<std::string> names;
  for (const NamedShape& t : tensor_list(size_config("tiny"))) {
    EXPECT_TRUE(names.insert(t.name).second) << t.name;
    EXPECT_FALSE(t.name.ends_with("k_proj.bias"));
  }
  EXPECT_EQ(names.size(), 167U);  // state_dict() of transformers 5.23 without proj_out
}

TEST(WhisperConfig, ReadsWhatItWrites) {
  for (const std::string& size : size_names()) {
    const WhisperConfig config = size_config(size);
    EXPECT_EQ(parse_config(to_json(config, DType::kBF16, {1, 2, 3, 4}), "x"), config) << size;
  }
  const Json json = to_json(size_config("base"), DType::kBF16, {1, 2, 3, 4});
  EXPECT_EQ(json["dtype"], "bfloat16");
  EXPECT_EQ(json["torch_dtype"], "bfloat16");
  EXPECT_EQ(json["eos_token_id"], 2);
}

TEST(WhisperConfig, RefusesImpossibleSizes) {
  const auto refusal = [](const char* key, const Json& value) {
    Json json = to_json(size_config("tiny"), DType::kF32, {});
    json[key] = value;
    const auto error = testing::error_of([&] { parse_config(json, "config.json"); });
    if (!error) return std::string();
    EXPECT_EQ(error->kind(), ErrorKind::kInput);
    return std::string(error->what());
  };
  EXPECT_EQ(refusal("d_model", 384), "");
  for (const char* key : {"d_model", "encoder_layers", "decoder_layers", "encoder_attention_heads",
                          "decoder_attention_heads", "encoder_ffn_dim", "decoder_ffn_dim", "vocab_size", "num_mel_bins",
                          "max_source_positions", "max_target_positions"})
    for (const Json& value :
         {Json(0), Json(-1), Json(1 << 20), Json(std::uint64_t{1} << 32), Json((std::uint64_t{1} << 32) + 6),
          Json(INT64_MIN), Json(1.5), Json("6"), Json(nullptr), Json(true)})
      EXPECT_THAT(refusal(key, value), ::testing::HasSubstr(key)) << value;
  EXPECT_THAT(refusal("encoder_attention_heads", 5), ::testing::HasSubstr("cannot be divided"));
}

TEST(WhisperConfig, RefusesWhatIsNotWhisper) {
  const auto refused = [](const char* key, const Json& value) {
    Json json = to_json(size_config("tiny"), DType::kF32, {});
    json[key] = value;
    return testing::error_of([&] { parse_config(json, "config.json"); }).has_value();
  };
  EXPECT_TRUE(refused("model_type", "bert"));
  EXPECT_TRUE(refused("activation_function", "relu"));
  EXPECT_TRUE(refused("scale_embedding", true));
  EXPECT_FALSE(refused("activation_function", "gelu"));
}

}  // namespace
}  // namespace sori
