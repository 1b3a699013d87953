// The list of a step's operations adds up to the closed formulas of docs/performance.md.
#include "plan/work.h"

#include <gtest/gtest.h>

#include "model/lora.h"
#include "plan/shapes.h"

namespace sori {
namespace {

constexpr std::int64_t kRank = 8;

// FLOP of one window, from the sizes alone; S states, T tokens.
struct Formula {
  Formula(const WhisperConfig& c, double S, double T)
      : d(c.d_model), first_convolution(12 * S * c.mel_bins * d), convolutions(first_convolution + 6 * S * d * d) {
    const double le = c.encoder_layers, ld = c.decoder_layers;
    encoder_layers = 24 * S * d * d * le;
    decoder_layers = (28 * T + 4 * S) * d * d * ld;
    logits = 2 * T * d * c.vocab_size;
    encoder_attention = 4 * S * S * d * le;
    decoder_attention = (4 * T * S + 4 * T * T) * d * ld;
    // A layer's adapters, all of its linear layers, one pass: in + out of each.
    encoder_adapters = 2 * kRank * 18 * d * S * le;
    cross_keys = 2 * kRank * d * S * 2 * ld;  // one half of the two adapters on the audio
    decoder_adapters = 2 * kRank * 22 * d * T * ld + 2 * cross_keys;
  }
  double forward() const {
    return convolutions + encoder_layers + decoder_layers + logits + encoder_attention + decoder_attention;
  }
  double linear() const { return encoder_layers + decoder_layers + logits; }
  double attention() const { return encoder_attention + decoder_attention; }

