#include "ops/reference/optimizer.h"

#include "ops/backends.h"

namespace sori::test {
namespace {

class Optimizer : public OnEveryBackend {};

// Roundings in f32, counted along the formula. First moment: two products and a sum. Second: one product more, all
// terms positive. The step m / (sqrt v + epsilon) has the error of m and half that of v, and nine roundings of its own;
// the weight two.
TEST_P(Optimizer, AdamWFollowsTheFormulaInDouble) {
  for (const auto& [rows, cols, layout] : {std::tuple{5l, 37l, kPlain}, {5l, 37l, kStrided}, {131l, 257l, kPlain}}) {
    Drawn draw(1);
    OwnedMat weight = draw.mat(DType::kF32, rows, cols, layout), m(DType::kF32, rows, cols, layout), v = m;
    for (OwnedMat* moment : {&m, &v}) reference::write(Values(rows, cols), *moment);
    Backend& backend = make({.rows = rows, .width = cols});
    for (std::int64_t step = 1; step <= (rows > 5 ? 2 : 20); ++step) {
      const AdamW how{1e-2, 0.9, 0.98, 1e-6, 0.1, 0.7, step};
      const OwnedMat gradient = draw.mat(DType::kF32, rows, cols, layout, 1e-3);
      const Values g = gradient.values(), before_m = m.values(), before_w = weight.values();
      Values w = before_w, m1 = before_m, v1 = v.values(), w_bound = w, m_bound = w, v_bound = w;
      for (std::size_t i = 0; i < g.data.size(); ++i) {
        reference::adamw_step(how, g.data[i], w.data[i], m1.data[i], v1.data[i]);
        const double moment_terms =
            std::abs(how.beta1 * before_m.data[i]) + (1 - how.beta1) * std::abs(0.7 * g.data[i]);
        m_bound.data[i] = gamma(5, kRoundoffF32) * moment_terms + storage(DType::kF32, m1.data[i]);
        v_bound.data[i] = gamma(7, kRoundoffF32) * v1.data[i] + storage(DType::kF32, v1.data[i]);
        const double denominator = std::sqrt(v1.data[i] / (1 - std::pow(how.beta2, step))) + how.epsilon;
        const double unit = how.learning_rate / (1 - std::pow(how.beta1, step)) / denominator;
        w_bound.data[i] = gamma(4, kRoundoffF32) * std::abs(before_w.data[i]) + unit * m_bound.data[i] +
                          gamma(14, kRoundoffF32) * unit * std::abs(m1.data[i]) + storage(DType::kF32, w.data[i]);
      }
      backend.adamw_step(how, gradient, weight, m, v);
      ASSERT_TRUE(within(fmt::format("adamw m, step {}", step), m1, m, m_bound));
      ASSERT_TRUE(within(fmt::format("adamw v, step {}", step), v1, v, v_bound));
      ASSERT_TRUE(within(fmt::format("adamw weight, step {}", step), w, weight, w_bound));
    }
  }
}

TEST_P(Optimizer, AdamWDecaysOnlyByTheLearningRateWithoutGradient) {
  OwnedMat weight(DType::kF32, 1, 3), m = weight, v = weight, gradient = weight;
  for (std::int64_t c = 0; c < 3; ++c)
    store(weight, 0, c, 2), store(m, 0, c, 0), store(v, 0, c, 0), store(gradient, 0, c, 0);
  make({.rows = 1, .width = 3})
      .adamw_step({.learning_rate = 0.25, .weight_decay = 0.5, .step = 1}, gradient, weight, m, v);
  for (std::int64_t c = 0; c < 3; ++c) EXPECT_EQ(weight.mat().at(0, c), 1.75f);
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

INSTANTIATE_TEST_SUITE_P(Backends, Optimizer, ::testing::ValuesIn(all_backends()), case_name);

}  // namespace
}  // namespace sori::test
