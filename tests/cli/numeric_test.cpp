// A gradient that is no number, where the loss is one.
#include <gmock/gmock.h>

#include "cli/verbs.h"

namespace sori::test {
namespace {

class Gradient : public Verbs {
 protected:
  // Cross-attention whose output nothing uses yet, and is so large that the gradient of what would use it overflows: d
  // out_proj = (d states)^T (attention), with d states about the last gain.
  Gradient() {
    write_model(folder / "model", [](Whisper& w) {
      fill(w.decoder.layers[1].encoder_attn.v_proj.bias, 3e36f);
      fill(w.decoder.layers[1].encoder_attn.out_proj.weight, 0);
      fill(w.decoder.layer_norm.weight, 1e4f);
    });
  }

  // The ids that the refusal names.
  std::vector<std::string> named(const std::vector<std::string>& options, const std::string& what) {
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(train("run", options), exit_code(ErrorKind::kNumeric));
    const std::string said = ::testing::internal::GetCapturedStderr();
    EXPECT_THAT(said, ::testing::HasSubstr(what + " is not a number at step 1 (utterances "));
    std::vector<std::string> ids;
    for (std::size_t at = said.find("train/"); at != std::string::npos; at = said.find("train/", at + 1))
      ids.push_back(said.substr(at, said.find_first_of(",)", at) - at));
    return ids;
  }
};

TEST_F(Gradient, ThatIsNoNumberNamesAllUtterancesOfItsStep) {
  const auto ids = named({"--method", "full", "--gradient-accumulation-steps", "2"}, "the gradient");
  EXPECT_EQ(ids.size(), 4u);
  EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), 4u);
}

TEST_F(Gradient, OfAFusedStepNamesItsParameterToo) {
  const auto ids = named({"--method", "full", "--fused-step", "--max-grad-norm", "0"},
                         "the gradient of model.decoder.layers.1.encoder_attn.out_proj.weight");
  EXPECT_EQ(ids.size(), 2u);
}

}  // namespace
}  // namespace sori::test
