// The whole model against transformers and PEFT: states, logits, losses and every gradient.
#include "model/learn.h"

#include <gtest/gtest.h>

#include "support/tiny_golden.h"
#include "support/tiny_whisper.h"

namespace sori::test {
namespace {

const Path kForward = golden("tiny_forward.safetensors");

std::vector<GoldenUtterance> utterances(const std::string& target = "target") {
  const SafetensorsFile f(kForward);
  std::vector<GoldenUtterance> all;
  for (int i = 0; i < 3; ++i) all.push_back(read_utterance(f, fmt::format("u{}.", i), target));
  return all;
}

void nothing(Whisper&) {}

TEST(TinyWhisper, GivesTheStatesAndLogitsOfTransformers) {
  const SafetensorsFile f(kForward);
  TinyRun run(make_reference_backend(DType::kF32), Keep::kNothing, nothing);
  run.assign(utterances());
  const Pass pass{*run.backend};
  encoder_forward(pass, run.model.encoder, run.batch, run.memory.mel.top(run.batch.frames.total), run.memory.encoder,
                  run.memory.scratch);
  const Mat states = run.memory.encoder.norm.y.top(run.batch.audio.total);
  decoder_forward(pass, run.model.decoder, run.batch, states, run.memory.decoder, run.memory.scratch);
  const Mat result = run.memory.decoder.norm.y.top(run.batch.text.total);
  std::vector<float> logits(static_cast<std::size_t>(result.rows * run.model.config.vocab_size));
  const Mat all(logits.data(), result.rows, run.model.config.vocab_size);
  run.backend->linear(result, run.model.decoder.embed_tokens.weight.weight, {}, all);
  std::map<std::string, double> worst;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto expect = [&](const char* what, const Mat& actual, RowSpan rows) {
      const std::vector<float> wanted = floats(f.get(fmt::format("u{}.{}", i, what)));
      for (std::int64_t r = 0; r < rows.count; ++r)
        for (std::int64_t c = 0; c < actual.cols; ++c) {
          const double difference =
              std::abs(actual.at(rows.first + r, c) - wanted[static_cast<std::size_t>(r * actual.cols + c)]);
          // Logits of size 10 through 8 sublayers of products of length 64: 5e-4 is what the whole model is held to.
          ASSERT_LE(difference, 5e-4) << what << " of utterance " << i << " row " << r << " column " << c;
          worst[what] = std::max(worst[what], difference);
        }
    };
    expect("states", states, run.batch.audio.spans[i]);
    expect("logits", all, run.batch.text.spans[i]);
  }
  for (const auto& [what, difference] : worst) RecordProperty("worst_" + what, fmt::format("{:.2e}", difference));
}

double mean_loss(const std::string& target, float smoothing) {
  TinyRun run(make_reference_backend(DType::kF32), Keep::kNothing, nothing);
  run.assign(utterances(target));
  return forward_loss({*run.backend}, run.model, run.batch, {1, smoothing}, run.memory) /
         static_cast<double>(target_tokens(run.batch));
}

TEST(TinyWhisper, GivesTheLossesOfTransformers) {
  const SafetensorsFile f(kForward);
  EXPECT_NEAR(mean_loss("target", 0), floats(f.get("loss.text"))[0], 1e-4);
  EXPECT_NEAR(mean_loss("target_prompt", 0), floats(f.get("loss.prompt"))[0], 1e-4);
  EXPECT_NEAR(mean_loss("target", 0.1f), floats(f.get("loss.smoothed"))[0], 1e-4);
}

// 2-norm of the difference over the 2-norm of the truth, or over a floor where the truth is zero.
double relative(const std::vector<float>& truth, const Mat& actual) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const double d = static_cast<double>(actual.row<float>(0)[i]) - truth[i];
    difference += d * d;
    size += static_cast<double>(truth[i]) * truth[i];
  }
  return std::sqrt(difference) / std::max(std::sqrt(size), 1e-6);
}

