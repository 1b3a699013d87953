#include "ops/reference/layer_norm.h"

#include "ops/adjoint.h"
#include "ops/backends.h"

namespace sori::test {
namespace {

using reference::kLayerNormEpsilon;

struct Shape {
  std::int64_t rows, cols;
};
const Shape kShapes[] = {{1, 1}, {1, 7}, {3, 1}, {65, 33}, {128, 64}, {7, 513}, {600, 19}};

struct RowErrors {  // of mean (absolute) and of rstd (relative)
  std::vector<double> mean, rstd;
};

// Two passes over a row of C numbers: the mean is off by em = gamma mean|x|; each difference d = x - mean by em + u
// |d|; the variance by gamma var + 2 em mean|d| + em^2; and |1 / sqrt(1 + t) - 1| <= |t| for the |t| that occur here.
RowErrors stats_errors(const Values& x, const Values& stats, const Precision& p) {
  RowErrors e;
  const double n = static_cast<double>(x.cols);
  for (std::int64_t r = 0; r < x.rows; ++r) {
    double size = 0, spread = 0, variance = 0;
    for (std::int64_t c = 0; c < x.cols; ++c) {
      const double d = x(r, c) - stats(r, 0);
      size += std::abs(x(r, c)) / n;
      spread += std::abs(d) / n;
      variance += d * d / n;
    }
    const double em = gamma(n + 1, p.sum) * size;
    const double ev = gamma(n + 4, p.sum) * variance + 2 * em * spread + em * em;
    e.mean.push_back(em);
    e.rstd.push_back(ev / (variance + kLayerNormEpsilon) + 4 * p.sum);
  }
  return e;
}

// y = n gain + bias, n = (x - mean) rstd: the errors of both statistics and four roundings.
Values forward_bound(const Values& x, const reference::LayerNormOutput<double>& out, const Values& gain,
                     const Values& bias, DType type, const Precision& p) {
  const RowErrors e = stats_errors(x, out.stats, p);
  Values bound(x.rows, x.cols);
  for (std::int64_t r = 0; r < x.rows; ++r)
    for (std::int64_t c = 0; c < x.cols; ++c) {
      const double rstd = out.stats(r, 1), n = std::abs((x(r, c) - out.stats(r, 0)) * rstd);
      bound(r, c) = std::abs(gain(0, c)) * (rstd * e.mean[r] * (1 + e.rstd[r]) + n * (e.rstd[r] + 4 * p.sum)) +
                    p.sum * std::abs(bias(0, c)) + storage(type, out.y(r, c));
    }
  return bound;
}

struct BackwardBounds {
  Values dx, dgain, dbias;
};

// Follows layer_norm_backward line by line; `saved` is how far off the statistics are that it is given.
BackwardBounds backward_bounds(const Values& x, const Values& stats, const RowErrors& saved, const Values& gain,
                               const Values& dy, const Values& dx_before, const Values& dgain_before,
                               const Values& dbias_before, const Precision& p) {
  BackwardBounds b{dx_before, dgain_before, dbias_before};
  const double width = static_cast<double>(x.cols), sums = gamma(width + 4, p.sum);
  for (double& v : b.dx.data) v = std::abs(v) * p.sum;
  const double columns = gamma(static_cast<double>(x.rows) + 2, p.sum);
  for (double& v : b.dgain.data) v = storage(DType::kF32, v) + columns * std::abs(v);
  for (double& v : b.dbias.data) v = storage(DType::kF32, v) + columns * std::abs(v);
  for (std::int64_t r = 0; r < x.rows; ++r) {
    const double rstd = stats(r, 1);
    const auto n_of = [&](std::int64_t c) { return std::abs((x(r, c) - stats(r, 0)) * rstd); };
    const auto n_error = [&](std::int64_t c) { return n_of(c) * (saved.rstd[r] + 3 * p.sum) + rstd * saved.mean[r]; };
    double mean_g = 0, mean_gn = 0, mean_gn_error = 0;
    for (std::int64_t c = 0; c < x.cols; ++c) {
      const double g = std::abs(dy(r, c) * gain(0, c));
      mean_g += g / width;
      mean_gn += g * n_of(c) / width;
      mean_gn_error += g * n_error(c) / width;
    }
    mean_gn_error += sums * mean_gn;
    for (std::int64_t c = 0; c < x.cols; ++c) {
      const double g = std::abs(dy(r, c) * gain(0, c)), n = n_of(c), ne = n_error(c);
      const double size = g + mean_g + n * mean_gn;
      const double inside =
          sums * mean_g + ne * mean_gn + (n + ne) * mean_gn_error + (saved.rstd[r] + 6 * p.sum) * size;
      b.dx(r, c) += rstd * inside + storage(DType::kF32, std::abs(dx_before(r, c)) + rstd * size);
      b.dgain(0, c) += std::abs(dy(r, c)) * (ne + columns * n + kRoundoffF32 * n);
      b.dbias(0, c) += std::abs(dy(r, c)) * (columns + kRoundoffF32);
    }
  }
  return b;
}

class LayerNorm : public OnEveryBackend {};

TEST_P(LayerNorm, NormalisesEachRow) {
  for (const Shape& s : kShapes)
    for (const Layout& layout : layouts())
      for (const DType from : {DType::kF32, compute()})
        for (const DType to : {DType::kF32, compute()}) {
          Drawn draw(1);
          const OwnedMat x = draw.mat(from, s.rows, s.cols, layout);
          const auto gain = draw.vector(s.cols, 1), bias = draw.vector(s.cols);
          OwnedMat y(to, s.rows, s.cols, layout), stats(DType::kF32, s.rows, 2, layout);
          make({.rows = s.rows, .width = s.cols}).layer_norm(x, gain.data(), bias.data(), y, stats);
          const Values g = reference::read(gain.data(), s.cols), b = reference::read(bias.data(), s.cols);
          const auto expected = reference::layer_norm(x.values(), g, b);
          EXPECT_TRUE(within("layer_norm", expected.y, y, forward_bound(x.values(), expected, g, b, to, precision())));
          const RowErrors e = stats_errors(x.values(), expected.stats, precision());
          Values bound = storage(DType::kF32, expected.stats);
          for (std::int64_t r = 0; r < s.rows; ++r) {
            bound(r, 0) += e.mean[r];
            bound(r, 1) += e.rstd[r] * expected.stats(r, 1);
          }
          EXPECT_TRUE(within("layer_norm stats", expected.stats, stats, bound));
        }
}

// The variance from E x^2 - mean^2 would lose all its digits here.
TEST_P(LayerNorm, KeepsItsDigitsFarFromZero) {
  Drawn draw(2);
  OwnedMat x = draw.mat(DType::kF32, 5, 200);
  for (std::int64_t r = 0; r < 5; ++r)
    for (std::int64_t c = 0; c < 200; ++c) store(x, r, c, 4096 + x.mat().at(r, c));
  const auto gain = draw.vector(200, 1), bias = draw.vector(200);
  OwnedMat y(DType::kF32, 5, 200), stats(DType::kF32, 5, 2);
  make({.rows = 5, .width = 200}).layer_norm(x, gain.data(), bias.data(), y, stats);
  const Values g = reference::read(gain.data(), 200), b = reference::read(bias.data(), 200);
  const auto expected = reference::layer_norm(x.values(), g, b);
  EXPECT_TRUE(within("layer_norm far from zero", expected.y, y,
                     forward_bound(x.values(), expected, g, b, DType::kF32, precision())));
}

TEST_P(LayerNorm, GivesFiniteNumbersForDeadRowsAndKeepsNaNInItsRow) {
  Drawn draw(3);
  OwnedMat x = draw.mat(DType::kF32, 4, 40);
  for (std::int64_t c = 0; c < 40; ++c) store(x, 1, c, 0);
  store(x, 2, 39, NAN);
  const auto gain = draw.vector(40, 1), bias = draw.vector(40);
  const auto before = x.bytes();
  OwnedMat y(DType::kF32, 4, 40), stats(DType::kF32, 4, 2);
  Backend& backend = make({.rows = 4, .width = 40});
  backend.layer_norm(x, gain.data(), bias.data(), y, stats);
  EXPECT_TRUE(before == x.bytes());
  for (std::int64_t c = 0; c < 40; ++c) EXPECT_EQ(y.mat().at(1, c), bias[c]) << c;
  EXPECT_TRUE(all_nan(y.values(), 2));
  EXPECT_FALSE(std::isnan(y.mat().at(3, 0)));

  // A dead row of dy is zero: it adds nothing to any gradient.
  OwnedMat dead(DType::kF32, 1, 40), dx(DType::kF32, 1, 40);
  for (std::int64_t c = 0; c < 40; ++c) store(dead, 0, c, 0), store(dx, 0, c, 0);
  std::vector<float> dgain(40), dbias(40);
  backend.layer_norm_backward(x.mat().row_range(1, 1), stats.mat().row_range(1, 1), gain.data(), dead, dx, dgain.data(),
                              dbias.data());
  EXPECT_TRUE(all_zero(dx.values(), 0));
  EXPECT_EQ(dgain, std::vector<float>(40));
  EXPECT_EQ(dbias, std::vector<float>(40));
}

TEST_P(LayerNorm, BackwardAddsToWhatIsThere) {
  for (const Shape& s : kShapes)
    for (const Layout& layout : layouts())
      for (const DType type : {DType::kF32, compute()}) {
        Drawn draw(4);
        const OwnedMat x = draw.mat(type, s.rows, s.cols, layout), dy = draw.mat(DType::kF32, s.rows, s.cols, layout);
        const auto gain = draw.vector(s.cols, 1);
        OwnedMat dx = draw.mat(DType::kF32, s.rows, s.cols, layout);
        auto dgain = draw.vector(s.cols), dbias = draw.vector(s.cols);
        const Values g = reference::read(gain.data(), s.cols);
        OwnedMat stats(DType::kF32, s.rows, 2, layout);
        reference::write(reference::layer_norm(x.values(), g, g).stats, stats);

        Values ex = dx.values(), eg = reference::read(dgain.data(), s.cols), eb = reference::read(dbias.data(), s.cols);
        const BackwardBounds bounds =
            backward_bounds(x.values(), stats.values(), {std::vector<double>(s.rows), std::vector<double>(s.rows)}, g,
                            dy.values(), ex, eg, eb, precision());
        reference::layer_norm_backward(x.values(), stats.values(), g, dy.values(), ex, eg, eb);
        Backend& backend = make({.rows = s.rows, .width = s.cols});
        const OwnedMat before = dx;
        backend.layer_norm_backward(x, stats, gain.data(), dy, dx, dgain.data(), dbias.data());
        EXPECT_TRUE(within("layer_norm_backward dx", ex, dx, bounds.dx));
        EXPECT_TRUE(within("layer_norm_backward dgain", eg, reference::read(dgain.data(), s.cols), bounds.dgain));
        EXPECT_TRUE(within("layer_norm_backward dbias", eb, reference::read(dbias.data(), s.cols), bounds.dbias));
        dx = before;
        backend.layer_norm_backward(x, stats, gain.data(), dy, dx, nullptr, nullptr);
        EXPECT_TRUE(within("layer_norm_backward frozen", ex, dx, bounds.dx));
      }
}

class LayerNormInF32 : public OnEveryBackend {};

TEST_P(LayerNormInF32, BackwardIsTheAdjointOfTheForward) {
  for (const Shape& s : kShapes) {
    Drawn draw(5);
    const OwnedMat x = draw.mat(DType::kF32, s.rows, s.cols), dy = draw.mat(DType::kF32, s.rows, s.cols);
    const auto gain = draw.vector(s.cols, 1), bias = draw.vector(s.cols);
    OwnedMat y(DType::kF32, s.rows, s.cols), stats(DType::kF32, s.rows, 2), dx(DType::kF32, s.rows, s.cols);
    reference::write(Values(s.rows, s.cols), dx);
    std::vector<float> dgain(s.cols), dbias(s.cols);
    Backend& backend = make({.rows = s.rows, .width = s.cols});
    backend.layer_norm(x, gain.data(), bias.data(), y, stats);
    backend.layer_norm_backward(x, stats, gain.data(), dy, dx, dgain.data(), dbias.data());

    const Values g = reference::read(gain.data(), s.cols), b = reference::read(bias.data(), s.cols), one(1, s.cols);
    const auto truth = reference::layer_norm(x.values(), g, b);
    RowErrors saved = stats_errors(x.values(), truth.stats, precision());  // and then stored in f32
    for (std::int64_t r = 0; r < s.rows; ++r) {
      saved.mean[r] += storage(DType::kF32, truth.stats(r, 0));
      saved.rstd[r] += 2 * kRoundoffF32;
    }
    const BackwardBounds bounds =
        backward_bounds(x.values(), truth.stats, saved, g, dy.values(), Values(s.rows, s.cols), one, one, precision());
    expect_adjoint({"layer_norm",
                    {{"x", x.values(), dx.values(), bounds.dx},
                     {"gain", g, reference::read(dgain.data(), s.cols), bounds.dgain},
                     {"bias", b, reference::read(dbias.data(), s.cols), bounds.dbias}},
                    [](const std::vector<Duals>& in) { return reference::layer_norm(in[0], in[1], in[2]).y; },
                    dy.values()},
                   6);
  }
}

TEST(LayerNormDefinition, MatchesNumbersComputedByHand) {
  // Mean 2 and variance 2 / 3 (plus epsilon): (3 - 2) / sqrt(2 / 3) = 1.2247...
  Values x(1, 3), gain(1, 3), bias(1, 3);
  x.data = {1, 2, 3};
  gain.data = {1, 1, 2};
  bias.data = {0, 5, 1};
  const auto out = reference::layer_norm(x, gain, bias);
  const double root = std::sqrt(2.0 / 3 + 1e-5);
  EXPECT_DOUBLE_EQ(out.y(0, 0), -1 / root);
  EXPECT_DOUBLE_EQ(out.y(0, 1), 5);
  EXPECT_DOUBLE_EQ(out.y(0, 2), 2 / root + 1);
  EXPECT_DOUBLE_EQ(out.stats(0, 0), 2);
  EXPECT_DOUBLE_EQ(out.stats(0, 1), 1 / root);
}

INSTANTIATE_TEST_SUITE_P(Backends, LayerNorm, ::testing::ValuesIn(all_backends()), case_name);
INSTANTIATE_TEST_SUITE_P(Backends, LayerNormInF32, ::testing::ValuesIn(f32_backends()), case_name);

}  // namespace
}  // namespace sori::test
