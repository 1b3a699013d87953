#include "lighten/choose_formats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"

namespace sori::test {
namespace {

using ::testing::ElementsAre;

// Of three formats each; bytes up to 100 a step, and rises that fall with them, by no rule.
std::vector<LayerOptions> drawn(std::uint64_t seed, int layers) {
  const Rng rng(seed, Draw::kNoise);
  std::uint64_t n = 0;
  std::vector<LayerOptions> all;
  for (int i = 0; i < layers; ++i) {
    LayerOptions& layer = all.emplace_back(LayerOptions{std::to_string(i), {}});
    std::uint64_t bytes = 1 + rng.below(n++, 20);
    double rise = 3;
    for (const char* format : {"nf4", "int8", "bf16"}) {
      layer.options.push_back({format, bytes, rise});
      bytes += 1 + rng.below(n++, 100);
      rise *= static_cast<double>(rng.below(n++, 100)) / 100;
    }
  }
  return all;
}

std::uint64_t bytes_of(const std::vector<LayerOptions>& layers, const FormatChoice& c) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) sum += layers[i].options[c.chosen[i]].bytes;
  return sum;
}

std::uint64_t least_bytes(const std::vector<LayerOptions>& layers) {
  return bytes_of(layers, {.chosen = std::vector<std::size_t>(layers.size())});
}

// The least rise of any choice that fits, by trying them all.
double least_rise(const std::vector<LayerOptions>& layers, std::size_t i, std::int64_t left) {
  if (left < 0) return INFINITY;
  if (i == layers.size()) return 0;
  double least = INFINITY;
  for (const FormatOption& o : layers[i].options)
    least = std::min(least, o.rise + least_rise(layers, i + 1, left - static_cast<std::int64_t>(o.bytes)));
  return least;
}

TEST(ChooseFormats, NeverExceedsTheBudgetAndLosesNothingByALargerOne) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto layers = drawn(seed, 12);
    const std::uint64_t least = least_bytes(layers);
    double before = INFINITY;
    for (std::uint64_t budget = least; budget < least + 2500; budget += 7) {
      const FormatChoice c = choose_formats(layers, budget);
      EXPECT_LE(c.bytes, budget);
      EXPECT_EQ(c.bytes, bytes_of(layers, c));
      EXPECT_LE(c.rise, before * (1 + 1e-12)) << seed << " " << budget;
      before = c.rise;
    }
    EXPECT_EQ(choose_formats(layers, 1 << 20).chosen, choose_formats(layers, least + 2500).chosen);
  }
}

// Before the first step that does not fit it is the best there is (Dantzig's bound), so it misses less than that step.
TEST(ChooseFormats, IsWithinOneStepOfTheBest) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto layers = drawn(seed, 6);
    double largest = 0;
    for (const LayerOptions& l : layers) largest = std::max(largest, l.options[0].rise - l.options[2].rise);
    for (std::uint64_t budget = least_bytes(layers); budget < 1400; budget += 97) {
      const double best = least_rise(layers, 0, static_cast<std::int64_t>(budget)),
                   found = choose_formats(layers, budget).rise;
      EXPECT_GE(found, best - 1e-12);
      EXPECT_LE(found, best + largest);
    }
  }
}

TEST(ChooseFormats, TakesWhatSavesMostAByte) {
  const std::vector<LayerOptions> layers{{"a", {{"nf4", 10, 1.0}, {"int8", 20, 0.1}, {"bf16", 40, 0.0}}},
                                         {"b", {{"nf4", 10, 2.0}, {"int8", 20, 0.2}, {"bf16", 40, 0.0}}},
                                         {"c", {{"nf4", 10, 1.0}, {"int8", 20, 0.9}, {"bf16", 40, 0.0}}}};
  const auto chosen = [&](std::uint64_t budget) { return choose_formats(layers, budget).chosen; };
  EXPECT_THAT(chosen(39), ElementsAre(0, 0, 0));
  EXPECT_THAT(chosen(40), ElementsAre(0, 1, 0));
  EXPECT_THAT(chosen(50), ElementsAre(1, 1, 0));
  EXPECT_THAT(chosen(79), ElementsAre(1, 2, 0)) << "c's first step leads to bf16 at once, and does not fit";
  EXPECT_THAT(chosen(80), ElementsAre(1, 1, 2));
  EXPECT_THAT(chosen(120), ElementsAre(2, 2, 2));
  EXPECT_THAT(chosen(0), ElementsAre(0, 0, 0)) << "there is nothing smaller";
}

TEST(ChooseFormats, GivesNoBytesForNothing) {
  EXPECT_THAT(choose_formats({{"a", {{"nf4", 10, 0.5}, {"int8", 20, 0.5}, {"bf16", 40, 0.7}}}}, 100).chosen,
              ElementsAre(0));
}

// As if each layer of the model were alone.
TEST(ChooseFormats, InTurnsKeepsEachLayerOfTheModelToItsBudget) {
  std::vector<LayerOptions> all, encoder = drawn(1, 4), decoder = drawn(2, 6);
  const auto add = [&](const std::string& turn, const std::vector<LayerOptions>& layers) {
    for (LayerOptions l : layers) {
      l.weight = turn + ".fc" + l.weight + ".weight";
      all.push_back(std::move(l));
    }
  };
  add("model.encoder.layers.1", encoder), add("model.encoder.layers.10", encoder),
      add("model.decoder.layers.0", decoder);
  for (std::uint64_t budget = 0; budget < 1000; budget += 50) {
    const FormatChoice one = choose_formats(encoder, budget), other = choose_formats(decoder, budget),
                       c = choose_formats(all, {.bytes = budget, .in_turns = true});
    std::vector<std::size_t> expected = one.chosen;
    for (const FormatChoice* next : {&one, &other})
      expected.insert(expected.end(), next->chosen.begin(), next->chosen.end());
    EXPECT_EQ(c.chosen, expected);
    EXPECT_EQ(c.bytes, 2 * one.bytes + other.bytes);
    EXPECT_DOUBLE_EQ(c.rise, 2 * one.rise + other.rise);
    EXPECT_EQ(choose_formats(all, {.bytes = budget}).chosen, choose_formats(all, budget).chosen);
  }
}

TEST(ChooseFormats, OfEqualsTakesTheFirst) {
  const LayerOptions layer{"", {{"nf4", 10, 1.0}, {"int8", 20, 0.0}}};
  EXPECT_THAT(choose_formats({layer, layer, layer}, 45).chosen, ElementsAre(1, 0, 0));
}

}  // namespace
}  // namespace sori::test
