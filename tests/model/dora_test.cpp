#include "model/dora.h"

#include <gtest/gtest.h>

#include <deque>

#include "ops/reference/matrix.h"
#include "support/made_weight.h"
#include "support/tiny_golden.h"

namespace sori::test {
namespace {

LoraConfig config(bool dora) { return {.rank = 3, .alpha = 6, .target_modules = {"all-linear"}, .dora = dora}; }

TinyRun tiny_run(std::unique_ptr<Backend> backend, bool dora) {
  return {std::move(backend), Keep::kEverything, [&](Whisper& w) { add_lora(w, config(dora)); }};
}

void fill_noise(Whisper& model) {
  const Rng rng(5, Draw::kNoise);
  std::uint64_t next = 0;
  for_each_parameter(model, [&](const std::string&, Parameter& p) {
    if (!p.trainable) return;
    for (float& x : std::span(p.value.row<float>(0), static_cast<std::size_t>(p.size())))
      x = static_cast<float>(0.2 * rng.normal(next++));
  });
}

// ||W + scale B A|| of row o, from all of its numbers.
double norm_of(const Linear& l, const reference::Matrix<double>& w, std::int64_t o) {
  double squares = 0;
  for (std::int64_t i = 0; i < w.cols; ++i) {
    double x = w(o, i);
    for (std::int64_t r = 0; r < l.lora->a.rows(); ++r)
      x += static_cast<double>(l.lora->scale) * l.lora->b.value.at(o, r) * l.lora->a.value.at(r, i);
    squares += x * x;
  }
  return std::sqrt(squares);
}

struct Case {
  const char* name;
  const char* base;
  std::unique_ptr<Backend> (*make)(Compute);
  DType compute;
  double tolerance;  // relative
};

class Gains : public ::testing::TestWithParam<Case> {};

// The square of a norm is a sum of W^2 and of products of R + 2 numbers that are as large; they are rounded to the
// compute type where they enter a product: 2^-9 or 2^-24 of each, against sums in which errors mostly cancel.
TEST_P(Gains, AreTheMagnitudesOverTheNormsOfTheRows) {
  TinyRun run = tiny_run(GetParam().make(GetParam().compute), true);
  std::deque<MadeWeight> made;
  if (GetParam().base != std::string("f32"))
    for_each_linear(run.model, [&](const std::string&, Linear& l) {
      std::vector<float> numbers(static_cast<std::size_t>(l.weight.size()));
      decode_rows(l.weight.weight, 0, Mat(numbers.data(), l.weight.rows(), l.weight.cols()));
      made.emplace_back(GetParam().base, l.weight.rows(), l.weight.cols(), numbers);
      l.weight.weight = made.back().weight;
    });
  fill_noise(run.model);
  run.measure_dora();
  int layers = 0;
  for_each_linear(run.model, [&](const std::string& name, Linear& l) {
    const auto w = reference::read(l.weight.weight, DType::kF32);
    for (std::int64_t o = 0; o < w.rows; ++o) {
      const double wanted = l.lora->magnitude.vector()[o] / norm_of(l, w, o);
      ASSERT_NEAR(l.lora->gain[o], wanted, GetParam().tolerance * std::abs(wanted)) << name << " " << o;
    }
    ++layers;
  });
  EXPECT_EQ(layers, 2 * 6 + 2 * 10);
}

INSTANTIATE_TEST_SUITE_P(Bases, Gains,
                         ::testing::Values(Case{"f32", "f32", make_reference_backend, DType::kF32, 1e-6},
                                           Case{"f32_cpu", "f32", make_cpu_backend, DType::kF32, 2e-6},
                                           Case{"bf16_cpu", "f32", make_cpu_backend, DType::kBF16, 4e-3},
                                           Case{"int8_cpu", "int8", make_cpu_backend, DType::kF32, 2e-6},
                                           Case{"nf4_cpu", "nf4", make_cpu_backend, DType::kF32, 2e-6},
                                           Case{"fp8_cpu", "fp8", make_cpu_backend, DType::kF32, 2e-6}),
                         [](const auto& i) { return std::string(i.param.name); });

// Nothing of a row that is all zero points anywhere: it stays zero, and nothing becomes NaN.
TEST(Dora, LeavesARowOfZerosAlone) {
  TinyRun run = tiny_run(make_cpu_backend(DType::kF32), true);
  init_lora(run.model, 1);
  Linear* first = nullptr;
  for_each_linear(run.model, [&](const std::string&, Linear& l) { first = first ? first : &l; });
  std::vector<float> numbers(static_cast<std::size_t>(first->weight.size()));
  decode_rows(first->weight.weight, 0, Mat(numbers.data(), first->weight.rows(), first->weight.cols()));
  std::fill_n(numbers.begin() + first->weight.cols(), first->weight.cols(), 0.0f);
  first->weight.weight = as_weight(ConstMat(numbers.data(), first->weight.rows(), first->weight.cols()));
  measure_base({*run.backend}, run.model, run.memory.dora);
  start_magnitudes({*run.backend}, run.model, run.memory.dora);
  refresh_gains({*run.backend}, run.model, run.memory.dora);
  EXPECT_EQ(first->lora->gain[1], 0);
  EXPECT_GT(first->lora->gain[0], 0);
  run.assign({read_utterance(SafetensorsFile(golden("tiny_forward.safetensors")), "u0.")});
  EXPECT_TRUE(std::isfinite(forward_backward({*run.backend, true}, run.model, run.batch, {1, 0}, run.memory)));
}

// Gains of exactly 1 change no bit.
TEST(Dora, BeginsAsPlainAdaptersDo) {
  std::vector<double> losses;
  const GoldenUtterance utterance = read_utterance(SafetensorsFile(golden("tiny_forward.safetensors")), "u0.");
  for (const bool dora : {false, true}) {
    TinyRun run = tiny_run(make_cpu_backend(DType::kF32), dora);
    init_lora(run.model, 1);
    measure_base({*run.backend}, run.model, run.memory.dora);
    start_magnitudes({*run.backend}, run.model, run.memory.dora);
    refresh_gains({*run.backend}, run.model, run.memory.dora);
    for_each_linear(run.model, [&](const std::string& name, Linear& l) {
      for (std::int64_t o = 0; dora && o < l.weight.rows(); ++o) ASSERT_EQ(l.lora->gain[o], 1) << name;
    });
    run.assign({utterance});
    losses.push_back(forward_backward({*run.backend, true}, run.model, run.batch, {1, 0}, run.memory));
  }
  EXPECT_EQ(losses[0], losses[1]);
}

// A result that forward leaves anywhere is not kept twice: of a layer's linear layers, the two that end a branch.
TEST(Dora, KeepsTheEndsOfBranchesForBackwardAlone) {
  const auto activations = [](bool dora, Keep keep) {
    Whisper model = make_whisper(parse_config(read_json(golden("tiny_config.json")), "tiny"));
    add_lora(model, config(dora));
    Carver count = Carver::counting();
    const auto backend = make_cpu_backend(DType::kF32);
    carve_learning(count, model, *backend, {1, 48, 20}, keep);
    return count.bytes(Purpose::kActivations);
  };
  const std::size_t row = 64 * 32 * sizeof(float);  // of 24 states or 20 tokens, rounded up
  EXPECT_EQ(activations(true, Keep::kEverything), activations(false, Keep::kEverything) + 2 * (2 + 3) * row);
  EXPECT_EQ(activations(true, Keep::kNothing), activations(false, Keep::kNothing));
  Whisper plain = make_whisper(parse_config(read_json(golden("tiny_config.json")), "tiny"));
  add_lora(plain, config(false));
  Carver count = Carver::counting();
  carve_gains(count, plain);
  carve_dora(count, plain, DType::kF32);
  EXPECT_EQ(count.bytes(), 0u);
}

}  // namespace
}  // namespace sori::test
