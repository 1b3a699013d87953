#include "model/lora_start.h"

#include <gtest/gtest.h>

#include <deque>

#include "support/draw.h"
#include "support/made_weight.h"
#include "support/tiny_golden.h"

namespace sori::test {
namespace {

constexpr double kScale = 2;

LoraConfig config(const std::string& init, int rank = 3) {
  LoraConfig c{.rank = rank, .alpha = kScale * rank, .target_modules = {"all-linear"}, .init = init};
  if (c.carries_start()) c.rank *= 2, c.alpha *= 2;
  return c;
}

// A tiny model whose linear layers lie in a quantised format.
struct QuantisedRun : TinyRun {
  QuantisedRun(const std::string& format, const std::string& init)
      : TinyRun(make_reference_backend(DType::kF32), Keep::kNothing, [&](Whisper& w) { add_lora(w, config(init)); }) {
    if (format == "f32") return;
    for_each_linear(model, [&](const std::string&, Linear& l) {
      std::vector<float> numbers(static_cast<std::size_t>(l.weight.size()));
      decode_rows(l.weight.weight, 0, Mat(numbers.data(), l.weight.rows(), l.weight.cols()));
      made.emplace_back(format, l.weight.rows(), l.weight.cols(), numbers);
      l.weight.weight = made.back().weight;
    });
  }
  std::deque<MadeWeight> made;
};

Values read_weight(const BaseWeight& w) { return reference::read(w, DType::kF32); }

// scale * B A of the first `rank` directions.
Values change(const Lora& lora, std::int64_t first, std::int64_t rank) {
  Values d(lora.b.rows(), lora.a.cols());
  for (std::int64_t o = 0; o < d.rows; ++o)
    for (std::int64_t i = 0; i < d.cols; ++i)
      for (std::int64_t r = first; r < first + rank; ++r)
        d(o, i) += static_cast<double>(lora.scale) * lora.b.value.at(o, r) * lora.a.value.at(r, i);
  return d;
}

double squares(const Values& m) {
  double sum = 0;
  for (const double x : m.data) sum += x * x;
  return sum;
}

// Of every singular value behind the first `rank`: what the best of that rank leaves (Eckart & Young, 1936).
double least_left(const Values& m, std::int64_t rank) {
  const std::vector<float> numbers(m.data.begin(), m.data.end());
  const std::int64_t all = std::min(m.rows, m.cols);
  const auto backend = make_reference_backend(DType::kF32);
  std::vector<float> left(static_cast<std::size_t>((all + kOversampling) * m.rows)),
      right(static_cast<std::size_t>((all + kOversampling) * m.cols));
  const Svd svd = truncated_svd(*backend, as_weight(ConstMat(numbers.data(), m.rows, m.cols)), all, 1,
                                Rng(1, Draw::kInit), {left, right});
  double sum = 0;
  for (std::size_t i = static_cast<std::size_t>(rank); i < svd.values.size(); ++i) sum += svd.values[i] * svd.values[i];
  return sum;
}

class Start : public ::testing::TestWithParam<const char*> {};

// In f32, a sum of 3 products of roundings of 2^-24 each; of squares, and of a search that ends: 1e-5 of the whole.
TEST_P(Start, OfPissaIsTheBestOfItsRankForTheBaseAndIsTakenBack) {
  QuantisedRun run(GetParam(), "pissa");
  StartRun start(run.model, "pissa");
  start_pissa(run.model, 1, start.memory);
  int layers = 0;
  for_each_linear(run.model, [&](const std::string& name, Linear& l) {
    const auto w = read_weight(l.weight.weight), learns = change(*l.lora, 0, 3), frozen = change(*l.lora, 3, 3);
    auto rest = w;
    for (std::size_t i = 0; i < rest.data.size(); ++i) rest.data[i] -= learns.data[i];
    EXPECT_NEAR(squares(rest), least_left(w, 3), 1e-5 * squares(w)) << name;
    EXPECT_GT(squares(learns), 0.1 * squares(w)) << name;
    for (std::size_t i = 0; i < rest.data.size(); ++i) ASSERT_EQ(learns.data[i], -frozen.data[i]) << name;
    ++layers;
  });
  EXPECT_EQ(layers, 2 * 6 + 2 * 10);
}

TEST_P(Start, OfPissaIsTheBase) {
  const GoldenUtterance utterance = read_utterance(SafetensorsFile(golden("tiny_forward.safetensors")), "u0.");
  std::vector<std::vector<float>> logits;
  for (const std::string init : {"true", "pissa"}) {
    QuantisedRun run(GetParam(), init);
    init_lora(run.model, 1);
    StartRun start(run.model, init);
    if (init == "pissa") start_pissa(run.model, 1, start.memory);
    logits.push_back(logits_of(run, utterance));
  }
  // Two products of the reference backend, each rounded to f32 once, take each other back: 5e-4 is what the model is
  // held to.
  for (std::size_t i = 0; i < logits[0].size(); ++i) ASSERT_NEAR(logits[0][i], logits[1][i], 1e-4) << i;
}

INSTANTIATE_TEST_SUITE_P(Bases, Start, ::testing::Values("f32", "int8", "nf4", "fp8"),
                         [](const auto& i) { return std::string(i.param); });

class Lossy : public ::testing::TestWithParam<const char*> {};

TEST_P(Lossy, BasesGetTheBestOfTheirRankForWhatTheyLostFromLoftQ) {
  QuantisedRun run(GetParam(), "loftq");
  const SafetensorsFile original(golden("tiny_model.safetensors"));
  StartRun start(run.model, "loftq");
  start_loftq(run.model, original, 1, start.memory);
  for_each_linear(run.model, [&](const std::string& name, Linear& l) {
    const auto decoded = read_weight(l.weight.weight), learns = change(*l.lora, 0, 3);
    auto lost = decoded, rest = decoded;
    const std::vector<float> w = floats(original.get(name + ".weight"));
    for (std::size_t i = 0; i < w.size(); ++i) {
      lost.data[i] = static_cast<double>(w[i]) - decoded.data[i];
      rest.data[i] = lost.data[i] - learns.data[i];
    }
    EXPECT_EQ(l.lora->a.frozen_rows, 0);
    EXPECT_NEAR(squares(rest), least_left(lost, 3), 1e-5 * squares(lost)) << name;
    EXPECT_LT(squares(rest), 0.9 * squares(lost)) << name;
  });
}

INSTANTIATE_TEST_SUITE_P(Bases, Lossy, ::testing::Values("int8", "nf4", "fp8"),
                         [](const auto& i) { return std::string(i.param); });

double length(const std::vector<double>& x) {
  double sum = 0;
  for (const double each : x) sum += each * each;
  return std::sqrt(sum);
}

// |cosine|: singular vectors have no sign of their own.
double alike(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return std::abs(sum) / (length(a) * length(b));
}

// Singular vectors are compared where their value stands out: f32 leaves 1e-6 of the largest value, so a vector whose
// value is 1e-4 of it away from the others is turned by 1e-2 at most.
TEST(LoraGa, StartsInTheDirectionsThatPeftStartsIn) {
  const SafetensorsFile peft(golden("tiny_lora_ga.safetensors")), forward(golden("tiny_forward.safetensors"));
  constexpr std::int64_t kRank = 8;
  for (const auto make : {make_reference_backend, make_cpu_backend}) {
    TinyRun run(make(DType::kF32), Keep::kEverything, [](Whisper& w) { add_lora(w, config("lora_ga", kRank)); });
    init_lora(run.model, 1);
    std::vector<GoldenUtterance> batch;
    for (int i = 0; i < 3; ++i) batch.push_back(read_utterance(forward, fmt::format("u{}.", i)));
    run.assign(batch);
    StartRun start(run.model, "lora_ga");
    LoraGaStart tap(*run.backend, 1, start.memory);
    const Pass pass{.backend = *run.backend, .tap = &tap};
    forward_backward(pass, run.model, run.batch, {1.0f / static_cast<float>(target_tokens(run.batch)), 0}, run.memory);
    std::int64_t compared[2] = {};
    for_each_linear(run.model, [&](const std::string& name, Linear& l) {
      const std::vector<float> values = floats(peft.get("values." + name + ".weight")),
                               as = floats(peft.get(peft_name(name) + ".lora_A.weight")),
                               bs = floats(peft.get(peft_name(name) + ".lora_B.weight"));
      const double factor = std::pow(static_cast<double>(l.weight.rows()), 0.25) / 4;
      for (std::int64_t i = 0; i < 2 * kRank; ++i) {
        const auto at = [&](std::int64_t k) {
          return static_cast<double>(values[static_cast<std::size_t>(k)]) / values[0];
        };
        if (at(i) - at(i + 1) < 1e-4 || (i > 0 && at(i - 1) - at(i) < 1e-4)) continue;
        const bool b = i >= kRank;
        const std::int64_t k = i % kRank, n = b ? l.weight.rows() : l.weight.cols();
        std::vector<double> ours, theirs, frozen;
        for (std::int64_t j = 0; j < n; ++j) {
          ours.push_back(b ? l.lora->b.value.at(j, k) : l.lora->a.value.at(k, j));
          frozen.push_back(b ? -l.lora->b.value.at(j, kRank + k) : l.lora->a.value.at(kRank + k, j));
          theirs.push_back(b ? bs[static_cast<std::size_t>(j * kRank + k)] : as[static_cast<std::size_t>(k * n + j)]);
        }
        EXPECT_GT(alike(ours, theirs), 1 - 1e-4) << name << (b ? " B " : " A ") << k;
        EXPECT_NEAR(length(ours), factor, 1e-5 * factor) << name;
        EXPECT_EQ(ours, frozen) << name;
        ++compared[b];
      }
    });
    EXPECT_GT(compared[0], 32 * 4);
    EXPECT_GT(compared[1], 32);
  }
}

}  // namespace
}  // namespace sori::test
