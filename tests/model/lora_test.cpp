#include "model/lora.h"

#include <gtest/gtest.h>

#include "support/temporary.h"
#include "support/tiny_whisper.h"

namespace sori::test {
namespace {

using sori::testing::error_of;

std::string refusal(const std::vector<std::string>& targets, const std::string& scope = "both") {
  Whisper model = make_whisper(tiny_config());
  const auto error = error_of([&] { add_lora(model, {.target_modules = targets, .target_scope = scope}); });
  if (!error) return "";
  EXPECT_EQ(error->kind(), ErrorKind::kUsage);
  return error->what();
}

TEST(AddLora, RefusesATargetThatNoLayerOfItsScopeHas) {
  EXPECT_EQ(refusal({"q_proj", "fc1"}), "");
  EXPECT_EQ(refusal({"encoder_attn.q_proj"}, "decoder"), "");
  const std::string use = "; use q_proj, k_proj, v_proj, out_proj, fc1, fc2, a full name, or all-linear";
  EXPECT_EQ(refusal({"q_proj", "encoder_attn.q_proj"}, "encoder"),
            "--target-modules: no linear layer of the encoder is called \"encoder_attn.q_proj\"" + use);
  EXPECT_EQ(refusal({"model.decoder.layers.0.fc1"}, "encoder"),
            "--target-modules: no linear layer of the encoder is called \"model.decoder.layers.0.fc1\"; did you mean "
            "model.encoder.layers.0.fc1?");
  EXPECT_EQ(refusal({"qproj"}),
            "--target-modules: no linear layer of Whisper is called \"qproj\"; did you mean q_proj?");
  EXPECT_EQ(refusal({}), "--target-modules: no linear layer of Whisper is called \"\"" + use);
}

}  // namespace
}  // namespace sori::test
