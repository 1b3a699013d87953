#include "lighten/drop_layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/golden_calibration.h"
#include "support/temporary.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;

LayerDrop choose(const std::vector<GoldenUtterance>& utterances, const std::vector<Side>& sides, int count) {
  const SafetensorsFile file(kTinyModel);
  return choose_layers_to_drop(golden_config(), file, calibration_of(utterances), sides, count);
}

template <class Layer>
void keep_only(std::vector<Layer>& layers, const std::vector<int>& kept) {
  std::vector<Layer> left;
  for (const int i : kept) left.push_back(layers[static_cast<std::size_t>(i)]);
  layers = left;
}

// On the reference backend, all samples in one batch, of a model that has these layers.
double mean_loss(const std::vector<int>& encoder, const std::vector<int>& decoder) {
  const std::vector<GoldenUtterance> utterances = golden_utterances();
  TinyRun run(make_reference_backend(DType::kF32), Keep::kNothing, [](Whisper&) {});
  keep_only(run.model.encoder.layers, encoder);
  keep_only(run.model.decoder.layers, decoder);
  run.assign(utterances);
  return forward_loss({*run.backend}, run.model, run.batch, {}, run.memory) /
         static_cast<double>(tokens_of(utterances));
}

constexpr double kClose = 1e-4;  // what the model's losses are held to

TEST(DropLayers, LeavesOutTheOneThatIsMissedLeast) {
  const auto utterances = golden_utterances();
  const double encoder[] = {mean_loss({1}, {0, 1}), mean_loss({0}, {0, 1})},
               decoder[] = {mean_loss({0, 1}, {1}), mean_loss({0, 1}, {0})};
  const auto least = [](const double(&losses)[2]) { return losses[1] < losses[0] ? 1 : 0; };
  for (const auto& [side, losses] : {std::pair{Side::kEncoder, &encoder}, {Side::kDecoder, &decoder}}) {
    const LayerDrop drop = choose(utterances, {side}, 1);
    EXPECT_NEAR(drop.loss, mean_loss({0, 1}, {0, 1}), kClose);
    ASSERT_EQ(drop.dropped.size(), 1u);
    EXPECT_EQ(drop.dropped[0].side, side);
    EXPECT_EQ(drop.dropped[0].layer, least(*losses));
    EXPECT_NEAR(drop.dropped[0].loss, (*losses)[least(*losses)], kClose);
    EXPECT_EQ(drop.tokens, tokens_of(utterances));
  }
  const DroppedLayer both = choose(utterances, {Side::kEncoder, Side::kDecoder}, 1).dropped[0];
  EXPECT_NEAR(both.loss, std::min({encoder[0], encoder[1], decoder[0], decoder[1]}), kClose);
}

// After the first is gone the rest is measured without it, and the last layer of a side stays.
TEST(DropLayers, MeasuresAgainAfterEach) {
  const LayerDrop drop = choose(golden_utterances(), {Side::kEncoder, Side::kDecoder}, 2);
  ASSERT_EQ(drop.dropped.size(), 2u);
  EXPECT_NE(drop.dropped[0].side, drop.dropped[1].side);
  const std::vector<int> encoder = drop.kept(Side::kEncoder, 2), decoder = drop.kept(Side::kDecoder, 2);
  ASSERT_EQ(encoder.size(), 1u);
  ASSERT_EQ(decoder.size(), 1u);
  EXPECT_NEAR(drop.dropped[1].loss, mean_loss(encoder, decoder), kClose);
  const std::vector<int> other{1 - (drop.dropped[1].side == Side::kEncoder ? encoder : decoder)[0]};
  const double instead = drop.dropped[1].side == Side::kEncoder ? mean_loss(other, decoder) : mean_loss(encoder, other);
  EXPECT_LE(drop.dropped[1].loss, instead + kClose);
}

TEST(DropLayers, ChoosesTheSameAgain) {
  const auto dropped = [&] {
    std::vector<std::pair<int, double>> all;
    const LayerDrop drop = choose(golden_utterances(), {Side::kEncoder, Side::kDecoder}, 2);
    for (const DroppedLayer& d : drop.dropped) all.emplace_back(d.layer, d.loss);
    return all;
  };
  EXPECT_EQ(dropped(), dropped());
}

TEST(DropLayers, KeepsOneOfEachSide) {
  const auto refusal = [&](const std::vector<Side>& sides, int count) {
    const auto error = testing::error_of([&] { choose(golden_utterances(), sides, count); });
    EXPECT_TRUE(error && error->kind() == ErrorKind::kUsage);
    return error ? std::string(error->what()) : "";
  };
  EXPECT_THAT(refusal({Side::kEncoder}, 2), HasSubstr("drop at most 1"));
  EXPECT_THAT(refusal({Side::kEncoder, Side::kDecoder}, 3), HasSubstr("drop at most 2"));
}

}  // namespace
}  // namespace sori::test