struct Method {
  const char* file;
  std::vector<std::string> targets;  // empty: full
  std::vector<std::string> parts{"all"};
  std::string scope = "both";
  bool dora = false;
};

void mark(Whisper& w, const Method& m) {
  if (m.targets.empty())
    train_everything(w), freeze_others(w, m.parts, m.scope);
  else
    add_lora(w, {.rank = 4, .alpha = 8, .target_modules = m.targets, .dora = m.dora});
}

class TinyGradients : public testing::TestWithParam<Method> {};

TEST_P(TinyGradients, AreThoseOfAutograd) {
  const SafetensorsFile f(golden(GetParam().file));
  for (const auto& [make, keep] :
       {std::pair(&make_reference_backend, Keep::kEverything), std::pair(&make_reference_backend, Keep::kInputs),
        std::pair(&make_cpu_backend, Keep::kEverything)}) {
    TinyRun run(make(DType::kF32), keep, [&](Whisper& w) { mark(w, GetParam()); });
    for_each_parameter(run.model, [&](const std::string& name, Parameter& p) {
      if (const TensorView* t = f.find(peft_name(name)))
        read_floats(*t, 0, {p.value.row<float>(0), static_cast<std::size_t>(p.size())});
    });
    run.measure_dora();
    run.assign(utterances());
    forward_backward({*run.backend, true}, run.model, run.batch,
                     {1.0f / static_cast<float>(target_tokens(run.batch)), 0}, run.memory);
    int compared = 0;
    double worst = 0;
    for_each_parameter(run.model, [&](const std::string& name, Parameter& p) {
      EXPECT_EQ(p.gradient.empty(), !p.trainable) << name;
      if (!p.trainable) return;
      const TensorView* t = f.find("grad." + name);
      if (!t) t = f.find("grad." + peft_name(name));
      ASSERT_NE(t, nullptr) << name;
      const double difference = relative(floats(*t), p.gradient);
      worst = std::max(worst, difference);
      EXPECT_LE(difference, 1e-3) << name;
      ++compared;
    });
    EXPECT_GT(compared, 20);
    RecordProperty("worst_gradient", fmt::format("{:.2e}", worst));
  }
}

INSTANTIATE_TEST_SUITE_P(Parts, TinyGradients,
                         testing::Values(Method{"tiny_gradients_full.safetensors", {}, {"biases"}},
                                         Method{"tiny_gradients_full.safetensors", {}, {"norms"}},
                                         Method{"tiny_gradients_full.safetensors", {}, {"last-1"}},
                                         Method{"tiny_gradients_full.safetensors", {}, {"norms", "last-1"}},
                                         Method{"tiny_gradients_full.safetensors", {}, {"last-2"}, "encoder"},
                                         Method{"tiny_gradients_full.safetensors", {}, {"all"}, "decoder"}),
                         [](const auto& i) {
                           std::string name = fmt::format("{}_{}", fmt::join(i.param.parts, "_"), i.param.scope);
                           std::erase(name, '-');
                           return name;
                         });

INSTANTIATE_TEST_SUITE_P(Methods, TinyGradients,
                         testing::Values(Method{"tiny_gradients_full.safetensors", {}},
                                         Method{"tiny_gradients_lora.safetensors", {"q_proj", "v_proj"}},
                                         Method{"tiny_gradients_lora_all_linear.safetensors", {"all-linear"}},
                                         Method{"tiny_gradients_dora.safetensors",
                                                {"all-linear"},
                                                {"all"},
                                                "both",
                                                /*dora=*/true}),
                         [](const auto& i) {
                           return i.param.dora                  ? "Dora"
                                  : i.param.targets.empty()     ? "Full"
                                  : i.param.targets.size() == 1 ? "AllLinear"
                                                                : "QV";
                         });

