#include "ops/reference/linear.h"

#include "ops/adjoint.h"
#include "ops/backends.h"

namespace sori::test {
namespace {

struct Shape {
  std::int64_t rows, in, out, rank;
};
const Shape kShapes[] = {{1, 1, 1, 1},      {1, 5, 7, 3},   {64, 64, 64, 8},  {65, 33, 17, 2},
                         {130, 80, 51, 16}, {3, 128, 1, 1}, {1, 200, 129, 4}, {300, 30, 40, 4}};
const DType kFormats[] = {DType::kF32, DType::kF16, DType::kBF16};

// |gelu'| is largest at sqrt 2: Phi(sqrt 2) + sqrt 2 phi(sqrt 2).
constexpr double kSteepestGelu = 1.1290;

std::string title(const char* op, const Shape& s, DType format) {
  return fmt::format("{} rows {} in {} out {} weight {}", op, s.rows, s.in, s.out, name_of(format));
}

Values product(const Values& x, const Values& w, double scale = 1) {
  Values y(x.rows, w.rows);
  reference::add_x_wt(x, w, scale, y);
  return y;
}

// A linear layer with every part of the epilogue.
struct LinearCase {
  Shape shape;
  DType compute;
  OwnedMat x, w, h, b, add;
  std::vector<float> bias, gain;
  LowRank low_rank;

  LinearCase(const Shape& s, DType compute_, DType format, Layout layout, std::uint64_t seed)
      : shape(s), compute(compute_) {
    Drawn draw(seed);
    const double unit = 1 / std::sqrt(static_cast<double>(s.in));
    x = draw.mat(compute, s.rows, s.in, layout);
    w = draw.mat(format, s.out, s.in, {0, layout.offset}, unit);
    h = draw.mat(compute, s.rows, s.rank, layout);
    b = draw.mat(format, s.out, s.rank);
    add = draw.mat(DType::kF32, s.rows, s.out, layout);
    bias = draw.vector(s.out);
    gain = draw.vector(s.out, 1);
    low_rank = {h.mat(), as_weight(b.mat()), 0.75f};
  }

