// The optimizer inside backward, and everything it may be combined with, on the small random Whisper.
#include <gtest/gtest.h>

#include "support/temporary.h"
#include "support/tiny_golden.h"
#include "train/optimizer.h"

namespace sori::test {
namespace {

using sori::testing::error_of;

struct Kept {
  bool lora = false, dora = false;
  DType matrices = DType::kF32, moments = DType::kF32;
  double b_ratio = 1;
  std::vector<std::string> parts{"all"};  // of the model, without LoRA
};

std::string name_of_kept(const Kept& k) {
  return fmt::format("{}_{}_{}{}",
                     k.dora   ? "dora"
                     : k.lora ? "lora"
                              : "full",
                     name_of(k.matrices), name_of(k.moments), k.b_ratio > 1 ? "_plus" : "");
}

// Four steps on the same batch, and what is left of them.
struct Learner {
  Learner(const Kept& how_kept, bool fused, Keep keep = Keep::kEverything)
      : kept(how_kept), run(make_cpu_backend(DType::kF32), keep, [&](Whisper& w) {
          if (kept.lora)
            add_lora(w, {.rank = 3,
                         .alpha = 6,
                         .dropout = kept.dora ? 0 : 0.2,
                         .target_modules = {"all-linear"},
                         .dora = kept.dora});
          else
            train_everything(w, kept.matrices), freeze_others(w, kept.parts, "both");
          keep_little(w, kept.moments, fused);
        }) {
    if (kept.lora) init_lora(run.model, 1);
    const Pass still{*run.backend};
    measure_base(still, run.model, run.memory.dora);
    start_magnitudes(still, run.model, run.memory.dora);
    const auto carve = [&](Carver& c) { return carve_optimizer(c, run.model); };
    Carver count = Carver::counting();
    carve(count);
    optimizer_bytes = count.bytes();
    arena = std::make_unique<Arena>(count.bytes());
    Carver carver(*arena);
    state = carve(carver);
    set_zero(state);
    if (fused)
      step.emplace(
          *run.backend, run.model, state, [] { return std::string("one, two"); }, kept.b_ratio);
    const SafetensorsFile f(golden("tiny_forward.safetensors"));
    std::vector<GoldenUtterance> batch;
    for (int i = 0; i < 3; ++i) batch.push_back(read_utterance(f, fmt::format("u{}.", i)));
    run.assign(batch);
    zero_gradients(run.model);
  }

  // Mean loss of a token before the step.
  double learn(std::int64_t number, double rate = 1e-2) {
    refresh_gains({*run.backend}, run.model, run.memory.dora);
    AdamW how{.learning_rate = rate, .weight_decay = 0.01, .step = number, .seed = 3};
    const auto tokens = static_cast<double>(target_tokens(run.batch));
    Pass pass{*run.backend, true, 3, static_cast<std::uint64_t>(number)};
    const Loss loss{static_cast<float>(1 / tokens), 0};
    if (step) {
      step->begin(how);
      pass.sink = &*step;
      const double sum = forward_backward(pass, run.model, run.batch, loss, run.memory);
      norm = step->end();
      return sum / tokens;
    }
    const double sum = forward_backward(pass, run.model, run.batch, loss, run.memory);
    norm = gradient_norm(*run.backend, run.model);
    optimizer_step(*run.backend, run.model, state, how, kept.b_ratio);
    return sum / tokens;
  }

  // Weights and moments, bit by bit.
  std::vector<std::byte> bytes() {
    std::vector<std::byte> all;
    const auto add = [&](const void* data, std::size_t n) {
      all.insert(all.end(), static_cast<const std::byte*>(data), static_cast<const std::byte*>(data) + n);
    };
    for_each_parameter(run.model, [&](const std::string&, Parameter& p) {
      if (p.trainable) add(p.value.data, static_cast<std::size_t>(p.size()) * size_of(p.type));
    });
    for (const Moments& s : state.moments)
      for (const Moment& m : {s.m, s.v}) {
        add(m.values.data, static_cast<std::size_t>(m.values.size()) * size_of(m.values.type));
        if (m.absmax) add(m.absmax, static_cast<std::size_t>(dynamic_blocks(m.values.size())) * sizeof(float));
      }
    return all;
  }

