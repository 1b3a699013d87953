#include "ops/reference/attention.h"

#include "ops/adjoint.h"
#include "ops/backends.h"

namespace sori::test {
namespace {

struct Case {
  const char* name;
  std::vector<AttentionSpan> spans;
  std::int64_t query_rows, key_rows, heads, head_width;
  bool causal;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"one key", {{{0, 1}, {0, 1}}}, 1, 1, 1, 1, false},
      {"one key in dead rows", {{{2, 3}, {5, 1}}}, 64, 7, 2, 4, false},
      {"ragged", {{{0, 5}, {0, 9}}, {{5, 0}, {9, 0}}, {{5, 3}, {9, 1}}, {{10, 7}, {11, 33}}}, 64, 64, 2, 8, false},
      {"no queries", {{{0, 0}, {0, 4}}, {{0, 2}, {4, 3}}}, 2, 8, 1, 16, false},
      {"no spans", {}, 3, 5, 1, 8, false},
      {"causal", {{{0, 6}, {0, 6}}, {{6, 1}, {6, 1}}, {{7, 11}, {7, 11}}}, 64, 64, 3, 5, true},
      {"causal with a cache", {{{0, 2}, {20, 9}}, {{2, 1}, {3, 14}}}, 3, 40, 4, 16, true},
      {"causal over a tile", {{{0, 130}, {0, 130}}}, 192, 192, 1, 64, true},
      {"long", {{{0, 3}, {0, 1500}}}, 3, 1500, 2, 64, false},
      {"many queries", {{{0, 70}, {1, 333}}}, 128, 384, 1, 64, false}};
  return all;
}

Limits limits_of(const Case& c) {
  Limits l{.rows = std::max(c.query_rows, c.key_rows), .width = c.heads * c.head_width};
  for (const AttentionSpan& s : c.spans) {
    l.query_rows = std::max(l.query_rows, s.query.count);
    l.key_rows = std::max(l.key_rows, s.key.count);
  }
  l.head_width = c.head_width;
  l.heads = c.heads;
  return l;
}

struct Drawing {
  OwnedMat q, k, v, dout;
  Drawing(const Case& c, DType compute, Layout layout, std::uint64_t seed) {
    Drawn draw(seed);
    const std::int64_t width = c.heads * c.head_width;
    q = draw.mat(compute, c.query_rows, width, layout);
    k = draw.mat(compute, c.key_rows, width, layout);
    v = draw.mat(compute, c.key_rows, width, layout);
    dout = draw.mat(DType::kF32, c.query_rows, width, layout);
  }
  reference::AttentionInput<double> input(const Case& c) const {
    return {q.values(), k.values(), v.values(), c.spans, c.heads, c.causal};
  }
};

// Absolute sizes of one query's scores in one head, and what follows from them.
struct ScoreErrors {
  std::int64_t keys, query, first_key, begin, end;  // begin, end: the head's columns
  double score;                                     // absolute error of a score
  double largest;                                   // largest sum of |q| |k| / sqrt D
};

template <class Visit>
void visit_queries(const reference::AttentionInput<double>& in, const Precision& p, Visit&& visit) {
  const std::int64_t width = in.q.cols / in.heads;
  const auto absolute = reference::AttentionInput<double>{magnitude(in.q), magnitude(in.k), magnitude(in.v),
                                                          in.spans,        in.heads,        in.causal};
  for (const AttentionSpan& s : in.spans)
    for (std::int64_t i = 0; i < s.query.count; ++i)
      for (std::int64_t h = 0; h < in.heads; ++h) {
        ScoreErrors e{
            reference::visible_keys(s, in.causal, i), s.query.first + i, s.key.first, h * width, (h + 1) * width, 0, 0};
        for (std::int64_t j = 0; j < e.keys; ++j)
          e.largest = std::max(e.largest, reference::score(absolute, e.query, e.first_key + j, h));
        // gamma_(D + 2) for the product and its scaling, and one rounding of a difference of two scores.
        e.score = (gamma(static_cast<double>(width + 2), p.sum) + 2 * p.sum) * e.largest;
        visit(e, h);
      }
}

// Softmax by tiles of at least 16 keys: each tile may rescale what is before it by one exp and one product.
double rescaling(std::int64_t keys, const Precision& p) {
  return (static_cast<double>(keys) / 16 + 2) * (p.function + 2) * p.sum;
}