std::vector<float> all_gradients(Whisper& model) {
  std::vector<float> all;
  for_each_parameter(model, [&](const std::string&, Parameter& p) {
    if (p.trainable) all.insert(all.end(), p.gradient.row<float>(0), p.gradient.row<float>(0) + p.size());
  });
  return all;
}

void add_noisy_lora(Whisper& w) {
  add_lora(w, {.rank = 3, .alpha = 6, .dropout = 0.2, .target_modules = {"all-linear"}});
}

void add_dora(Whisper& w) { add_lora(w, {.rank = 3, .alpha = 6, .target_modules = {"all-linear"}, .dora = true}); }

void fill_noise(Whisper& w) {
  std::uint64_t n = 0;
  const Rng rng(5, Draw::kNoise);
  for_each_parameter(w, [&](const std::string&, Parameter& p) {
    if (p.trainable)
      for (std::int64_t i = 0; i < p.size(); ++i) p.value.row<float>(0)[i] = 0.1f * static_cast<float>(rng.normal(n++));
  });
}

template <class Prepare>
std::vector<float> gradients_of(std::unique_ptr<Backend> backend, Keep keep, Prepare prepare) {
  TinyRun run(std::move(backend), keep, prepare);
  fill_noise(run.model);
  run.measure_dora();
  run.assign(utterances());
  forward_backward({*run.backend, true, 1, 7}, run.model, run.batch, {0.1f, 0}, run.memory);
  return all_gradients(run.model);
}

TEST(Recompute, GivesEqualBits) {
  for (const DType compute : {DType::kF32, DType::kBF16})
    for (const auto& add : {add_noisy_lora, add_dora})
      EXPECT_EQ(gradients_of(make_reference_backend(compute), Keep::kEverything, add),
                gradients_of(make_reference_backend(compute), Keep::kInputs, add));
}

TEST(Recompute, GivesEqualBitsOnTheCpuToo) {
  for (const DType compute : {DType::kF32, DType::kBF16})
    for (const auto& add : {add_noisy_lora, add_dora}) {
      std::vector<std::vector<float>> gradients;
      for (const Keep keep : {Keep::kEverything, Keep::kInputs})
        gradients.push_back(gradients_of(make_cpu_backend(compute), keep, add));
      EXPECT_EQ(gradients[0], gradients[1]) << name_of(compute);
    }
}

TEST(Recompute, ServesLayersOfWhichSomeLearn) {
  for (const std::string part : {"last-1", "norms", "biases"}) {
    const auto mark_part = [&](Whisper& w) { train_everything(w), freeze_others(w, {part}, "both"); };
    EXPECT_EQ(gradients_of(make_cpu_backend(DType::kF32), Keep::kEverything, mark_part),
              gradients_of(make_cpu_backend(DType::kF32), Keep::kInputs, mark_part))
        << part;
  }
}

// An MLP of which only the norm learns is not run in pieces: its gradient would be finished once a piece.
TEST(Recompute, OfAnMlpWhoseNormLearnsTakesAllItsRows) {
  WhisperConfig config = tiny_config();
  config.max_source_positions = 700;
  for (const auto& [part, piece] : {std::pair("norms", std::int64_t{0}), {"last-1", std::int64_t{0}}}) {
    Whisper model = make_whisper(config);
    train_everything(model), freeze_others(model, {part}, "both");
    Carver count = Carver::counting();
    const auto backend = make_cpu_backend(DType::kF32);
    EXPECT_EQ(
        carve_learning(count, model, *backend, {1, 1400, 6}, Keep::kInputs).encoder.stack.layers.front().mlp.piece,
        piece)
        << part;
  }
}

TEST(Recompute, ServesLayersWithDifferentAdapters) {
  const auto add_some = [](Whisper& w) {
    add_lora(w, {.rank = 3,
                 .alpha = 6,
                 .target_modules = {"model.encoder.layers.1.fc1", "model.decoder.layers.1.encoder_attn.k_proj"}});
  };
  EXPECT_EQ(gradients_of(make_reference_backend(DType::kF32), Keep::kEverything, add_some),
            gradients_of(make_reference_backend(DType::kF32), Keep::kInputs, add_some));
}

