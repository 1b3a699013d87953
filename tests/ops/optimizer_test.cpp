#include "ops/adamw.h"
#include "ops/backends.h"
#include "ops/threads.h"

namespace sori::test {
namespace {

class Optimizer : public OnEveryBackend {};

TEST_P(Optimizer, AdamWFollowsTheFormulaInDouble) {
  for (const DType type : {DType::kF32, DType::kBF16})
    for (const bool coded : {false, true})
      for (const auto& [rows, cols, layout] : {std::tuple{5l, 37l, kPlain},
                                               {1l, 700l, kPlain},
                                               {131l, 257l, kPlain},
                                               {19l, 37l, kStrided}}) {  // the weight: columns of a larger one
        Drawn draw(1);
        Tensors t(draw.mat(type, rows, cols, layout), coded);
        Backend& backend = make({.rows = rows, .width = cols});
        for (std::int64_t step = 1; step <= (rows > 5 ? 2 : 20); ++step) {
          const AdamW how{1e-2, 0.9, 0.98, 1e-6, 0.1, 0.7, step, 11, 3};
          OwnedMat gradient = draw.mat(DType::kF32, rows, cols, kPlain, 1e-3);
          const Expected e = expected_step(how, gradient.values(), t);
          backend.adamw_step(how, gradient, t.weight, t.first(), t.second());
          for (const double g : gradient.values().data) ASSERT_EQ(g, 0) << "ready to be added to";
          const std::string what =
              fmt::format("{} weight, {} moments, step {}", name_of(type), coded ? "8-bit" : "f32", step);
          SCOPED_TRACE(what);
          if (type == DType::kF32) {
            ASSERT_TRUE(within("weight", e.w, t.weight, e.w_bound));
          } else {
            expect_rounded(e, how, t.weight);
          }
          if (coded) {
            expect_coded(kSignedDynamicMap, e.m, e.m_bound, t.first());
            expect_coded(kUnsignedDynamicMap, e.v, e.v_bound, t.second());
          } else {
            ASSERT_TRUE(within("m", e.m, t.m, e.m_bound));
            ASSERT_TRUE(within("v", e.v, t.v, e.v_bound));
          }
          ASSERT_TRUE(t.weight.gaps_untouched() && t.m.gaps_untouched() && t.v.gaps_untouched());
        }
      }
}

// Three pieces of work, the last one short.
TEST_P(Optimizer, AdamWDoesNotDependOnTheNumberOfThreads) {
  for (const DType type : {DType::kF32, DType::kBF16})
    for (const bool coded : {false, true}) {
      std::vector<std::byte> results[3];
      for (int n = 1; n <= 3; ++n) {
        const Threads threads(n);
        Drawn draw(4);
        Tensors t(draw.mat(type, 131, 257), coded);
        Backend& backend = make({.rows = 131, .width = 257});
        for (std::int64_t step = 1; step <= 2; ++step) {
          OwnedMat gradient = draw.mat(DType::kF32, 131, 257);
          backend.adamw_step({.learning_rate = 0.1, .step = step}, gradient, t.weight, t.first(), t.second());
        }
        for (const OwnedMat* m : {&t.weight, &t.m, &t.v}) {
          const auto bits = bits_of(*m);
          results[n - 1].insert(results[n - 1].end(), bits.begin(), bits.end());
        }
      }
      EXPECT_TRUE(results[0] == results[1]);
      EXPECT_TRUE(results[0] == results[2]);
    }
}

// A step of a tenth of the distance to the next bf16 number. Each weight moves by that distance or not at all, with a
// variance of at most a quarter of its square, so the mean of N is within 5 deviations, 5 / (2 sqrt N) of it, of a
// tenth; nearest rounding would never move.
TEST_P(Optimizer, SmallStepsOfBf16WeightsAreNotLost) {
  constexpr std::int64_t kWeights = 1 << 14;
  constexpr double kDistance = 0x1p-8;  // below 1
  OwnedMat gradient = Drawn(5).mat(DType::kF32, 1, kWeights, kPlain, 0);
  Backend& backend = make({.rows = 1, .width = kWeights});
  std::vector<std::vector<std::byte>> results;
  for (const auto& [seed, step, tensor] : {std::tuple{1u, 1, 1u}, {2u, 1, 1u}, {1u, 2, 1u}, {1u, 1, 2u}, {1u, 1, 1u}}) {
    Tensors t(OwnedMat(DType::kBF16, 1, kWeights), /*coded=*/false);
    for (std::int64_t c = 0; c < kWeights; ++c) store(t.weight, 0, c, 1);
    backend.adamw_step(
        {.learning_rate = 0.1 * kDistance, .weight_decay = 1, .step = step, .seed = seed, .tensor = tensor}, gradient,
        t.weight, t.first(), t.second());
    double mean = 0;
    for (const double w : t.weight.values().data) {
      ASSERT_TRUE(w == 1 || w == 1 - kDistance) << w;
      mean += (1 - w) / kDistance / kWeights;
    }
    EXPECT_NEAR(mean, 0.1, 5 / (2 * std::sqrt(static_cast<double>(kWeights))));
    results.push_back(bits_of(t.weight));
  }
  EXPECT_TRUE(results.front() == results.back());
  for (std::size_t i = 1; i + 1 < results.size(); ++i)
    EXPECT_FALSE(results[0] == results[i]) << "seed, step and tensor each choose other numbers";
}

// Without memory of earlier steps the moments are the gradient and its square: at every midpoint of the signed map and
// beside it, in blocks whose absmax is 1.
TEST_P(Optimizer, CodesOfMomentsAreTheNearest) {
  std::vector<float> numbers;
  for (const float midpoint : kSignedDynamicMap.midpoints)
    for (const float x : {std::nextafter(midpoint, -2.0f), midpoint, std::nextafter(midpoint, 2.0f)}) {
      if (numbers.size() % kDynamicBlock == 0) numbers.push_back(1);
      numbers.push_back(x);
    }
  const auto count = std::ssize(numbers);
  OwnedMat gradient(DType::kF32, 1, count);
  for (std::int64_t i = 0; i < count; ++i) store(gradient, 0, i, numbers[static_cast<std::size_t>(i)]);
  Tensors t(Drawn(9).mat(DType::kF32, 1, count), /*coded=*/true);
  make({.rows = 1, .width = count})
      .adamw_step({.learning_rate = 0.1, .beta1 = 0, .beta2 = 0}, gradient, t.weight, t.first(), t.second());
  for (std::int64_t i = 0; i < count; ++i) {
    const float x = numbers[static_cast<std::size_t>(i)];
    ASSERT_EQ(t.m.mat().row<std::uint8_t>(0)[i], nearest_code(kSignedDynamicMap, x)) << x;
    ASSERT_EQ(t.v.mat().row<std::uint8_t>(0)[i], nearest_code(kUnsignedDynamicMap, x * x)) << x;
  }
}

TEST_P(Optimizer, BlocksWithoutGradientKeepZeroMoments) {
  Drawn draw(7);
  Tensors t(draw.mat(DType::kF32, 1, 300), /*coded=*/true);
  const std::vector<std::byte> before = bits_of(t.weight);
  OwnedMat gradient = draw.mat(DType::kF32, 1, 300, kPlain, 0);
  make({.rows = 1, .width = 300})
      .adamw_step({.learning_rate = 0.1, .step = 1}, gradient, t.weight, t.first(), t.second());
  EXPECT_EQ(before, bits_of(t.weight));
  for (const auto& [map, moment] : {std::pair(&kSignedDynamicMap, t.first()), {&kUnsignedDynamicMap, t.second()}})
    for (int i = 0; i < 300; ++i) {
      ASSERT_EQ(map->numbers[moment.values.row<std::uint8_t>(0)[i]], 0);
      ASSERT_EQ(moment.absmax[i / kDynamicBlock], 0);
    }
}

TEST_P(Optimizer, AdamWDecaysOnlyByTheLearningRateWithoutGradient) {
  OwnedMat weight(DType::kF32, 1, 3), m = weight, v = weight, gradient = weight;
  for (std::int64_t c = 0; c < 3; ++c)
    store(weight, 0, c, 2), store(m, 0, c, 0), store(v, 0, c, 0), store(gradient, 0, c, 0);
  make({.rows = 1, .width = 3})
      .adamw_step({.learning_rate = 0.25, .weight_decay = 0.5, .step = 1}, gradient, weight, {m}, {v});
  for (std::int64_t c = 0; c < 3; ++c) EXPECT_EQ(weight.mat().at(0, c), 1.75f);
}

TEST_P(Optimizer, AdamWRefusesWhatDoesNotFit) {
  Drawn draw(8);
  Tensors t(draw.mat(DType::kF32, 4, 6), false), coded(t.weight, true), wide(draw.mat(DType::kF32, 4, 7), false);
  OwnedMat gradient = draw.mat(DType::kF32, 4, 6), gaps = draw.mat(DType::kF32, 4, 6, kStrided);
  Backend& b = make({.rows = 4, .width = 7});
  EXPECT_NO_THROW(b.adamw_step({}, gradient, t.weight, t.first(), t.second()));
  EXPECT_THROW(b.adamw_step({}, gradient, wide.weight, t.first(), t.second()), Bug);
  EXPECT_THROW(b.adamw_step({}, gradient, t.weight, wide.first(), t.second()), Bug);
  EXPECT_THROW(b.adamw_step({}, gaps, t.weight, t.first(), t.second()), Bug);
  EXPECT_THROW(b.adamw_step({}, gradient, t.weight, coded.first(), t.second()), Bug) << "one of them in 8 bits";
}

TEST_P(Optimizer, SumSquaresAddsEveryElementOnce) {
  for (const Layout& layout : layouts()) {
    const OwnedMat x = Drawn(2).mat(DType::kF32, 301, 257, layout);
    const double expected = reference::sum_squares(x.values());
    // All terms are positive; each is exact in double or rounded once in f32, and the sum is kept in double.
    EXPECT_NEAR(make({.rows = 301, .width = 257}).sum_squares(x), expected, 2 * kRoundoffF32 * expected);
  }
  EXPECT_EQ(make({}).sum_squares(ConstMat{}), 0);
}

TEST_P(Optimizer, SumSquaresLetsNaNThrough) {
  OwnedMat x = Drawn(3).mat(DType::kF32, 3, 50);
  store(x, 2, 49, NAN);
  EXPECT_TRUE(std::isnan(make({.rows = 3, .width = 50}).sum_squares(x)));
}

TEST(OptimizerDefinition, AdamWsFirstStepMovesByTheLearningRateAgainstTheGradient) {
  for (const double gradient : {1e-3, -50.0}) {
    double w = 1, m = 0, v = 0;
    reference::adamw_step({.learning_rate = 0.125, .epsilon = 0, .step = 1}, gradient, w, m, v);
    EXPECT_NEAR(w, gradient > 0 ? 0.875 : 1.125, 16 * kRoundoffF64);
    EXPECT_NEAR(m, 0.1 * gradient, 4 * kRoundoffF64 * std::abs(gradient));
    EXPECT_NEAR(v, 0.001 * gradient * gradient, 4e-2 * kRoundoffF64 * gradient * gradient);
  }
}

// Step 2 with every term different from 1: m = 0.5 * 4 + 0.5 * 2 = 3, v = 0.75 * 8 + 0.25 * 4 = 7; corrections 0.75 and
// 0.4375, so m^ = 4 and v^ = 16; the decay takes 0.5 * 0.1 of 10, the step 0.5 * 4 / (4 + 1) = 0.4.
TEST(OptimizerDefinition, AdamWMatchesNumbersComputedByHand) {
  double w = 10, m = 4, v = 8;
  reference::adamw_step({0.5, 0.5, 0.75, 1, 0.1, 2, 2}, 1.0, w, m, v);
  EXPECT_NEAR(m, 3, 8 * kRoundoffF64);
  EXPECT_NEAR(v, 7, 16 * kRoundoffF64);
  EXPECT_NEAR(w, 10 - 0.5 - 0.4, 64 * kRoundoffF64);
}

// 1 + 2^-7 / 4 lies a quarter of the way between two bf16 numbers: three quarters of the bits leave it below.
TEST(OptimizerDefinition, RoundingByChanceMovesAwayFromZeroAsOftenAsTheRestSays) {
  for (const float sign : {1.0f, -1.0f}) {
    const float x = sign * (1 + 0x1p-9f), below = sign, above = sign * (1 + 0x1p-7f);
    EXPECT_EQ(to_float(reference::round_by_chance(x, 0)), below);
    EXPECT_EQ(to_float(reference::round_by_chance(x, 0xbfff)), below);
    EXPECT_EQ(to_float(reference::round_by_chance(x, 0xc000)), above);
    EXPECT_EQ(to_float(reference::round_by_chance(x, 0xffff)), above);
    EXPECT_EQ(to_float(reference::round_by_chance(sign, 0xffff)), sign) << "a bf16 number stays";
    EXPECT_EQ(to_float(reference::round_by_chance(sign * INFINITY, 0xffff)), sign * INFINITY);
  }
  EXPECT_TRUE(std::isnan(to_float(reference::round_by_chance(std::bit_cast<float>(0x7fffffffu), 0xffff))));
}

INSTANTIATE_TEST_SUITE_P(Backends, Optimizer, ::testing::ValuesIn(all_backends()), case_name);

}  // namespace
}  // namespace sori::test
