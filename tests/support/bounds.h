// Tolerances, each a formula with its derivation. u is the unit roundoff of a format: half the distance between 1 and
// the next number. "Higham" is N. Higham, "Accuracy and stability of numerical algorithms", 2nd edition, 2002.
#pragma once

#include <cmath>

#include "support/draw.h"

namespace sori::test {

inline constexpr double kRoundoffF64 = 0x1p-53, kRoundoffF32 = 0x1p-24, kRoundoffF16 = 0x1p-11, kRoundoffBF16 = 0x1p-8;

constexpr double roundoff(DType t) {
  return t == DType::kF32 ? kRoundoffF32 : t == DType::kF16 ? kRoundoffF16 : kRoundoffBF16;
}

// How an implementation computes between its inputs and its results.
struct Precision {
  double sum = kRoundoffF32;  // u of the type in which it adds and multiplies
  double operand = 0;         // u of what it computes itself and feeds into a product (probabilities, dscores, dlogits)
  double function = 8;        // error of exp, log and erf in units of sum: 4 ulp, an ulp is at most 2 u
};

// gamma_n = n u / (1 - n u): any order of n additions and products has at most this relative error against the sum of
// the absolute values of its terms (Higham, lemma 3.1 and equation 3.5).
constexpr double gamma(double n, double u) { return n * u / (1 - n * u); }

// Storing x: one rounding to f32 and one more where the type is narrower; the smallest f32 and bf16 subnormals are far
// below anything drawn, so only their order of magnitude is added.
inline double storage(DType t, double x) {
  return std::abs(x) * (kRoundoffF32 + (t == DType::kF32 ? 0 : roundoff(t) * (1 + kRoundoffF32))) + 0x1p-126;
}

inline Values storage(DType t, const Values& x) {
  Values b = x;
  for (double& v : b.data) v = storage(t, v);
  return b;
}

inline Values magnitude(Values x) {
  for (double& v : x.data) v = std::abs(v);
  return x;
}

// exp of a number that is off by at most `error`: relative error, plus the function's own.
inline double exp_relative(double error, const Precision& p) { return std::expm1(error) + p.function * p.sum; }

}  // namespace sori::test