struct ForwardBounds {
  Values out, lse;
};

// A probability has the relative error of exp at its score and at the largest one, of the rescaling and of the sum it
// is divided by, and is rounded where it enters the second product.
ForwardBounds forward_bounds(const reference::AttentionInput<double>& in, const reference::AttentionOutput<double>& out,
                             DType compute, const Precision& p) {
  ForwardBounds b{storage(compute, out.out), storage(DType::kF32, out.lse)};
  visit_queries(in, p, [&](const ScoreErrors& e, std::int64_t h) {
    const double n = static_cast<double>(e.keys);
    const double numerator = exp_relative(2 * e.score, p) + rescaling(e.keys, p), sum = numerator + gamma(n, p.sum);
    const double relative = numerator + sum + p.operand + gamma(n + 3, p.sum);
    for (std::int64_t j = 0; j < e.keys; ++j) {
      const double weight = std::exp(reference::score(in, e.query, e.first_key + j, h) - out.lse(e.query, h));
      for (std::int64_t c = e.begin; c < e.end; ++c)
        b.out(e.query, c) += relative * weight * std::abs(in.v(e.first_key + j, c));
    }
    b.lse(e.query, h) += 2 * sum + e.score + p.sum * (p.function * std::log1p(n) + 2 * e.largest);
  });
  return b;
}

// `saved` is how far off the out and lse are that backward is given. Every gradient is a sum of products; each product
// is off by the relative errors of its factors, where dout, p and ds may be rounded to the compute type on the way into
// it.
reference::AttentionGradients<double> backward_bounds(const reference::AttentionInput<double>& in,
                                                      const reference::AttentionOutput<double>& given,
                                                      const ForwardBounds& saved, const Values& dout,
                                                      const reference::AttentionGradients<double>& expected,
                                                      DType compute, const Precision& p) {
  reference::AttentionGradients<double> b{storage(compute, expected.dq), storage(compute, expected.dk),
                                          storage(compute, expected.dv)};
  const double width = static_cast<double>(in.q.cols / in.heads), root = std::sqrt(width);
  const double rows = static_cast<double>(in.q.rows);
  visit_queries(in, p, [&](const ScoreErrors& e, std::int64_t h) {
    const double lse_error = saved.lse(e.query, h) + p.sum * std::abs(given.lse(e.query, h));
    const double of_p = exp_relative(e.score + lse_error, p);
    const double of_ds = of_p + gamma(width + 6, p.sum) + 2 * p.operand;
    double delta = 0, delta_error = 0;
    for (std::int64_t c = e.begin; c < e.end; ++c) {
      delta += std::abs(dout(e.query, c) * given.out(e.query, c));
      delta_error += std::abs(dout(e.query, c)) * saved.out(e.query, c);
    }
    for (std::int64_t key = e.first_key; key < e.first_key + e.keys; ++key) {
      const double weight = std::exp(reference::score(in, e.query, key, h) - given.lse(e.query, h));
      double dout_v = 0;
      for (std::int64_t c = e.begin; c < e.end; ++c) dout_v += std::abs(dout(e.query, c) * in.v(key, c));
      const double ds = weight * (dout_v + delta) / root, ds_error = of_ds * ds + weight * delta_error / root;
      const double sums = gamma(static_cast<double>(e.keys) + 2, p.sum), columns = gamma(rows + 2, p.sum);
      for (std::int64_t c = e.begin; c < e.end; ++c) {
        b.dv(key, c) += weight * std::abs(dout(e.query, c)) * (of_p + 2 * p.operand + columns);
        b.dq(e.query, c) += (ds_error + sums * ds) * std::abs(in.k(key, c));
        b.dk(key, c) += (ds_error + columns * ds) * std::abs(in.q(e.query, c));
      }
    }
  });
  return b;
}

class Attention : public OnEveryBackend {};

