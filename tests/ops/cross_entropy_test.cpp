#include "ops/reference/cross_entropy.h"

#include "ops/adjoint.h"
#include "ops/backends.h"

namespace sori::test {
namespace {

const DType kFormats[] = {DType::kF32, DType::kF16, DType::kBF16};

struct Case {
  std::int64_t rows, width, classes;
  float scale, smoothing;
};
const Case kCases[] = {{1, 1, 2, 1, 0},         {5, 7, 3, 0.5f, 0.1f},       {64, 64, 130, 1, 0},
                       {65, 33, 1003, 2, 0.1f}, {130, 16, 71, 0.01f, 0.25f}, {3, 5, 9001, 1, 0.1f}};

struct Drawing {
  OwnedMat x, e;
  std::vector<int> targets;
  Drawing(const Case& c, DType compute, DType format, Layout layout, std::uint64_t seed) {
    Drawn draw(seed);
    x = draw.mat(compute, c.rows, c.width, layout);
    e = draw.mat(format, c.classes, c.width, {0, layout.offset});
    for (std::int64_t r = 0; r < c.rows; ++r) targets.push_back(static_cast<int>(draw.integer(-1, c.classes - 1)));
    targets[0] = static_cast<int>(c.classes - 1);
    if (c.rows > 1) targets[c.rows - 1] = -1;
  }
};

struct Truth {
  Values x, e, logits, dx;
  reference::CrossEntropy<double> of;
  Values de;  // without what was there
};

Truth truth_of(const Case& c, const Drawing& d, DType compute) {
  Truth t{d.x.values(), reference::read(as_weight(d.e.mat()), compute),
          {},           Values(c.rows, c.width),
          {},           Values(c.classes, c.width)};
  t.logits = reference::logits_of(t.x, t.e);
  t.of = reference::cross_entropy(t.logits, d.targets, c.smoothing);
  reference::add_dy_w(t.of.dlogits, t.e, c.scale, t.dx);
  reference::add_dyt_x(t.of.dlogits, t.x, c.scale, t.de);
  return t;
}

struct Bounds {
  Values losses, dx, de;
};

// A logit is off by gamma_(C + 1) of its terms (z). lse moves by at most the largest of these, and by the errors of
// exp, of the sum and of log. A probability has the relative error that exp makes of its logit's and lse's; dlogits are
// then rounded where they enter the products, and the products add V (or N) of them.
Bounds bounds_of(const Case& c, const Truth& t, const std::vector<int>& targets, const Precision& p) {
  const double n = static_cast<double>(c.classes);
  Values logit_terms = reference::logits_of(magnitude(t.x), magnitude(t.e));
  Values dlogits(c.rows, c.classes), columns(c.rows, c.classes);
  Bounds b{Values(1, c.rows), Values(c.rows, c.width), Values(c.classes, c.width)};
  for (std::int64_t r = 0; r < c.rows; ++r) {
    if (targets[r] < 0) continue;
    double z = 0, largest = 0, mean = 0;
    for (std::int64_t v = 0; v < c.classes; ++v) {
      z = std::max(z, gamma(static_cast<double>(c.width + 1), p.sum) * logit_terms(r, v));
      largest = std::max(largest, std::abs(t.logits(r, v)));
      mean += std::abs(t.logits(r, v)) / n;
    }
    const double sum = exp_relative(2 * p.sum * largest, p) + gamma(n, p.sum);
    const double lse = z + sum + p.sum * (p.function * std::log1p(n) + 2 * largest);
    b.losses(0, r) = 2 * (lse + z) + gamma(n + 3, p.sum) * c.smoothing * mean +
                     8 * p.sum * (2 * largest + std::log(n)) + storage(DType::kF32, t.of.losses[r]);
    const double relative = exp_relative(z + lse + 2 * p.sum * largest, p);
    for (std::int64_t v = 0; v < c.classes; ++v) {
      const double d = std::abs(t.of.dlogits(r, v)), one = v == targets[r] ? 1 : 0;
      const double probability = t.of.dlogits(r, v) + c.smoothing / n + one * (1 - c.smoothing);
      const double error = probability * relative + 4 * p.sum * (probability + c.smoothing / n + one) + p.operand * d;
      dlogits(r, v) = error + gamma(n + 3, p.sum) * d;
      columns(r, v) = error + gamma(static_cast<double>(c.rows) + 3, p.sum) * d;
    }
  }
  reference::add_dy_w(dlogits, magnitude(t.e), std::abs(c.scale), b.dx);
  reference::add_dyt_x(columns, magnitude(t.x), std::abs(c.scale), b.de);
  for (std::size_t i = 0; i < b.dx.data.size(); ++i) b.dx.data[i] += storage(DType::kF32, t.dx.data[i]);
  for (std::size_t i = 0; i < b.de.data.size(); ++i) b.de.data[i] += storage(DType::kF32, t.de.data[i]);
  return b;
}

Limits limits_of(const Case& c) {
  return {.rows = c.rows, .width = c.width, .target_rows = c.rows, .vocabulary = c.classes};
}

Values as_row(const std::vector<double>& v) {
  Values m(1, static_cast<std::int64_t>(v.size()));
  m.data = v;
  return m;
}

class CrossEntropy : public OnEveryBackend {};

TEST_P(CrossEntropy, GivesLossesAndGradients) {
  for (const Case& c : kCases)
    for (const DType format : kFormats)
      for (const Layout& layout : layouts()) {
        const Drawing d(c, compute(), format, layout, 1);
        const Truth t = truth_of(c, d, compute());
        const Bounds bounds = bounds_of(c, t, d.targets, precision());
        const std::string title = fmt::format("cross_entropy rows {} width {} classes {} weight {}", c.rows, c.width,
                                              c.classes, name_of(format));
        const OwnedMat before = Drawn(2).mat(DType::kF32, c.classes, c.width, layout);
        OwnedMat de = before, dx(DType::kF32, c.rows, c.width, layout);
        std::vector<float> losses(c.rows, NAN);
        Backend& backend = make(limits_of(c));
        backend.cross_entropy(d.x, as_weight(d.e.mat()), d.targets, c.scale, c.smoothing, losses, dx, de);
        Values expected = before.values(), de_bound = bounds.de;
        for (std::size_t i = 0; i < expected.data.size(); ++i) {
          de_bound.data[i] += 2 * kRoundoffF32 * (std::abs(expected.data[i]) + std::abs(t.de.data[i]));
          expected.data[i] += t.de.data[i];
        }
        EXPECT_TRUE(
            within(title + " losses", as_row(t.of.losses), reference::read(losses.data(), c.rows), bounds.losses));
        EXPECT_TRUE(within(title + " dx", t.dx, dx, bounds.dx));
        EXPECT_TRUE(within(title + " de", expected, de, de_bound));

        std::vector<float> only(c.rows, NAN);
        backend.cross_entropy(d.x, as_weight(d.e.mat()), d.targets, c.scale, c.smoothing, only, {}, {});
        EXPECT_TRUE(
            within(title + " losses only", as_row(t.of.losses), reference::read(only.data(), c.rows), bounds.losses));
        OwnedMat frozen(DType::kF32, c.rows, c.width, layout);
        backend.cross_entropy(d.x, as_weight(d.e.mat()), d.targets, c.scale, c.smoothing, only, frozen, {});
        EXPECT_TRUE(within(title + " dx, frozen", t.dx, frozen, bounds.dx));
      }
}

TEST_P(CrossEntropy, IgnoredTargetsGiveNoLossAndNoGradientWhateverTheyHold) {
  const Case c{4, 9, 21, 1, 0.1f};
  Drawing d(c, compute(), DType::kF32, kPlain, 3);
  d.targets = {3, -1, 5, -1};
  for (std::int64_t i = 0; i < c.width; ++i) store(d.x, 1, i, 1e30f);
  OwnedMat dx(DType::kF32, 4, 9), de(DType::kF32, 21, 9);
  reference::write(Values(21, 9), de);
  std::vector<float> losses(4, NAN);
  make(limits_of(c)).cross_entropy(d.x, as_weight(d.e.mat()), d.targets, 1, 0.1f, losses, dx, de);
  EXPECT_EQ(losses[1], 0);
  EXPECT_EQ(losses[3], 0);
  EXPECT_TRUE(all_zero(dx.values(), 1) && all_zero(dx.values(), 3));
  for (std::int64_t v = 0; v < 21; ++v)
    for (std::int64_t i = 0; i < 9; ++i) ASSERT_LT(std::abs(de.mat().at(v, i)), 1e3) << v << " " << i;
}

// exp of these logits overflows unless the largest is subtracted.
TEST_P(CrossEntropy, StandsLargeLogits) {
  const Case c{3, 4, 50, 1, 0};
  Drawing d(c, compute(), DType::kF32, kPlain, 4);
  for (std::int64_t r = 0; r < 3; ++r)
    for (std::int64_t i = 0; i < 4; ++i) store(d.x, r, i, 256 * d.x.mat().at(r, i));
  d.targets = {1, 2, 3};
  const Truth t = truth_of(c, d, compute());
  std::vector<float> losses(3);
  OwnedMat dx(DType::kF32, 3, 4);
  make(limits_of(c)).cross_entropy(d.x, as_weight(d.e.mat()), d.targets, 1, 0, losses, dx, {});
  const Bounds bounds = bounds_of(c, t, d.targets, precision());
  EXPECT_GT(*std::max_element(t.logits.data.begin(), t.logits.data.end()), 89) << "the case is meant to overflow f32";
  EXPECT_TRUE(within("large logits", as_row(t.of.losses), reference::read(losses.data(), 3), bounds.losses));
  EXPECT_TRUE(within("large logits dx", t.dx, dx, bounds.dx));
}

TEST_P(CrossEntropy, LetsNaNThrough) {
  const Case c{2, 8, 40, 1, 0};
  Drawing d(c, compute(), DType::kF32, kPlain, 5);
  d.targets = {1, 2};
  store(d.x, 1, 3, NAN);
  std::vector<float> losses(2);
  OwnedMat dx(DType::kF32, 2, 8);
  make(limits_of(c)).cross_entropy(d.x, as_weight(d.e.mat()), d.targets, 1, 0, losses, dx, {});
  EXPECT_FALSE(std::isnan(losses[0]));
  EXPECT_TRUE(std::isnan(losses[1]));
  EXPECT_TRUE(all_nan(dx.values(), 1));
}

class CrossEntropyInF32 : public OnEveryBackend {};

TEST_P(CrossEntropyInF32, BackwardIsTheAdjointOfTheForward) {
  for (const Case& c : kCases) {
    const Drawing d(c, DType::kF32, DType::kF32, kPlain, 6);
    const Truth t = truth_of(c, d, DType::kF32);
    const Bounds bounds = bounds_of(c, t, d.targets, precision());
    OwnedMat dx(DType::kF32, c.rows, c.width), de(DType::kF32, c.classes, c.width);
    reference::write(Values(c.classes, c.width), de);
    std::vector<float> losses(c.rows);
    make(limits_of(c)).cross_entropy(d.x, as_weight(d.e.mat()), d.targets, c.scale, c.smoothing, losses, dx, de);
    Values v(1, c.rows);
    for (double& x : v.data) x = c.scale;
    expect_adjoint({"cross_entropy",
                    {{"x", t.x, dx.values(), bounds.dx}, {"e", t.e, de.values(), bounds.de}},
                    [&](const std::vector<Duals>& in) {
                      Duals l(1, c.rows);
                      l.data =
                          reference::cross_entropy(reference::logits_of(in[0], in[1]), d.targets, c.smoothing).losses;
                      return l;
                    },
                    v},
                   7);
  }
}

TEST(CrossEntropyDefinition, MatchesNumbersComputedByHand) {
  Values logits(1, 2);
  logits.data = {std::log(3.0), 0};  // p = 3/4, 1/4
  const std::vector<int> target{1};
  const auto plain = reference::cross_entropy(logits, target, 0);
  EXPECT_NEAR(plain.losses[0], std::log(4.0), 8 * kRoundoffF64);
  EXPECT_NEAR(plain.dlogits(0, 0), 0.75, 8 * kRoundoffF64);
  EXPECT_NEAR(plain.dlogits(0, 1), -0.75, 8 * kRoundoffF64);
  // Smoothed by 0.2: 0.8 log 4 + 0.2 (log(4 / 3) + log 4) / 2.
  const auto smooth = reference::cross_entropy(logits, target, 0.2);
  EXPECT_NEAR(smooth.losses[0], 0.9 * std::log(4.0) + 0.1 * std::log(4.0 / 3), 8 * kRoundoffF64);
}

INSTANTIATE_TEST_SUITE_P(Backends, CrossEntropy, ::testing::ValuesIn(all_backends()), case_name);
INSTANTIATE_TEST_SUITE_P(Backends, CrossEntropyInF32, ::testing::ValuesIn(f32_backends()), case_name);

}  // namespace
}  // namespace sori::test
