// A plan is a promise: what is counted is what is handed out, and what is chosen changes memory and time alone.
#include <gtest/gtest.h>

#include <numeric>

#include "export/quantised_folder.h"
#include "model/load.h"
#include "plan/choose.h"
#include "plan/shapes.h"

namespace sori {
namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

Whisper planned(const std::string& size, const std::string& method, const std::string& base = "bf16") {
  Whisper model = make_whisper(size_config(size));
  if (method == "full" || method == "norms")
    train_everything(model), freeze_others(model, {method == "full" ? "all" : method}, "both");
  else
    add_lora(model, {.rank = 32,
                     .target_modules = method == "dora" ? std::vector<std::string>{"all-linear"}
                                                        : std::vector<std::string>{"q_proj", "v_proj"},
                     .init = method == "lora" || method == "dora" ? "true" : method,
                     .dora = method == "dora"});
  assume_base(model, base, base == "nf4");
  return model;
}

RunRequest request(const Whisper& model, std::int64_t batch, std::int64_t accumulation, std::uint64_t ram) {
  RunRequest r;
  r.batch = batch, r.accumulation = accumulation;
  r.frames = 2 * model.config.max_source_positions, r.tokens = 32;
  r.judge = recognizer_limits(model.config, kJudged, 4, 128);
  r.ram = ram;
  return r;
}

class Planned : public ::testing::TestWithParam<std::tuple<const char*, const char*, Keep>> {};

TEST_P(Planned, IsHandedOutToTheByte) {
  const auto [size, method, keep] = GetParam();
  Whisper model = planned(size, method);
  RunLimits limits{.batch = {2, 200, 9}, .keep = keep, .judge = recognizer_limits(model.config, 2, 4, 12)};
  limits.judge->frames = 200;
  if (method == std::string("pissa") || method == std::string("loftq") || method == std::string("lora_ga"))
    limits.init = method;
  const MemoryPlan plan = plan_memory(model, DType::kF32, limits, 0);
  Arena arena(plan.arena);
  Carver carver(arena);
  const auto learn = make_cpu_backend(DType::kF32), judge = make_cpu_backend(DType::kF32);
  count_weights(carver, model);
  carve_run(carver, model, *learn, *judge, limits);
  EXPECT_EQ(carver.bytes(), plan.arena);
  std::uint64_t largest = 0;
  for (const PhaseMemory& p : plan.phases)
    largest = std::max(largest, std::accumulate(p.arena.begin(), p.arena.end(), std::uint64_t{0}));
  EXPECT_EQ(largest, plan.arena);
}

INSTANTIATE_TEST_SUITE_P(Runs, Planned,
                         ::testing::Combine(::testing::Values("tiny", "base"),
                                            ::testing::Values("full", "norms", "lora", "dora", "pissa", "loftq",
                                                              "lora_ga"),
                                            ::testing::Values(Keep::kEverything, Keep::kInputs)),
                         [](const auto& c) {
                           return fmt::format("{}_{}_{}", std::get<0>(c.param), std::get<1>(c.param),
                                              std::get<2>(c.param) == Keep::kInputs ? "recomputed" : "kept");
                         });

TEST(BaseBytes, AreThoseOfTheFormat) {
  for (const auto& [base, low, high] :
       {std::tuple{"bf16", 2.0, 2.01}, {"int8", 1.0, 1.15}, {"nf4", 0.5, 0.57}, {"fp8", 1.0, 1.15}}) {
    Whisper model = planned("large-v3", "lora", base);
    const double numbers = 1541.6e6, bytes = static_cast<double>(base_bytes(model).all());
    EXPECT_GT(bytes, low * numbers * 0.99) << base;
    EXPECT_LT(bytes, high * numbers) << base;
  }
}

TEST(BaseBytes, AreThoseOfAQuantisedFolderToTheByte) {
  for (const auto& [base, embedding] : {std::pair{"int8", "bf16"}, {"nf4", "int8"}}) {
    const testing::TemporaryFolder folder;
    testing::write_hf(folder / "model");
    quantise_model(folder / "model", folder / "out", testing::quantisation(base, embedding));
    const auto file = open_safetensors_folder(folder / "out");
    std::uint64_t stored = 0;
    for (const TensorView& t : file->tensors()) stored += t.bytes.size();
    for (const NamedShape& t : tensor_list(testing::tiny_config()))
      if (t.shape.size() == 1) stored -= file->get(t.name).bytes.size();
    Whisper model = make_whisper(testing::tiny_config());
    assume_base(model, base, embedding == std::string("int8"));
    EXPECT_EQ(base_bytes(model).all(), stored) << base;
  }
}

TEST(ChooseRun, KeepsTheEffectiveBatch) {
  Whisper model = planned("base", "lora");
  for (const std::uint64_t ram : {kGiB, 2 * kGiB, 100 * kGiB})
    for (const RunChoice& c : choose_run(model, request(model, 6, 2, ram)).all) {
      EXPECT_EQ(c.batch * c.accumulation, 12);
      EXPECT_LE(c.batch, 6);
    }
}

TEST(ChooseRun, TakesTheFastestThatFits) {
  Whisper model = planned("base", "lora");
  const RunChoices plenty = choose_run(model, request(model, 8, 1, 100 * kGiB));
  ASSERT_TRUE(plenty.chosen);
  EXPECT_EQ(plenty.all[*plenty.chosen].batch, 8);
  EXPECT_EQ(plenty.all[*plenty.chosen].keep, Keep::kEverything);
  const std::uint64_t all = plenty.all[*plenty.chosen].memory.resident_bytes();
  const RunChoices less = choose_run(model, request(model, 8, 1, all - 1));
  ASSERT_TRUE(less.chosen);
  EXPECT_EQ(less.all[*less.chosen].batch, 4);
  EXPECT_EQ(less.all[*less.chosen].keep, Keep::kEverything);
  const RunChoices least = choose_run(model, request(model, 8, 1, less.smallest().memory.resident_bytes()));
  ASSERT_TRUE(least.chosen);
  EXPECT_EQ(least.all[*least.chosen].keep, Keep::kInputs);
  for (const RunChoice& c : least.all) EXPECT_TRUE(!c.fits || c.seconds >= least.all[*least.chosen].seconds);
}

TEST(ChooseRun, ObeysWhatWasAskedForByName) {
  Whisper model = planned("tiny", "lora");
  RunRequest r = request(model, 4, 1, 100 * kGiB);
  r.keep = Keep::kInputs;
  r.micro_batch = 2;
  const RunChoices choices = choose_run(model, r);
  ASSERT_EQ(choices.all.size(), 2u);
  EXPECT_EQ(choices.all[0].batch, 2);
  EXPECT_EQ(choices.all[0].keep, Keep::kInputs);
}

TEST(ChooseRun, SaysWhatWouldFitWhenNothingDoes) {
  Whisper model = planned("base", "full");
  const RunRequest r = request(model, 2, 1, kGiB / 8);
  const RunChoices choices = choose_run(model, r);
  ASSERT_FALSE(choices.chosen);
  const Error error = nothing_fits(model, r, choices);
  EXPECT_EQ(error.kind(), ErrorKind::kMemory);
  const std::string text = error.what();
  EXPECT_NE(text.find("128.0 MiB"), std::string::npos) << text;
  EXPECT_NE(text.find(fmt::format("--ram {}M", (choices.smallest().memory.resident_bytes() >> 20) + 1)),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("--method lora"), std::string::npos) << text;
}

}  // namespace
}  // namespace sori