TEST_P(Attention, ForwardMatchesTheDefinition) {
  for (const Case& c : cases())
    for (const Layout& layout : layouts()) {
      const Drawing d(c, compute(), layout, 1);
      const auto in = d.input(c);
      const auto expected = reference::attention(in);
      const ForwardBounds bounds = forward_bounds(in, expected, compute(), precision());
      OwnedMat out(compute(), c.query_rows, in.q.cols, layout), lse(DType::kF32, c.query_rows, c.heads, layout);
      const auto q = d.q.bytes(), k = d.k.bytes(), v = d.v.bytes();
      make(limits_of(c)).attention(d.q, d.k, d.v, c.spans, c.heads, c.causal, out, lse);
      EXPECT_TRUE(within(std::string("attention, ") + c.name, expected.out, out, bounds.out));
      EXPECT_TRUE(within(std::string("attention lse, ") + c.name, expected.lse, lse, bounds.lse));
      EXPECT_TRUE(q == d.q.bytes() && k == d.k.bytes() && v == d.v.bytes()) << c.name << ": inputs were written";
    }
}

TEST_P(Attention, BackwardMatchesTheDefinition) {
  for (const Case& c : cases())
    for (const Layout& layout : layouts()) {
      const Drawing d(c, compute(), layout, 2);
      const auto in = d.input(c);
      OwnedMat out(compute(), c.query_rows, in.q.cols, layout), lse(DType::kF32, c.query_rows, c.heads, layout);
      const auto forward = reference::attention(in);
      reference::write(forward.out, out);
      reference::write(forward.lse, lse);
      const reference::AttentionOutput<double> given{out.values(), lse.values()};
      const auto expected = reference::attention_backward(in, given, d.dout.values());
      const ForwardBounds exact{Values(c.query_rows, in.q.cols), Values(c.query_rows, c.heads)};
      const auto bounds = backward_bounds(in, given, exact, d.dout.values(), expected, compute(), precision());
      OwnedMat dq(compute(), c.query_rows, in.q.cols, layout), dk(compute(), c.key_rows, in.q.cols, layout), dv = dk;
      make(limits_of(c)).attention_backward(d.q, d.k, d.v, out, lse, d.dout, c.spans, c.heads, c.causal, dq, dk, dv);
      EXPECT_TRUE(within(std::string("attention dq, ") + c.name, expected.dq, dq, bounds.dq));
      EXPECT_TRUE(within(std::string("attention dk, ") + c.name, expected.dk, dk, bounds.dk));
      EXPECT_TRUE(within(std::string("attention dv, ") + c.name, expected.dv, dv, bounds.dv));
    }
}

// Hypotheses of one utterance share its encoder's keys.
TEST_P(Attention, LetsSeveralQueriesShareKeys) {
  const Case c{"shared", {{{0, 1}, {3, 12}}, {{1, 1}, {3, 12}}, {{2, 1}, {3, 12}}}, 3, 16, 2, 8, false};
  const Drawing d(c, compute(), kPlain, 3);
  const auto in = d.input(c);
  const auto expected = reference::attention(in);
  OwnedMat out(compute(), 3, 16), lse(DType::kF32, 3, 2);
  make(limits_of(c)).attention(d.q, d.k, d.v, c.spans, c.heads, c.causal, out, lse);
  EXPECT_TRUE(
      within("attention, shared keys", expected.out, out, forward_bounds(in, expected, compute(), precision()).out));
}

TEST_P(Attention, NeverReadsKeysThatAreNotSeen) {
  const Case c{"hidden", {{{0, 3}, {2, 5}}}, 4, 9, 1, 8, true};
  Drawing d(c, compute(), kPlain, 4);
  for (const std::int64_t hidden : {0, 1, 7, 8})
    for (std::int64_t i = 0; i < 8; ++i) store(d.k, hidden, i, NAN), store(d.v, hidden, i, NAN);
  OwnedMat out(compute(), 4, 8), lse(DType::kF32, 4, 1);
  make(limits_of(c)).attention(d.q, d.k, d.v, c.spans, c.heads, c.causal, out, lse);
  for (std::int64_t r = 0; r < 3; ++r)
    for (std::int64_t i = 0; i < 8; ++i) EXPECT_FALSE(std::isnan(out.mat().at(r, i))) << r << " " << i;
  EXPECT_TRUE(all_zero(out.values(), 3)) << "a row outside every span";
  // The last key of the span is seen by the last query alone.
  store(d.k, 6, 0, NAN);
  make(limits_of(c)).attention(d.q, d.k, d.v, c.spans, c.heads, c.causal, out, lse);
  EXPECT_FALSE(std::isnan(out.mat().at(1, 0)));
  EXPECT_TRUE(all_nan(out.values(), 2));
}

