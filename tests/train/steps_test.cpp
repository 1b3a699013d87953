// Ten optimizer steps against torch.optim.AdamW under transformers' linear schedule: full, LoRA, and what PEFT adds to
// it.
#include <gtest/gtest.h>

#include "model/lora_start.h"
#include "support/tiny_golden.h"
#include "train/optimizer.h"
#include "train/schedule.h"

namespace sori::test {
namespace {

struct Run {
  const char* name;
  DType compute;
  double tolerance;  // relative, of a loss
  std::unique_ptr<Backend> (*make)(Compute) = make_reference_backend;
  const char* file = "tiny_steps.json";
};
constexpr const char* kAdapters = "tiny_adapter_steps.json";

class TenSteps : public testing::TestWithParam<Run> {};

TEST_P(TenSteps, LoseAsTheReferenceDoes) {
  const auto [name, compute, tolerance, make, where] = GetParam();
  auto backend = make(compute);
  const Json golden_runs = read_json(golden(where));
  const Json& wanted = golden_runs.at("runs").at(name);
  const SafetensorsFile f(golden("tiny_steps.safetensors"));
  const std::string said = name;
  const bool lora = said.starts_with("lora"), pissa = said.starts_with("lora_pissa"), dora = said.ends_with("dora");
  TinyRun run(std::move(backend), Keep::kEverything, [&](Whisper& w) {
    if (pissa)
      add_lora(w, {.rank = 8, .alpha = 16, .target_modules = {"all-linear"}, .init = "pissa", .dora = dora});
    else if (lora)
      add_lora(w, {.rank = 4, .alpha = 8, .rslora = said == "lora_rs", .dora = dora});
    else
      train_everything(w);
  });
  const Pass still{*run.backend};
  measure_base(still, run.model, run.memory.dora);
  if (lora) init_lora(run.model, 1);
  start_magnitudes(still, run.model, run.memory.dora);
  for_each_parameter(run.model, [&](const std::string& n, Parameter& p) {
    if (const TensorView* t = pissa ? nullptr : f.find("start." + peft_name(n)))
      read_floats(*t, 0, {p.value.row<float>(0), static_cast<std::size_t>(p.size())});
  });
  if (pissa) {
    const StartRun start(run.model, "pissa");
    start_pissa(run.model, 1, start.memory);
  }
  Carver count = Carver::counting();
  carve_optimizer(count, run.model);
  Arena arena(count.bytes());
  Carver carver(arena);
  OptimizerState state = carve_optimizer(carver, run.model);
  set_zero(state);
  zero_gradients(run.model);

  const Schedule schedule{"linear", wanted.at("learning_rate").get<double>(), 2, 10};
  const auto smoothing = wanted.value("label_smoothing", 0.0f);
  const double b_ratio = said == "lora_plus" ? golden_runs.at("loraplus_lr_ratio").get<double>() : 1;
  double worst = 0;
  for (int step = 0; step < 10; ++step) {
    refresh_gains(still, run.model, run.memory.dora);
    std::vector<GoldenUtterance> batch;
    for (int i = 0; f.find(fmt::format("step{}.u{}.input", step, i)); ++i)
      batch.push_back(read_utterance(f, fmt::format("step{}.u{}.", step, i)));
    run.assign(batch);
    const auto tokens = static_cast<double>(target_tokens(run.batch));
    const double loss = forward_backward({*run.backend, true}, run.model, run.batch,
                                         {static_cast<float>(1 / tokens), smoothing}, run.memory) /
                        tokens;
    const double expected = wanted.at("losses")[static_cast<std::size_t>(step)].get<double>();
    EXPECT_NEAR(loss, expected, tolerance * expected) << "step " << step;
    worst = std::max(worst, std::abs(loss - expected) / expected);
    const double norm = gradient_norm(*run.backend, run.model);
    if (compute == DType::kF32) {
      EXPECT_NEAR(norm, wanted.at("gradient_norms")[static_cast<std::size_t>(step)].get<double>(), 1e-2 * norm)
          << "step " << step;
    }
    EXPECT_NEAR(schedule.rate(step), wanted.at("learning_rates")[static_cast<std::size_t>(step)].get<double>(), 1e-12);
    AdamW how;
    how.learning_rate = schedule.rate(step);
    how.weight_decay = wanted.at("weight_decay").get<double>();
    how.gradient_scale = clip_scale(norm, 1.0);
    how.step = step + 1;
    optimizer_step(*run.backend, run.model, state, how, b_ratio);
  }
  RecordProperty("worst_loss", fmt::format("{:.2e}", worst));
}

const auto kRunName = [](const testing::TestParamInfo<Run>& i) {
  return std::string(i.param.name) + (i.param.compute == DType::kF32 ? "_f32" : "_bf16");
};

INSTANTIATE_TEST_SUITE_P(Reference, TenSteps,
                         testing::Values(Run{"full", DType::kF32, 1e-3}, Run{"lora", DType::kF32, 1e-3},
                                         Run{"full", DType::kBF16, 0.02}, Run{"lora", DType::kBF16, 0.02},
                                         Run{"full_smoothed", DType::kF32, 1e-3},
                                         Run{"lora_rs", DType::kF32, 1e-3, make_reference_backend, kAdapters},
                                         Run{"lora_plus", DType::kF32, 1e-3, make_reference_backend, kAdapters},
                                         Run{"lora_pissa", DType::kF32, 1e-3, make_reference_backend, kAdapters},
                                         Run{"lora_dora", DType::kF32, 1e-3, make_reference_backend, kAdapters},
                                         Run{"lora_pissa_dora", DType::kF32, 1e-3, make_reference_backend, kAdapters}),
                         kRunName);

INSTANTIATE_TEST_SUITE_P(Cpu, TenSteps,
                         testing::Values(Run{"full", DType::kF32, 1e-3, make_cpu_backend},
                                         Run{"lora", DType::kF32, 1e-3, make_cpu_backend},
                                         Run{"full", DType::kBF16, 0.02, make_cpu_backend},
                                         Run{"lora", DType::kBF16, 0.02, make_cpu_backend},
                                         Run{"lora_smoothed", DType::kF32, 1e-3, make_cpu_backend},
                                         Run{"lora_rs", DType::kF32, 1e-3, make_cpu_backend, kAdapters},
                                         Run{"lora_plus", DType::kF32, 1e-3, make_cpu_backend, kAdapters},
                                         Run{"lora_pissa", DType::kF32, 1e-3, make_cpu_backend, kAdapters},
                                         Run{"lora_dora", DType::kF32, 1e-3, make_cpu_backend, kAdapters},
                                         Run{"lora_dora", DType::kBF16, 0.02, make_cpu_backend, kAdapters},
                                         Run{"lora_pissa_dora", DType::kF32, 1e-3, make_cpu_backend, kAdapters}),
                         kRunName);

TEST(Schedule, WarmsUpAndDecays) {
  const Schedule linear{"linear", 1.0, 2, 10};
  EXPECT_EQ(linear.rate(0), 0);
  EXPECT_EQ(linear.rate(1), 0.5);
  EXPECT_EQ(linear.rate(2), 1);
  EXPECT_EQ(linear.rate(6), 0.5);
  EXPECT_EQ(linear.rate(10), 0);
  const Schedule cosine{"cosine", 2.0, 0, 8};
  EXPECT_EQ(cosine.rate(0), 2);
  EXPECT_NEAR(cosine.rate(4), 1, 1e-15);
  EXPECT_NEAR(cosine.rate(8), 0, 1e-15);
  EXPECT_EQ((Schedule{"constant", 3.0, 0, 8}.rate(7)), 3);
}

TEST(Clipping, ShortensLongGradientsOnly) {
  EXPECT_EQ(clip_scale(0.5, 1.0), 1);
  EXPECT_NEAR(clip_scale(4, 1.0), 0.25, 1e-6);
  EXPECT_EQ(clip_scale(4, 0), 1);
}

}  // namespace
}  // namespace sori::test
