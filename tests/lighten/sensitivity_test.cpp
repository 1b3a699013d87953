#include "lighten/sensitivity.h"

#include <gmock/gmock.h>

#include <numeric>

#include "base/threads.h"
#include "support/golden_calibration.h"
#include "support/made_weight.h"
#include "support/temporary.h"

namespace sori::test {
namespace {

const std::vector<std::string> kFormats{"nf4", "int8"};

Sensitivity measure(const std::vector<GoldenUtterance>& utterances) {
  const SafetensorsFile file(kTinyModel);
  return measure_sensitivity(golden_config(), file, calibration_of(utterances), kFormats);
}

// What a format changes of each number of a weight.
std::vector<double> change(const std::string& format, const Parameter& p) {
  const std::span<const float> numbers(p.value.row<float>(0), static_cast<std::size_t>(p.size()));
  const std::vector<float> rounded = MadeWeight(format, p.rows(), p.cols(), numbers).decoded();
  std::vector<double> all;
  for (std::size_t i = 0; i < numbers.size(); ++i) all.push_back(double{rounded[i]} - numbers[i]);
  return all;
}

void learn_all_linear(Whisper& w) {
  for_each_linear(w, [](const std::string&, Linear& l) { l.weight.trainable = true; });
}

// The definition, on the reference backend, every layer with a gradient of its own.
TEST(Sensitivity, IsHalfOfSquaredGradientsTimesSquaredChanges) {
  const std::vector<GoldenUtterance> utterances = golden_utterances();
  TinyRun run(make_reference_backend(DType::kF32), Keep::kEverything, learn_all_linear);
  std::map<std::string, std::vector<double>> expected;
  double loss = 0;
  for (const GoldenUtterance& u : utterances) {
    for_each_linear(run.model, [](const std::string&, Linear& l) { set_zero(l.weight.gradient); });
    run.assign({u});
    loss += forward_backward({*run.backend}, run.model, run.batch, {}, run.memory);
    for_each_linear(run.model, [&](const std::string& name, Linear& l) {
      std::vector<double>& sums = expected[name + ".weight"];
      sums.resize(kFormats.size());
      for (std::size_t f = 0; f < kFormats.size(); ++f) {
        const std::vector<double> d = change(kFormats[f], l.weight);
        for (std::size_t i = 0; i < d.size(); ++i)
          sums[f] += std::pow(l.weight.gradient.row<float>(0)[i] * d[i], 2) / 2;
      }
    });
  }
  const Sensitivity s = measure(utterances);
  const auto tokens = static_cast<double>(tokens_of(utterances));
  EXPECT_EQ(s.tokens, tokens_of(utterances));
  EXPECT_NEAR(s.loss, loss / tokens, 1e-4);
  ASSERT_EQ(s.layers.size(), expected.size());
  for (const LayerSensitivity& l : s.layers)
    for (std::size_t f = 0; f < kFormats.size(); ++f) {
      const double wanted = expected.at(l.weight.name)[f] / tokens;
      EXPECT_GT(wanted, 0) << l.weight.name;
      // Each gradient is held to 1e-3 of its size, and is squared.
      EXPECT_NEAR(l.rises[f], wanted, 2.1e-3 * wanted) << l.weight.name << " " << kFormats[f];
    }
}

TEST(Sensitivity, IsLargerForFewerBits) {
  const Sensitivity s = measure(golden_utterances());
  for (const LayerSensitivity& l : s.layers) EXPECT_GT(l.rises[0], 20 * l.rises[1]);
}

// Spearman's coefficient.
double rank_correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const auto ranks = [](const std::vector<double>& x) {
    std::vector<std::size_t> order(x.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(order, {}, [&](std::size_t i) { return x[i]; });
    std::vector<double> rank(x.size());
    for (std::size_t i = 0; i < order.size(); ++i) rank[order[i]] = static_cast<double>(i);
    return rank;
  };
  const std::vector<double> x = ranks(a), y = ranks(b);
  const auto n = static_cast<double>(x.size());
  double squares = 0;
  for (std::size_t i = 0; i < x.size(); ++i) squares += std::pow(x[i] - y[i], 2);
  return 1 - 6 * squares / (n * (n * n - 1));
}

// What the loss does when one layer after the other is changed by nf4's error, and by the opposite: their mean has no
// first-order part, which is not small in a model that was never trained.
TEST(Sensitivity, OrdersLayersAsTheLossDoes) {
  const std::vector<GoldenUtterance> utterances = golden_utterances();
  TinyRun run(make_reference_backend(DType::kF32), Keep::kNothing, learn_all_linear);
  run.assign(utterances);
  const auto loss = [&] { return forward_loss({*run.backend}, run.model, run.batch, {}, run.memory); };
  const double before = loss();
  std::vector<double> measured, expected;
  for_each_linear(run.model, [&](const std::string&, Linear& l) {
    const std::vector<double> d = change("nf4", l.weight);
    float* numbers = l.weight.value.row<float>(0);
    const std::vector<float> original(numbers, numbers + d.size());
    double sum = 0;
    for (const int sign : {1, -1}) {
      for (std::size_t i = 0; i < d.size(); ++i) numbers[i] = static_cast<float>(original[i] + sign * d[i]);
      sum += loss() - before;
    }
    std::ranges::copy(original, numbers);
    measured.push_back(sum / 2);
  });
  const Sensitivity s = measure(utterances);
  for (const LayerSensitivity& l : s.layers) expected.push_back(l.rises[0]);
  const double correlation = rank_correlation(measured, expected);
  RecordProperty("rank_correlation", fmt::format("{:.3f}", correlation));
  EXPECT_GT(correlation, 0.42);  // which 32 layers in an order of chance reach once in a hundred times
}

TEST(Sensitivity, IsTheSameToTheBitOnAnyNumberOfThreads) {
  const int before = thread_count();
  std::vector<std::vector<double>> runs;
  for (const int threads : {1, 3, 1}) {
    set_thread_count(threads);
    std::vector<double>& all = runs.emplace_back();
    const Sensitivity s = measure(golden_utterances());
    for (const LayerSensitivity& l : s.layers) all.insert(all.end(), l.rises.begin(), l.rises.end());
  }
  set_thread_count(before);
  EXPECT_EQ(runs[0], runs[1]);
  EXPECT_EQ(runs[0], runs[2]);
}

TEST(Sensitivity, NamesTheSampleWhoseLossIsNoNumber) {
  std::vector<GoldenUtterance> utterances = golden_utterances();
  utterances[1].features[3] = NAN;
  EXPECT_THAT(testing::message_of([&] { measure(utterances); }), ::testing::HasSubstr("u1: the loss is not a number"));
}

}  // namespace
}  // namespace sori::test
