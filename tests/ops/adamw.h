// A step of AdamW as its definition says it in double, and how far from it f32 may be: what a backend is held to, and
// what bitsandbytes is.
#pragma once

#include <cstring>

#include "ops/reference/optimizer.h"
#include "support/bounds.h"
#include "support/compare.h"

namespace sori::test {

// One step on a weight and its moments, in any of the ways they are kept.
struct Tensors {
  Tensors(OwnedMat start, bool coded)
      : weight(std::move(start)),
        m(coded ? DType::kU8 : DType::kF32, weight.mat().rows, weight.mat().cols),
        v(m),
        m_absmax(static_cast<std::size_t>(dynamic_blocks(weight.mat().size()))),
        v_absmax(m_absmax) {
    for (OwnedMat* moment : {&m, &v})
      std::memset(moment->mat().data, 0, static_cast<std::size_t>(weight.mat().size()) * size_of(moment->mat().type));
  }
  Moment first() { return {m, m_absmax.data()}; }
  Moment second() { return {v, v_absmax.data()}; }
  Values m_values() { return reference::read(first(), kSignedDynamicMap); }
  Values v_values() { return reference::read(second(), kUnsignedDynamicMap); }

  OwnedMat weight, m, v;
  std::vector<float> m_absmax, v_absmax;
};

// What one step must give, in double, and how far f32 may be from it.
struct Expected {
  Values w, m, v, w_bound, m_bound, v_bound;
};

// Roundings in f32, counted along the formula. First moment: two products and a sum. Second: one product more, all
// terms positive. The step m / (sqrt v + epsilon) has the error of m and half that of v, and nine roundings of its own;
// the weight two. A decoded moment is a product: one rounding more.
inline Expected expected_step(const AdamW& how, const Values& g, Tensors& t) {
  const Values before_m = t.m_values(), before_w = t.weight.values();
  Expected e{before_w, before_m, t.v_values(), before_w, before_w, before_w};
  for (std::size_t i = 0; i < g.data.size(); ++i) {
    reference::adamw_step(how, g.data[i], e.w.data[i], e.m.data[i], e.v.data[i]);
    const double moment_terms =
        std::abs(how.beta1 * before_m.data[i]) + (1 - how.beta1) * std::abs(how.gradient_scale * g.data[i]);
    e.m_bound.data[i] = gamma(6, kRoundoffF32) * moment_terms + storage(DType::kF32, e.m.data[i]);
    e.v_bound.data[i] = gamma(8, kRoundoffF32) * e.v.data[i] + storage(DType::kF32, e.v.data[i]);
    const double denominator =
        std::sqrt(e.v.data[i] / (1 - std::pow(how.beta2, static_cast<double>(how.step)))) + how.epsilon;
    const double unit = how.learning_rate / (1 - std::pow(how.beta1, static_cast<double>(how.step))) / denominator;
    e.w_bound.data[i] = gamma(4, kRoundoffF32) * std::abs(before_w.data[i]) + unit * e.m_bound.data[i] +
                        gamma(15, kRoundoffF32) * unit * std::abs(e.m.data[i]) + storage(DType::kF32, e.w.data[i]);
  }
  return e;
}

// A bf16 weight is one that f32 numbers within the bound would have been rounded to by the same bits: rounding rises
// with the number.
inline void expect_rounded(const Expected& e, const AdamW& how, const OwnedMat& weight) {
  const Values actual = weight.values();
  for (std::size_t i = 0; i < actual.data.size(); ++i) {
    const auto rounded = [&](double x) {
      return to_float(reference::round_by_chance(static_cast<float>(x), reference::rounding_bits(how, i)));
    };
    ASSERT_LE(rounded(e.w.data[i] - e.w_bound.data[i]), actual.data[i]) << i;
    ASSERT_GE(rounded(e.w.data[i] + e.w_bound.data[i]), actual.data[i]) << i;
  }
}

// A code is one that moments within the bound would have got: codes rise with the number. absmax is the largest of
// numbers that have the bound of the block's worst; the quotient has one rounding.
inline void expect_coded(const DynamicMap& map, const Values& truth, const Values& bound, const Moment& actual) {
  const std::span codes(actual.values.row<std::uint8_t>(0), truth.data.size());
  std::size_t other = 0;
  for (std::size_t begin = 0; begin < codes.size(); begin += kDynamicBlock) {
    const std::size_t end = std::min<std::size_t>(begin + kDynamicBlock, codes.size());
    double absmax = 0, error = 0;
    for (std::size_t i = begin; i < end; ++i)
      absmax = std::max(absmax, std::abs(truth.data[i])), error = std::max(error, bound.data[i]);
    ASSERT_NEAR(actual.absmax[begin / kDynamicBlock], absmax, error);
    for (std::size_t i = begin; i < end; ++i) {
      const double x = truth.data[i] / absmax;
      const double off = (bound.data[i] + std::abs(x) * error) / (absmax - error) + 2 * kRoundoffF32 * std::abs(x);
      ASSERT_LE(nearest_code(map, static_cast<float>(x - off)), codes[i]) << i;
      ASSERT_GE(nearest_code(map, static_cast<float>(x + off)), codes[i]) << i;
      other += codes[i] != nearest_code(map, static_cast<float>(x));
    }
  }
  EXPECT_LE(other, codes.size() / 100) << "codes that only rounding explains are rare";
}

}  // namespace sori::test
