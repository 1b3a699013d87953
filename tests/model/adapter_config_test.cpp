#include "model/adapter_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/temporary.h"

namespace sori {
namespace {

using ::testing::HasSubstr;

// As PEFT 0.21.2 writes it.
Json peft_config() {
  return parse_json(R"({
    "alora_invocation_tokens": null, "alpha_pattern": {}, "arrow_config": null, "auto_mapping": null,
    "base_model_name_or_path": "openai/whisper-base", "bias": "none", "corda_config": null,
    "ensure_weight_tying": false, "eva_config": null, "exclude_modules": null, "fan_in_fan_out": false,
    "inference_mode": true, "init_lora_weights": true, "kasa_config": null, "layer_replication": null,
    "layers_pattern": null, "layers_to_transform": null, "loftq_config": {}, "lora_alpha": 8, "lora_bias": false,
    "lora_dropout": 0.1, "lora_ga_config": null, "megatron_config": null, "megatron_core": "megatron.core",
    "modules_to_save": null, "monteclora_config": null, "peft_type": "LORA", "peft_version": "0.21.2",
    "qalora_group_size": 16, "r": 4, "rank_pattern": {}, "revision": "main", "target_modules": ["q_proj"],
    "target_parameters": null, "task_type": "SEQ_2_SEQ_LM", "trainable_token_indices": null, "use_bdlora": null,
    "use_dora": false, "use_qalora": false, "use_rslora": false, "velora_config": null})",
                    "test");
}

LoraConfig parse_with(const std::string& key, const Json& value) {
  Json json = peft_config();
  json[key] = value;
  return parse_adapter_config(json, "run/adapter_config.json");
}

TEST(AdapterConfig, ReadsWhatPeftWrites) {
  const LoraConfig c = parse_adapter_config(peft_config(), "test");
  EXPECT_EQ(c.rank, 4);
  EXPECT_EQ(c.alpha, 8);
  EXPECT_EQ(c.dropout, 0.1);
  EXPECT_THAT(c.target_modules, ::testing::ElementsAre("q_proj"));
}

TEST(AdapterConfig, TakesInitialisationsThatLeaveTheBaseAlone) {
  Json without = peft_config();
  without.erase("init_lora_weights");
  EXPECT_EQ(parse_adapter_config(without, "test").rank, 4);
  for (const Json& value : {Json(true), Json(false), Json("gaussian")})
    EXPECT_EQ(parse_with("init_lora_weights", value).rank, 4) << value;
}

TEST(AdapterConfig, RefusesWhatChangesTheMathematicsAndNamesIt) {
  const std::pair<const char*, Json> variants[] = {{"init_lora_weights", "pissa"},
                                                   {"init_lora_weights", "pissa_niter_16"},
                                                   {"init_lora_weights", "olora"},
                                                   {"init_lora_weights", "loftq"},
                                                   {"init_lora_weights", "corda"},
                                                   {"init_lora_weights", "eva"},
                                                   {"bias", "lora_only"},
                                                   {"bias", "all"},
                                                   {"lora_bias", true},
                                                   {"fan_in_fan_out", true},
                                                   {"modules_to_save", {"proj_out"}},
                                                   {"rank_pattern", {{"q_proj", 8}}},
                                                   {"alpha_pattern", {{"q_proj", 8}}},
                                                   {"layers_to_transform", 0},
                                                   {"layers_to_transform", {1, 2}},
                                                   {"exclude_modules", "fc1"},
                                                   {"layer_replication", {{0, 2}}},
                                                   {"trainable_token_indices", {5}},
                                                   {"alora_invocation_tokens", {1}},
                                                   {"target_parameters", {"weight"}},
                                                   {"use_qalora", true},
                                                   {"a_variant_to_come", true}};
  for (const auto& [key, value] : variants) {
    const auto error = testing::error_of([&] { parse_with(key, value); });
    ASSERT_TRUE(error) << key << " " << value;
    EXPECT_EQ(error->kind(), ErrorKind::kInput);
    EXPECT_THAT(error->what(), HasSubstr(fmt::format("run/adapter_config.json: \"{}\" is {}", key, value.dump())));
    EXPECT_THAT(error->what(), HasSubstr("merge this one"));
  }
}

TEST(AdapterConfig, TellsDora) {
  EXPECT_TRUE(parse_with("use_dora", true).dora);
  EXPECT_FALSE(parse_with("use_dora", false).dora);
  Whisper model;
  EXPECT_EQ(to_json({.dora = true}, model, "base").at("use_dora"), true);
}

TEST(AdapterConfig, GivesRsLoraItsScale) {
  EXPECT_EQ(parse_with("use_rslora", true).scale(), 8 / std::sqrt(4));  // lora_alpha / sqrt(r): powers of two, so exact
  EXPECT_EQ(parse_with("use_rslora", false).scale(), 8.0 / 4);
}

}  // namespace
}  // namespace sori