  reference::LinearInput<double> plain() const {
    reference::LinearInput<double> in;
    in.x = x.values();
    in.w = reference::read(as_weight(w.mat()), compute);
    return in;
  }
  reference::LinearInput<double> whole() const {
    reference::LinearInput<double> in = plain();
    in.bias = reference::read(bias.data(), shape.out);
    in.h = h.values();
    in.b = reference::read(as_weight(b.mat()), compute);
    in.scale = low_rank.scale;
    in.gelu = true;
    in.add = add.values();
    in.gain = reference::read(gain.data(), shape.out);
    return in;
  }
};

// Before gelu: gamma of all terms against the sum of their absolute values.
Values pre_bound(const reference::LinearInput<double>& in, const Precision& p) {
  Values terms = product(magnitude(in.x), magnitude(in.w));
  if (!in.h.empty()) reference::add_x_wt(magnitude(in.h), magnitude(in.b), std::abs(in.scale), terms);
  for (std::int64_t r = 0; r < terms.rows; ++r)
    for (std::int64_t o = 0; o < terms.cols; ++o) {
      if (!in.gain.empty()) terms(r, o) *= std::abs(in.gain(0, o));
      if (!in.bias.empty()) terms(r, o) += std::abs(in.bias(0, o));
      terms(r, o) *= gamma(static_cast<double>(in.x.cols + in.h.cols + 5), p.sum);
    }
  return terms;
}

// After gelu: its slope times the error before it, erf's error times |pre| / 2, three roundings, and the addition's. In
// bf16 gelu may see what was saved, which is rounded once.
Values output_bound(const reference::LinearInput<double>& in, const reference::LinearOutput<double>& out, DType type,
                    const Precision& p) {
  Values bound = pre_bound(in, p);
  for (std::size_t i = 0; i < bound.data.size(); ++i) {
    const double pre = std::abs(out.pre.data[i]);
    double& b = bound.data[i];
    if (in.gelu) b = kSteepestGelu * (b + p.operand * pre) + pre * (p.function / 2 + 3) * p.sum;
    if (!in.add.empty()) b += p.sum * (pre + std::abs(in.add.data[i]));
    b += storage(type, out.y.data[i]);
  }
  return bound;
}

// Of gelu'(x) = Phi(x) + x phi(x), and its product with dy. Phi: erf's error and two roundings of a number <= 1; x
// phi(x): exp's error, five roundings and, from rounding x^2 / 2, x^2 u.
double slope_bound(double x, const Precision& p) {
  const double x_phi = std::abs(x) * std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
  return p.sum * ((p.function / 2 + 3) + x_phi * (p.function + 6 + 2 * x * x));
}

class Linear : public OnEveryBackend {};

TEST_P(Linear, MultipliesByEveryWeightFormat) {
  for (const Shape& s : kShapes)
    for (const DType format : kFormats)
      for (const Layout& layout : layouts()) {
        const LinearCase c(s, compute(), format, layout, 1);
        Backend& backend = make({.rows = s.rows, .width = std::max(s.in, s.out)});
        for (const DType type : {DType::kF32, compute()}) {
          OwnedMat y(type, s.rows, s.out, layout);
          backend.linear(c.x, as_weight(c.w.mat()), {}, y);
          const auto in = c.plain();
          const auto expected = reference::linear(in);
          EXPECT_TRUE(within(title("linear", s, format), expected.y, y, output_bound(in, expected, type, precision())));
        }
      }
}

TEST_P(Linear, FollowsTheEpilogueInItsOrder) {
  for (const Shape& s : kShapes)
    for (const DType format : kFormats)
      for (const Layout& layout : layouts()) {
        const LinearCase c(s, compute(), format, layout, 2);
        Backend& backend = make({.rows = s.rows, .width = std::max(s.in, s.out)});
        for (const DType type : {DType::kF32, compute()}) {
          OwnedMat y(type, s.rows, s.out, layout), saved(compute(), s.rows, s.out, layout);
          const Epilogue e{c.bias.data(), &c.low_rank, saved, true, c.add, false, c.gain.data()};
          backend.linear(c.x, as_weight(c.w.mat()), e, y);
          const auto in = c.whole();
          const auto expected = reference::linear(in);
          Values bound = pre_bound(in, precision());
          for (std::size_t i = 0; i < bound.data.size(); ++i) bound.data[i] += storage(compute(), expected.pre.data[i]);
          EXPECT_TRUE(within(title("linear saved", s, format), expected.pre, saved, bound));
          EXPECT_TRUE(within(title("linear epilogue", s, format), expected.y, y,
                             output_bound(in, expected, type, precision())));
        }
      }
}

// Each part alone, so that no part depends on another being there.
TEST_P(Linear, TakesEachPartOfTheEpilogueAlone) {
  const Shape s{37, 20, 45, 4};
  const LinearCase c(s, compute(), DType::kF32, kStrided, 3);
  Backend& backend = make({.rows = s.rows, .width = 64});
  for (int part = 0; part < 5; ++part) {
    const auto whole = c.whole();
    auto in = c.plain();
    Epilogue e;
    if (part == 0) e.bias = c.bias.data(), in.bias = whole.bias;
    if (part == 1) e.low_rank = &c.low_rank, in.h = whole.h, in.b = whole.b, in.scale = whole.scale;
    if (part == 2) e.gelu = in.gelu = true;
    if (part == 3) e.add = c.add, in.add = whole.add;
    if (part == 4) e.gain = c.gain.data(), in.gain = whole.gain;
    OwnedMat y(DType::kF32, s.rows, s.out);
    backend.linear(c.x, as_weight(c.w.mat()), e, y);
    const auto expected = reference::linear(in);
    EXPECT_TRUE(within(fmt::format("linear with part {}", part), expected.y, y,
                       output_bound(in, expected, DType::kF32, precision())));
  }
}

// More weights than a backend may want to unpack at one time, in columns (forward), in rows (backward) and in depth.
TEST_P(Linear, TakesWeightsLargerThanAnyCache) {
  const Shape wide{3, 2048, 1100, 4};
  Backend& backend = make({.rows = 17, .width = 9000});
  for (const std::int64_t rows : {wide.rows, std::int64_t{17}}) {  // by dot products, and by panels
    const LinearCase c({rows, wide.in, wide.out, wide.rank}, compute(), DType::kF16, kPlain, 12);
    OwnedMat y(DType::kF32, rows, wide.out), saved(compute(), rows, wide.out);
    backend.linear(c.x, as_weight(c.w.mat()), {c.bias.data(), &c.low_rank, saved, true, c.add, false, c.gain.data()},
                   y);
    const auto in = c.whole();
    const auto expected = reference::linear(in);
    EXPECT_TRUE(within("wide linear", expected.y, y, output_bound(in, expected, DType::kF32, precision())));
  }

  for (const Shape& s : {wide, Shape{3, 10, 9000, 1}}) {
    Drawn draw(13);
    const OwnedMat w = draw.mat(DType::kF16, s.out, s.in), dy = draw.mat(compute(), s.rows, s.out);
    const Values weight = reference::read(as_weight(w.mat()), compute());
    for (const bool add : {false, true}) {
      OwnedMat dx = add ? draw.mat(DType::kF32, s.rows, s.in) : OwnedMat(DType::kF32, s.rows, s.in);
      Values sum = add ? dx.values() : Values(s.rows, s.in), bound = magnitude(sum);
      reference::add_dy_w(dy.values(), weight, 1, sum);
      reference::add_dy_w(magnitude(dy.values()), magnitude(weight), 1, bound);
      for (std::size_t i = 0; i < bound.data.size(); ++i)
        bound.data[i] =
            bound.data[i] * gamma(static_cast<double>(s.out + 2), precision().sum) + storage(DType::kF32, sum.data[i]);
      backend.linear_backward(dy, as_weight(w.mat()), add, dx);
      EXPECT_TRUE(within(title("linear_backward", s, DType::kF16), sum, dx, bound));
    }
  }
}

TEST_P(Linear, AddsInPlaceWhenTheResidualIsTheResult) {
  const Shape s{65, 24, 40, 4};
  LinearCase c(s, compute(), DType::kF32, kStrided, 4);
  Backend& backend = make({.rows = s.rows, .width = 64});
  auto in = c.plain();
  in.add = c.add.values();
  const auto expected = reference::linear(in);
  Epilogue e;
  e.add = c.add;
  backend.linear(c.x, as_weight(c.w.mat()), e, c.add);
  EXPECT_TRUE(within("linear in place", expected.y, c.add, output_bound(in, expected, DType::kF32, precision())));
}

TEST_P(Linear, KeepsNaNInItsRowAndLeavesItsInputsAlone) {
  const Shape s{66, 70, 40, 4};
  LinearCase c(s, compute(), DType::kF32, kPlain, 5);
  store(c.x, 65, 69, NAN);
  const auto x = c.x.bytes(), w = c.w.bytes(), h = c.h.bytes(), b = c.b.bytes(), add = c.add.bytes();
  Backend& backend = make({.rows = s.rows, .width = 70});
  OwnedMat y(DType::kF32, s.rows, s.out);
  backend.linear(c.x, as_weight(c.w.mat()), {c.bias.data(), &c.low_rank, {}, true, c.add}, y);
  EXPECT_TRUE(all_nan(y.values(), 65));
  for (std::int64_t r = 0; r < 65; ++r)
    for (std::int64_t o = 0; o < s.out; ++o) ASSERT_FALSE(std::isnan(y.mat().at(r, o))) << r << " " << o;
  EXPECT_TRUE(x == c.x.bytes() && w == c.w.bytes() && h == c.h.bytes() && b == c.b.bytes() && add == c.add.bytes());
}

TEST_P(Linear, BackwardMultipliesByEveryWeightFormat) {
  for (const Shape& s : kShapes)
    for (const DType format : kFormats)
      for (const Layout& layout : layouts()) {
        Drawn draw(6);
        const OwnedMat dy = draw.mat(compute(), s.rows, s.out, layout), w = draw.mat(format, s.out, s.in);
        const OwnedMat before = draw.mat(DType::kF32, s.rows, s.in, layout);
        const Values weight = reference::read(as_weight(w.mat()), compute());
        Backend& backend = make({.rows = s.rows, .width = std::max(s.in, s.out)});
        for (const bool add : {false, true}) {
          OwnedMat dx = add ? before : OwnedMat(DType::kF32, s.rows, s.in, layout);
          backend.linear_backward(dy, as_weight(w.mat()), add, dx);
          Values expected = add ? before.values() : Values(s.rows, s.in), bound = magnitude(expected);
          reference::add_dy_w(dy.values(), weight, 1, expected);
          reference::add_dy_w(magnitude(dy.values()), magnitude(weight), 1, bound);
          for (std::size_t i = 0; i < bound.data.size(); ++i)
            bound.data[i] = bound.data[i] * gamma(static_cast<double>(s.out + 2), precision().sum) +
                            storage(DType::kF32, expected.data[i]);
          EXPECT_TRUE(within(title(add ? "linear_backward add" : "linear_backward", s, format), expected, dx, bound));
        }
      }
}

// Beyond 128 Ki numbers of dw: more than one tile, step (512 rows), pass (1536) and set of ready columns (1280) of each
// operand, with a last one that is not full.
const Shape kLargeGradients[] = {
    {600, 515, 321, 0}, {70, 1300, 130, 0}, {33, 130, 1300, 0}, {33, 1300, 1300, 0}, {1560, 260, 510, 0}};
// LoRA's, in parts of 1024 rows and more, at most eight of them.
const Shape kTallGradients[] = {{2100, 40, 30, 0}, {9000, 16, 8, 0}};

void expect_weight_gradient(const Shape& s, const Layout& layout, DType compute, const Precision& precision,
                            Backend& backend) {
  Drawn draw(7);
  const OwnedMat dy = draw.mat(compute, s.rows, s.out, layout), x = draw.mat(compute, s.rows, s.in, layout);
  OwnedMat dw = draw.mat(DType::kF32, s.out, s.in, layout);
  std::vector<float> dbias = draw.vector(s.out);
  const float scale = -0.375f;
  Values expected = dw.values(), terms = magnitude(expected);
  Values bias = reference::read(dbias.data(), s.out), bias_terms = magnitude(bias);
  reference::add_dyt_x(dy.values(), x.values(), scale, expected);
  reference::add_dyt_x(magnitude(dy.values()), magnitude(x.values()), -scale, terms);
  reference::add_column_sums(dy.values(), scale, bias);
  reference::add_column_sums(magnitude(dy.values()), -scale, bias_terms);
  const double rounding = gamma(static_cast<double>(s.rows + 3), precision.sum);
  for (std::size_t i = 0; i < terms.data.size(); ++i)
    terms.data[i] = terms.data[i] * rounding + storage(DType::kF32, expected.data[i]);
  for (std::size_t i = 0; i < bias_terms.data.size(); ++i)
    bias_terms.data[i] = bias_terms.data[i] * rounding + storage(DType::kF32, bias.data[i]);
  const OwnedMat before = dw;
  std::vector<float> alone = dbias;
  backend.weight_gradient(dy, x, scale, dw, dbias.data());
  EXPECT_TRUE(within(title("weight_gradient", s, DType::kF32), expected, dw, terms));
  EXPECT_TRUE(within(title("bias gradient", s, DType::kF32), bias, reference::read(dbias.data(), s.out), bias_terms));
  backend.weight_gradient(dy, x, scale, {}, alone.data());
  EXPECT_EQ(alone, dbias) << title("bias gradient alone", s, DType::kF32);
  dw = before;
  backend.weight_gradient(dy, x, scale, dw, nullptr);
  EXPECT_TRUE(within(title("weight_gradient without bias", s, DType::kF32), expected, dw, terms));
}

TEST_P(Linear, WeightGradientAddsToWhatIsThere) {
  for (const Shape& s : kShapes)
    for (const Layout& layout : layouts())
      expect_weight_gradient(s, layout, compute(), precision(), make({.rows = s.rows, .width = std::max(s.in, s.out)}));
}

TEST_P(Linear, TallWeightGradientsAreSumsOfTheirParts) {
  for (const Shape& s : kTallGradients)
    expect_weight_gradient(s, layouts().back(), compute(), precision(),
                           make({.rows = s.rows, .width = std::max(s.in, s.out)}));
}

TEST_P(Linear, LargeWeightGradientsAreSumsOfTheirPieces) {
  for (const Shape& s : kLargeGradients)
    expect_weight_gradient(s, layouts().back(), compute(), precision(),
                           make({.rows = s.rows, .width = std::max(s.in, s.out)}));
}

TEST_P(Linear, GeluBackwardMultipliesByTheSlope) {
  for (const Layout& layout : layouts()) {
    Drawn draw(8);
    const OwnedMat pre = draw.mat(compute(), 37, 83, layout, 3), dy = draw.mat(DType::kF32, 37, 83, layout);
    OwnedMat dx(compute(), 37, 83, layout);
    make({.rows = 37, .width = 83}).gelu_backward(pre, dy, dx);
    const Values expected = reference::gelu_backward(pre.values(), dy.values());
    Values bound = storage(compute(), expected);
    const Values upstream = magnitude(dy.values()), x = pre.values();
    for (std::size_t i = 0; i < bound.data.size(); ++i)
      bound.data[i] += upstream.data[i] * slope_bound(x.data[i], precision());
    EXPECT_TRUE(within("gelu_backward", expected, dx, bound));
  }
}

// dy: one product. dm: dy (y - bias), summed over the rows, over m.
TEST_P(Linear, GainBackwardScalesAndSums) {
  for (const std::int64_t rows : {1, 37, 600})
    for (const Layout& layout : layouts())
      for (const bool has_bias : {true, false}) {
        const std::int64_t out = 83;
        Drawn draw(14);
        const OwnedMat y = draw.mat(compute(), rows, out, layout, 3);
        OwnedMat dy = draw.mat(compute(), rows, out, layout);
        const std::vector<float> biases = draw.vector(out), gain = draw.vector(out, 1);
        std::vector<float> m = draw.vector(out, 1), dm = draw.vector(out);
        m[5] = 0;
        const float* bias = has_bias ? biases.data() : nullptr;
        const auto row = [&](const float* p) { return reference::read(p, out); };
        const Values before = dy.values();
        Values d = before, sum = row(dm.data()), d_bound = d, sum_bound = sum;
        reference::gain_backward(y.values(), row(bias), row(gain.data()), row(m.data()), d, sum);
        for (std::int64_t o = 0; o < out; ++o) {
          double terms = 0;
          for (std::int64_t r = 0; r < rows; ++r) {
            const double b = bias ? bias[o] : 0;
            terms += std::abs(before(r, o)) * (std::abs(y.values()(r, o)) + std::abs(b));
            d_bound(r, o) = storage(compute(), d(r, o)) + precision().sum * std::abs(d(r, o));
          }
          if (m[static_cast<std::size_t>(o)] != 0) terms /= std::abs(m[static_cast<std::size_t>(o)]);
          sum_bound(0, o) = gamma(static_cast<double>(rows + 4), precision().sum) * (terms + std::abs(sum(0, o))) +
                            storage(DType::kF32, sum(0, o));
        }
        const float kept = dm[5];
        make({.rows = rows, .width = out}).gain_backward(y, bias, gain.data(), m.data(), dy, dm.data());
        EXPECT_TRUE(within("gain_backward dy", d, dy, d_bound));
        EXPECT_TRUE(within("gain_backward dm", sum, row(dm.data()), sum_bound));
        EXPECT_EQ(dm[5], kept);
      }
}

class LinearInF32 : public OnEveryBackend {};

// Backward of the whole epilogue: gelu_backward, bias and gain, then the products with each operand. The gain is m over
// a constant norm.
TEST_P(LinearInF32, BackwardIsTheAdjointOfTheForward) {
  for (const Shape& s : kShapes) {
    LinearCase c(s, DType::kF32, DType::kF32, kPlain, 9);
    const OwnedMat dy = Drawn(10).mat(DType::kF32, s.rows, s.out);
    OwnedMat y(DType::kF32, s.rows, s.out), pre = y, dpre = y, dx(DType::kF32, s.rows, s.in),
                                            dh(DType::kF32, s.rows, s.rank);
    OwnedMat dw(DType::kF32, s.out, s.in), db(DType::kF32, s.out, s.rank), dbias(DType::kF32, 1, s.out), dm = dbias;
    for (OwnedMat* m : {&dw, &db, &dbias, &dm}) reference::write(Values(m->mat().rows, m->mat().cols), *m);
    Values norm(1, s.out);
    std::vector<float> m = c.gain;
    for (std::size_t o = 0; o < m.size(); ++o)  // powers of two, so that m / norm is not rounded
      m[o] *= static_cast<float>(norm.data[o] = std::ldexp(1, static_cast<int>(o % 4) - 1));
    Backend& backend = make({.rows = s.rows, .width = std::max(s.in, s.out)});
    const BaseWeight w = as_weight(c.w.mat()), b = as_weight(c.b.mat());
    backend.linear(c.x, w, {c.bias.data(), &c.low_rank, pre, true, c.add, false, c.gain.data()}, y);
    backend.gelu_backward(pre, dy, dpre);
    backend.weight_gradient(dpre, c.x, 1, {}, dbias.mat().row<float>(0));
    backend.gain_backward(pre, c.bias.data(), c.gain.data(), m.data(), dpre, dm.mat().row<float>(0));
    backend.linear_backward(dpre, w, false, dx);
    backend.weight_gradient(dpre, c.x, 1, dw, nullptr);
    backend.linear_backward(dpre, b, false, dh);
    backend.cast(dh, c.low_rank.scale, dh);
    backend.weight_gradient(dpre, c.h, c.low_rank.scale, db, nullptr);

    // dpre: gelu'' is at most 2 phi(0) < 0.8 and sees the error of pre; then the gain, and what each product does to
    // it.
    const auto in = c.whole();
    const auto truth = reference::linear(in);
    const Values upstream = magnitude(dy.values()), exact = reference::gelu_backward(truth.pre, dy.values());
    Values pre_error = pre_bound(in, precision()), error = pre_error;
    for (std::size_t i = 0; i < error.data.size(); ++i) {
      error.data[i] = pre_error.data[i] += storage(DType::kF32, truth.pre.data[i]);
      error.data[i] = upstream.data[i] * (0.8 * error.data[i] + slope_bound(truth.pre.data[i], precision())) +
                      storage(DType::kF32, exact.data[i]);
    }
    const Values m_values = reference::read(m.data(), s.out);
    Values scaled = exact, scaled_error = error, m_bound(1, s.out);
    for (std::int64_t r = 0; r < s.rows; ++r)
      for (std::int64_t o = 0; o < s.out; ++o) {
        scaled(r, o) *= in.gain(0, o);
        scaled_error(r, o) = std::abs(in.gain(0, o)) * error(r, o) + precision().sum * std::abs(scaled(r, o)) +
                             storage(DType::kF32, scaled(r, o));
        const double size = std::abs(truth.pre(r, o)) + std::abs(in.bias(0, o)), d = std::abs(exact(r, o));
        m_bound(0, o) += (error(r, o) * size + (d + error(r, o)) * (pre_error(r, o) + 2 * kRoundoffF32 * size) +
                          gamma(static_cast<double>(s.rows + 4), precision().sum) * d * size) /
                         std::abs(m_values(0, o));
      }
    // Of a product of what has this error with an exact operand, and its storage.
    const auto with_sums_of = [&](const Values& value, const Values& of, std::int64_t terms) {
      Values e = of;
      for (std::size_t i = 0; i < e.data.size(); ++i)
        e.data[i] +=
            (gamma(static_cast<double>(terms + 2), precision().sum) + 2 * kRoundoffF32) * std::abs(value.data[i]);
      return e;
    };
    const auto with_sums = [&](std::int64_t terms) { return with_sums_of(scaled, scaled_error, terms); };
    Values x_bound(s.rows, s.in), h_bound(s.rows, s.rank), w_bound(s.out, s.in), b_bound(s.out, s.rank),
        bias_bound(1, s.out);
    reference::add_dy_w(with_sums(s.out), magnitude(in.w), 1, x_bound);
    reference::add_dy_w(with_sums(s.out), magnitude(in.b), in.scale, h_bound);
    reference::add_dyt_x(with_sums(s.rows), magnitude(in.x), 1, w_bound);
    reference::add_dyt_x(with_sums(s.rows), magnitude(in.h), in.scale, b_bound);
    reference::add_column_sums(with_sums_of(exact, error, s.rows), 1, bias_bound);

    expect_adjoint({title("linear", s, DType::kF32),
                    {{"x", in.x, dx.values(), x_bound},
                     {"w", in.w, dw.values(), w_bound},
                     {"bias", in.bias, dbias.values(), bias_bound},
                     {"h", in.h, dh.values(), h_bound},
                     {"b", in.b, db.values(), b_bound},
                     {"add", in.add, dy.values(), Values(s.rows, s.out)},
                     {"m", m_values, dm.values(), m_bound}},
                    [&](const std::vector<Duals>& d) {
                      Duals gain = d[6];
                      for (std::size_t o = 0; o < gain.data.size(); ++o) gain.data[o] /= norm.data[o];
                      return reference::linear<Dual>({d[0], d[1], d[2], d[3], d[4], in.scale, true, d[5], gain}).y;
                    },
                    dy.values()},
                   11);
  }
}

TEST(LinearDefinition, MatchesNumbersComputedByHand) {
  reference::LinearInput<double> in;
  in.x = Values(1, 2);
  in.x.data = {2, -1};
  in.w = Values(2, 2);
  in.w.data = {1, 3, 5, 9};
  EXPECT_EQ(reference::linear(in).y.data, (std::vector<double>{-1, 1}));
  in.gelu = true;  // Phi(1) = 0.841344746...
  EXPECT_NEAR(reference::linear(in).y(0, 0), -0.15865525393145707, 4 * kRoundoffF64);
  EXPECT_NEAR(reference::linear(in).y(0, 1), 0.84134474606854293, 4 * kRoundoffF64);
}

INSTANTIATE_TEST_SUITE_P(Backends, LinearInF32, ::testing::ValuesIn(f32_backends()), case_name);
INSTANTIATE_TEST_SUITE_P(Backends, Linear, ::testing::ValuesIn(all_backends()), case_name);

}  // namespace
}  // namespace sori::test