  Kept kept;
  TinyRun run;
  std::size_t optimizer_bytes = 0;
  std::unique_ptr<Arena> arena;
  OptimizerState state;
  std::optional<FusedStep> step;
  double norm = 0;
};

class Fused : public ::testing::TestWithParam<Kept> {};

void expect_equal_steps(const Kept& kept) {
  for (const Keep keep : {Keep::kEverything, Keep::kInputs}) {
    Learner classic(kept, false, keep), fused(kept, true, keep);
    for (int step = 1; step <= 4; ++step) {
      EXPECT_EQ(classic.learn(step), fused.learn(step)) << step;
      EXPECT_EQ(classic.norm, fused.norm) << step;
      ASSERT_TRUE(classic.bytes() == fused.bytes()) << step;
    }
  }
}

TEST_P(Fused, StepGivesTheSameBitsAsTheClassicOne) { expect_equal_steps(GetParam()); }

TEST(FusedStep, OfAPartOfTheModelGivesTheSameBitsAsTheClassicOne) {
  for (const std::vector<std::string>& parts :
       {std::vector<std::string>{"biases"}, {"norms"}, {"last-1"}, {"last-1", "norms"}})
    expect_equal_steps({.parts = parts});
}

// 30 steps of 1e-2 on one batch: the loss of a model that learns falls far below half.
TEST_P(Fused, StepLowersTheLoss) {
  Learner learner(GetParam(), true);
  const double first = learner.learn(1);
  double last = first;
  for (int step = 2; step <= 30; ++step) last = learner.learn(step);
  EXPECT_LT(last, first / 2);
}

INSTANTIATE_TEST_SUITE_P(Kept, Fused,
                         ::testing::Values(Kept{}, Kept{.matrices = DType::kBF16}, Kept{.moments = DType::kU8},
                                           Kept{.matrices = DType::kBF16, .moments = DType::kU8}, Kept{.lora = true},
                                           Kept{.lora = true, .moments = DType::kU8}, Kept{.lora = true, .b_ratio = 4},
                                           Kept{.lora = true, .dora = true},
                                           Kept{.lora = true, .dora = true, .b_ratio = 4}),
                         [](const auto& i) { return name_of_kept(i.param); });

std::int64_t gradient_numbers(Whisper& model) {  // of all the memory that gradients lie in
  std::map<const void*, std::int64_t> buffers;
  for_each_parameter(model, [&](const std::string&, Parameter& p) {
    if (p.trainable) buffers[p.gradient.data] = std::max(buffers[p.gradient.data], p.gradient.size());
  });
  std::int64_t sum = 0;
  for (const auto& [data, numbers] : buffers) sum += numbers;
  return sum;
}

TEST(FusedStep, NeedsTheGradientsOfTheLargestMatrixTheEmbeddingAndTheVectors) {
  Learner fused({}, true);
  std::int64_t vectors = 0, largest = 0;
  const Parameter& tied = fused.run.model.decoder.embed_tokens.weight;
  for_each_parameter(fused.run.model, [&](const std::string&, Parameter& p) {
    if (!p.trainable || &p == &tied) return;
    if (p.shape.size() == 1)
      vectors += p.size();
    else
      largest = std::max(largest, p.size());
  });
  EXPECT_EQ(gradient_numbers(fused.run.model), vectors + largest + tied.size());
  Carver shared = Carver::counting(), own = Carver::counting();
  count_weights(shared, fused.run.model);
  Learner classic({}, false);
  count_weights(own, classic.run.model);
  EXPECT_LT(shared.bytes(Purpose::kGradients), own.bytes(Purpose::kGradients) / 2);
  EXPECT_EQ(shared.bytes(Purpose::kWeights), own.bytes(Purpose::kWeights));
}

TEST(KeepLittle, CodesOnlyTensorsThatAreNotSmall) {
  Learner coded({.moments = DType::kU8}, false), plain({}, false);
  std::size_t i = 0, large = 0;
  for_each_parameter(coded.run.model, [&](const std::string& name, Parameter& p) {
    if (!p.trainable) return;
    EXPECT_EQ(coded.state.moments[i++].m.values.type, p.size() >= kLeastCoded ? DType::kU8 : DType::kF32) << name;
    large += p.size() >= kLeastCoded ? static_cast<std::size_t>(p.size()) : 0;
  });
  ASSERT_GT(large, 0u);
  // 8 bytes a number become 2 and 8 a block; 64: the alignment of each of the two tensors more.
  const std::size_t blocks = static_cast<std::size_t>(dynamic_blocks(static_cast<std::int64_t>(large)));
  EXPECT_NEAR(static_cast<double>(plain.optimizer_bytes - coded.optimizer_bytes),
              static_cast<double>(6 * large - 8 * blocks), 8 * 64);
}

TEST(KeepLittle, OfFullFineTuningHoldsMatricesInBf16AndVectorsInF32) {
  Learner learner({.matrices = DType::kBF16}, false);
  const SafetensorsFile f(golden("tiny_model.safetensors"));
  for_each_parameter(learner.run.model, [&](const std::string& name, Parameter& p) {
    if (!p.trainable) return;
    ASSERT_EQ(p.value.type, p.shape.size() == 1 ? DType::kF32 : DType::kBF16) << name;
    const std::vector<float> wanted = floats(f.get(name));
    for (std::int64_t i = 0; i < p.size(); ++i) {
      const float x = wanted[static_cast<std::size_t>(i)];
      const Mat flat(p.value.data, p.value.type, 1, p.size());
      ASSERT_EQ(flat.at(0, i), p.type == DType::kBF16 ? to_float(from_float<bf16>(x)) : x) << name;
    }
  });
}

TEST(FusedStep, StopsAtAGradientThatIsNoNumberAndNamesIt) {
  Learner learner({}, true);
  Parameter& p = learner.run.model.encoder.layers[1].fc1.weight;
  const std::vector<std::byte> before = learner.bytes();
  learner.step->begin({.learning_rate = 1, .step = 5});
  p.gradient.row<float>(0)[7] = NAN;
  const auto error = error_of([&] { learner.step->finished(p); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kNumeric);
  for (const char* named : {"model.encoder.layers.1.fc1.weight", "step 5", "(utterances one, two)"})
    EXPECT_NE(std::string(error->what()).find(named), std::string::npos) << named;
  EXPECT_TRUE(before == learner.bytes());
}

TEST(FusedStep, RefusesToEndBeforeEveryGradientIsThere) {
  Learner learner({}, true);
  learner.step->begin({});
  EXPECT_THROW(learner.step->end(), Bug);
  learner.step->finished(learner.run.model.encoder.conv1.bias);
  EXPECT_THROW(learner.step->finished(learner.run.model.encoder.conv1.bias), Bug);
}

TEST(FusedStep, UpdatesNothingAfterALossThatIsNoNumber) {
  Learner learner({}, true);
  learner.run.model.decoder.layer_norm.bias.value.row<float>(0)[0] = NAN;
  const std::vector<std::byte> before = learner.bytes();
  learner.step->begin({.learning_rate = 1});
  const Pass pass{.backend = *learner.run.backend, .training = true, .sink = &*learner.step};
  EXPECT_TRUE(std::isnan(forward_backward(pass, learner.run.model, learner.run.batch, {1, 0}, learner.run.memory)));
  EXPECT_TRUE(before == learner.bytes());
}

}  // namespace
}  // namespace sori::test