// exp of these scores overflows unless the largest is subtracted.
TEST_P(Attention, StandsLargeScores) {
  const Case c{"large", {{{0, 2}, {0, 40}}}, 2, 40, 1, 4, false};
  Drawing d(c, compute(), kPlain, 5);
  for (OwnedMat* m : {&d.q, &d.k})
    for (std::int64_t r = 0; r < m->mat().rows; ++r)
      for (std::int64_t i = 0; i < 4; ++i) store(*m, r, i, 16 * m->mat().at(r, i));
  const auto in = d.input(c);
  const auto expected = reference::attention(in);
  const ForwardBounds bounds = forward_bounds(in, expected, compute(), precision());
  OwnedMat out(compute(), 2, 4), lse(DType::kF32, 2, 1);
  make(limits_of(c)).attention(d.q, d.k, d.v, c.spans, c.heads, c.causal, out, lse);
  EXPECT_GT(lse.mat().at(0, 0), 89) << "the case is meant to overflow f32";
  EXPECT_TRUE(within("attention, large scores", expected.out, out, bounds.out));
  EXPECT_TRUE(within("attention lse, large scores", expected.lse, lse, bounds.lse));
}

class AttentionInF32 : public OnEveryBackend {};

TEST_P(AttentionInF32, BackwardIsTheAdjointOfTheForward) {
  for (const Case& c : cases()) {
    const Drawing d(c, DType::kF32, kPlain, 6);
    const auto in = d.input(c);
    OwnedMat out(DType::kF32, c.query_rows, in.q.cols), lse(DType::kF32, c.query_rows, c.heads), dq = out;
    OwnedMat dk(DType::kF32, c.key_rows, in.q.cols), dv = dk;
    Backend& backend = make(limits_of(c));
    backend.attention(d.q, d.k, d.v, c.spans, c.heads, c.causal, out, lse);
    backend.attention_backward(d.q, d.k, d.v, out, lse, d.dout, c.spans, c.heads, c.causal, dq, dk, dv);
    const auto truth = reference::attention(in);
    const auto gradients = reference::attention_backward(in, truth, d.dout.values());
    const auto bounds = backward_bounds(in, truth, forward_bounds(in, truth, DType::kF32, precision()), d.dout.values(),
                                        gradients, DType::kF32, precision());
    expect_adjoint({std::string("attention, ") + c.name,
                    {{"q", in.q, dq.values(), bounds.dq},
                     {"k", in.k, dk.values(), bounds.dk},
                     {"v", in.v, dv.values(), bounds.dv}},
                    [&](const std::vector<Duals>& x) {
                      return reference::attention<Dual>({x[0], x[1], x[2], c.spans, c.heads, c.causal}).out;
                    },
                    d.dout.values()},
                   7);
  }
}

TEST(AttentionDefinition, MatchesNumbersComputedByHand) {
  // D = 4, so scores are halved: 2 / 2 = 1 and 0. Weights e / (e + 1) and 1 / (e + 1).
  reference::AttentionInput<double> in{Values(1, 4), Values(2, 4), Values(2, 4), {}, 1, false};
  const AttentionSpan span{{0, 1}, {0, 2}};
  in.spans = {&span, 1};
  in.q(0, 0) = 1;
  in.k(0, 0) = 2;
  in.v(0, 1) = 10;
  in.v(1, 2) = 10;
  const auto out = reference::attention(in);
  const double e = std::numbers::e;
  EXPECT_DOUBLE_EQ(out.out(0, 1), 10 * e / (e + 1));
  EXPECT_DOUBLE_EQ(out.out(0, 2), 10 / (e + 1));
  EXPECT_DOUBLE_EQ(out.out(0, 0), 0);
  EXPECT_DOUBLE_EQ(out.lse(0, 0), std::log(e + 1));
}

INSTANTIATE_TEST_SUITE_P(Backends, Attention, ::testing::ValuesIn(all_backends()), case_name);
INSTANTIATE_TEST_SUITE_P(Backends, AttentionInF32, ::testing::ValuesIn(f32_backends()), case_name);

}  // namespace
}  // namespace sori::test
