// exp and the normal distribution. Included once per instruction set.
#if defined(SORI_OPS_CPU_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SORI_OPS_CPU_MATH_INL_H_
#undef SORI_OPS_CPU_MATH_INL_H_
#else
#define SORI_OPS_CPU_MATH_INL_H_
#endif

#include "ops/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sori::kernels::HWY_NAMESPACE {

HWY_INLINE Vec constant(float x) { return hn::Set(Floats(), x); }

// e^x for x <= 88, at most 2 ulp; below -87 it is e^-87. x = n ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts (Cody &
// Waite); e^r = 1 + r + r^2 q(r), q fitted to a relative error of 4e-9. Adding 1.5 * 2^23 + 127 leaves n + 127 in the
// low bits, from where a shift makes it the exponent of 2^n. NaN stays NaN.
HWY_INLINE Vec exp_small(Vec x) {
  const hn::RebindToSigned<Floats> i;
  const Vec shift = constant(12583039.0f);
  const Vec bounded = hn::IfThenElse(hn::Lt(x, constant(-87)), constant(-87), x);
  const Vec shifted = hn::MulAdd(bounded, constant(1.44269504f), shift), n = hn::Sub(shifted, shift);
  Vec r = hn::NegMulAdd(n, constant(0.693359375f), bounded);
  r = hn::NegMulAdd(n, constant(-2.12194440e-4f), r);
  Vec p = hn::MulAdd(r, constant(1.3814602e-3f), constant(8.3687156e-3f));
  p = hn::MulAdd(p, r, constant(4.1668389e-2f));
  p = hn::MulAdd(p, r, constant(0.16666521f));
  p = hn::MulAdd(p, r, constant(0.49999994f));
  p = hn::MulAdd(p, r, constant(1));
  p = hn::MulAdd(p, r, constant(1));
  return hn::Mul(p, hn::BitCast(Floats(), hn::ShiftLeft<23>(hn::BitCast(i, shifted))));
}

// What GELU and its slope are made of.
struct Normal {
  Vec density;   // exp(-x^2 / 2) / sqrt(2 pi)
  Vec integral;  // Phi(x), at most 6 ulp, and of small x too: 1 + erf would have lost those
};

// Phi(-a) = exp(-a^2 / 2) m(a) for a >= 0, where m is half of erfcx(a / sqrt 2). m(a) / u is a polynomial of degree 9
// in u - 1/2, u = 1 / (1 + 0.3 a), fitted on [0, 14] to a relative error of 4e-9.
HWY_INLINE Vec mills(Vec a) {
  constexpr float kFit[] = {0.22197062f,  0.32915896f,   0.34619883f,  0.22208272f, 0.029056476f,
                            -0.07755229f, -0.036458865f, 0.035920136f, 0.01961805f, -0.02061283f};
  const Vec u = hn::Div(constant(1), hn::MulAdd(a, constant(0.3f), constant(1))), v = hn::Sub(u, constant(0.5f));
  Vec m = constant(kFit[9]);
  for (int k = 8; k >= 0; --k) m = hn::MulAdd(m, v, constant(kFit[k]));
  return hn::Mul(m, u);
}

HWY_INLINE Normal normal(Vec x) {
  const Vec a = hn::Min(hn::Abs(x), constant(14));                    // Phi(-14) is below the smallest f32
  const Vec square = hn::Mul(a, a), lost = hn::MulSub(a, a, square);  // a^2 in two parts: its error would be exp's
  const Vec e = exp_small(hn::Mul(square, constant(-0.5f)));
  const Vec exact = hn::NegMulAdd(e, hn::Mul(lost, constant(0.5f)), e);
  const Vec tail = hn::Mul(exact, mills(a));
  const Vec integral = hn::IfThenElse(hn::Lt(x, constant(0)), tail, hn::Sub(constant(1), tail));
  return {hn::Mul(exact, constant(0.39894228f)), integral};
}

HWY_INLINE Vec gelu_of(Vec x) { return hn::IfThenElse(hn::IsNaN(x), x, hn::Mul(x, normal(x).integral)); }

// d gelu / dx = Phi(x) + x phi(x).
HWY_INLINE Vec gelu_slope(Vec x) {
  const Normal n = normal(x);
  return hn::IfThenElse(hn::IsNaN(x), x, hn::MulAdd(x, n.density, n.integral));
}

}  // namespace sori::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