// An MLP of which nothing learns is run in pieces of its rows, so a window must be longer than one.
TEST(Recompute, OfAFrozenMlpInPiecesGivesEqualBits) {
  WhisperConfig config = tiny_config();
  config.max_source_positions = 700;
  const std::vector<int> input{1, 2, 3, 4, 5, 6}, target{-1, -1, 3, 4, 5, 6};
  std::vector<std::vector<float>> gradients;
  for (const Keep keep : {Keep::kEverything, Keep::kInputs}) {
    TinyWhisper tiny(config, 1, [](Whisper& w) { add_lora(w, {.rank = 3, .target_modules = {"q_proj", "v_proj"}}); });
    const auto backend = make_cpu_backend(DType::kF32);
    const BatchLimits limits{1, 1400, 6};
    Carver count = Carver::counting();
    carve_learning(count, tiny.model, *backend, limits, keep);
    Arena arena(count.bytes());
    Carver carver(arena);
    LearnMemory memory = carve_learning(carver, tiny.model, *backend, limits, keep);
    EXPECT_EQ(memory.encoder.stack.layers.front().mlp.piece, keep == Keep::kInputs ? kMlpPiece : 0);
    Batch batch;
    batch.reserve(limits, 1);
    const BatchItem item{0, 1400, input, target};
    batch.assign({&item, 1});
    const Rng rng(9, Draw::kNoise);
    for (std::int64_t i = 0; i < 1400 * config.mel_bins; ++i)
      memory.mel.row<float>(0)[i] = static_cast<float>(rng.normal(static_cast<std::uint64_t>(i)));
    forward_backward({*backend, true, 1, 7}, tiny.model, batch, {0.1f, 0}, memory);
    gradients.push_back(all_gradients(tiny.model));
  }
  EXPECT_EQ(gradients[0], gradients[1]);
}

TEST(Accumulation, OfSingleUtterancesEqualsOneBatch) {
  std::vector<std::vector<float>> gradients;
  for (const bool together : {true, false}) {
    TinyRun run(make_reference_backend(DType::kF32), Keep::kEverything, add_noisy_lora);
    fill_noise(run.model);
    const auto all = utterances();
    if (together) {
      run.assign(all);
      forward_backward({*run.backend, false}, run.model, run.batch, {0.1f, 0}, run.memory);
    } else {
      for (const GoldenUtterance& u : all) {
        run.assign({u});
        forward_backward({*run.backend, false}, run.model, run.batch, {0.1f, 0}, run.memory);
      }
    }
    gradients.push_back(all_gradients(run.model));
  }
  for (std::size_t i = 0; i < gradients[0].size(); ++i)
    // Sums of at most 3 * 24 rows in another order: gamma(72) of f32, on gradients of about 1.
    ASSERT_NEAR(gradients[0][i], gradients[1][i], 72 * 0x1p-24 * std::max(1.0f, std::abs(gradients[0][i])) * 4);
}

TEST(Dropout, ChangesTheLossOnlyWhileTraining) {
  TinyRun run(make_reference_backend(DType::kF32), Keep::kEverything, add_noisy_lora);
  fill_noise(run.model);
  run.assign(utterances());
  const auto loss = [&](bool training, std::uint64_t step) {
    return forward_backward({*run.backend, training, 1, step}, run.model, run.batch, {0.1f, 0}, run.memory);
  };
  EXPECT_EQ(loss(false, 1), loss(false, 2));
  EXPECT_EQ(loss(true, 1), loss(true, 1));
  EXPECT_NE(loss(true, 1), loss(true, 2));
  EXPECT_NE(loss(true, 1), loss(false, 1));
}

}  // namespace
}  // namespace sori::test