  double d, first_convolution, convolutions, encoder_layers, decoder_layers, logits, encoder_attention,
      decoder_attention, encoder_adapters, decoder_adapters, cross_keys;
};

Whisper planned(const std::string& size, const std::string& method) {
  Whisper model = make_whisper(size_config(size));
  if (method == "full")
    train_everything(model);
  else if (method == "lora" || method == "decoder")
    add_lora(model,
             {.rank = kRank, .target_modules = {"all-linear"}, .target_scope = method == "lora" ? "both" : "decoder"});
  assume_base(model, "bf16", false);
  return model;
}

class StepWork : public ::testing::TestWithParam<const char*> {
 protected:
  static constexpr std::int64_t kStates = 1500, kTokens = 64;
  Work work(const std::string& method, Keep keep = Keep::kEverything) {
    Whisper model = planned(GetParam(), method);
    return step_work(model, {1, kStates, kTokens, keep});
  }
  const Formula f{size_config(GetParam()), kStates, kTokens};
};

// Everything but the gradient of the features, which nothing wants.
TEST_P(StepWork, OfFullFineTuning) {
  const Work w = work("full");
  EXPECT_DOUBLE_EQ(w.forward(), f.forward());
  EXPECT_DOUBLE_EQ(w.backward(), 2 * (f.linear() + f.convolutions) - f.first_convolution + 2.5 * f.attention());
  EXPECT_EQ(w.recompute(), 0);
}

TEST_P(StepWork, OfAdaptersHasNoGradientOfFrozenWeights) {
  const Work w = work("lora");
  const double adapters = f.encoder_adapters + f.decoder_adapters;
  EXPECT_DOUBLE_EQ(w.forward(), f.forward() + adapters);
  EXPECT_DOUBLE_EQ(w.backward(), f.linear() + 2.5 * f.attention() + 2 * adapters);
}

// A product of R rows with each weight, and a layer's last product when layers are made again.
TEST_P(StepWork, OfDoraMeasuresNorms) {
  Whisper lora = planned(GetParam(), "lora"), dora = planned(GetParam(), "");
  add_lora(dora, {.rank = kRank, .target_modules = {"all-linear"}, .dora = true});
  double numbers = 0, last = 0;
  for_each_linear(dora, [&](const std::string& name, Linear& l) {
    numbers += static_cast<double>(l.weight.size());
    const double rows = name.starts_with("model.encoder.") ? kStates : kTokens;
    if (name.ends_with("fc2")) last += 2 * rows * static_cast<double>(l.weight.size() + kRank * l.weight.rows());
  });
  const Work with = step_work(dora, {1, kStates, kTokens, Keep::kInputs}),
             without = step_work(lora, {1, kStates, kTokens, Keep::kInputs});
  EXPECT_DOUBLE_EQ(with.forward(), without.forward() + 2 * kRank * numbers);
  EXPECT_EQ(with.backward(), without.backward());
  EXPECT_DOUBLE_EQ(with.recompute(), without.recompute() + last);
}

TEST_P(StepWork, OfDecoderAdaptersStopsAtTheAudio) {
  const Work w = work("decoder");
  const double d = f.d, layers = 28 * kTokens * d * d * size_config(GetParam()).decoder_layers;
  EXPECT_DOUBLE_EQ(w.forward(), f.forward() + f.decoder_adapters);
  EXPECT_DOUBLE_EQ(w.backward(), layers + f.logits + 2.5 * f.decoder_attention + 2 * f.decoder_adapters - f.cross_keys);
}

// All but what only a layer's result needs: its last product.
TEST_P(StepWork, OfLayersThatAreMadeAgain) {
  Whisper model = planned(GetParam(), "decoder");
  const WhisperConfig& c = model.config;
  const Work w = work("full", Keep::kInputs), of_decoder = work("decoder", Keep::kInputs);
  const double last = 8 * f.d * f.d;
  EXPECT_DOUBLE_EQ(w.recompute(), f.encoder_layers + f.decoder_layers + f.attention() -
                                      last * (kStates * c.encoder_layers + kTokens * c.decoder_layers));
  EXPECT_EQ(w.useful(), work("full").useful());
  EXPECT_LT(of_decoder.recompute(), f.decoder_layers + f.decoder_attention + f.decoder_adapters);
}

TEST_P(StepWork, StopsAtTheLowestAdapter) {
  Whisper model = planned(GetParam(), "");
  const std::int64_t layers = std::ssize(model.encoder.layers);
  add_lora(model, {.rank = kRank, .target_modules = {fmt::format("model.encoder.layers.{}.fc1", layers - 1)}});
  const Work w = step_work(model, {1, kStates, kTokens, Keep::kEverything});
  const double once = (f.encoder_layers + 2.5 * f.encoder_attention) / static_cast<double>(layers),
               adapter = 2 * kRank * 5 * f.d * kStates;
  EXPECT_DOUBLE_EQ(w.backward(), once + f.decoder_layers + 2.5 * f.decoder_attention + f.logits + 2 * adapter);
}

TEST_P(StepWork, OfAnEncoderThatIsAskedOnce) {
  Whisper model = planned(GetParam(), "decoder");
  const Work all = step_work(model, {1, kStates, kTokens}),
             cached = step_work(model, {.tokens = kTokens, .from_states = true});
  EXPECT_DOUBLE_EQ(all.forward() - cached.forward(), f.convolutions + f.encoder_layers + f.encoder_attention);
  EXPECT_EQ(all.backward(), cached.backward());
}

TEST_P(StepWork, GrowsWithTheBatch) {
  Whisper model = planned(GetParam(), "lora");
  EXPECT_EQ(step_work(model, {3, 100, 9}).total(), 3 * step_work(model, {1, 100, 9}).total());
}

TEST_P(StepWork, OfDecodingIsTheForwardPassTokenByToken) {
  Whisper model = planned(GetParam(), "");
  const Work window = encode_work(model, kStates), token = token_work(model, 1, kStates, 1);
  const double keys = 4 * f.d * f.d * kStates * model.config.decoder_layers;
  EXPECT_DOUBLE_EQ(window.total(), f.convolutions + f.encoder_layers + f.encoder_attention + keys);
  const Formula one(model.config, kStates, 1);
  EXPECT_DOUBLE_EQ(window.total() + token.total(), one.forward());
}

INSTANTIATE_TEST_SUITE_P(Sizes, StepWork, ::testing::Values("tiny", "large-v3"),
                         [](const auto& p) { return std::string(p.param) == "tiny" ? "tiny" : "large_v3"; });

// docs/performance.md's table: a window of 30 s and 64 tokens on large-v3, TFLOP.
TEST(StepWorkOfLargeV3, InFigures) {
  Whisper lora = planned("large-v3", "lora"), full = planned("large-v3", "full");
  EXPECT_NEAR(step_work(full, {1, 1500, 64}).forward() / 1e12, 2.707, 0.001);
  EXPECT_NEAR(step_work(full, {1, 1500, 64}).useful() / 1e12, 8.314, 0.003);
  EXPECT_NEAR(step_work(lora, {1, 1500, 64}).useful() / 1e12, 5.974, 0.075) << "and the adapters";
}

TEST(Work, CountsWhatIsDecoded) {
  Whisper model = planned("tiny", "lora");
  EXPECT_EQ(step_work(model, {1, 100, 9}).decoded(), 0);
  assume_base(model, "nf4", false);
  double numbers = 0;
  for_each_linear(model, [&](const std::string&, Linear& l) { numbers += static_cast<double>(l.weight.size()); });
  EXPECT_EQ(step_work(model, {1, 100, 9}).decoded(), 2 * numbers);
}

}  // namespace
}  // namespace sori
