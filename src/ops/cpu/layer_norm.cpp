#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/layer_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sori::kernels::HWY_NAMESPACE {

constexpr double kEpsilon = 1e-5;

// The sum over a row of term(column, columns left); a term is zero behind the row's end.
template <class Term>
HWY_INLINE float sum_row(std::int64_t cols, Term&& term) {
  Vec sum = hn::Zero(Floats());
  for_vectors(cols, [&](std::int64_t i, std::size_t n) HWY_ATTR { sum = hn::Add(sum, term(i, n)); });
  return hn::GetLane(hn::SumOfLanes(Floats(), sum));
}

template <class From, class To>
void norm_row(const From* x, const float* gain, const float* bias, std::int64_t cols, To* y, float* stats) {
  const auto width = static_cast<float>(cols);
  const float mean = sum_row(cols, [&](auto i, auto n) HWY_ATTR { return load_some(x + i, n); }) / width;
  const Vec center = hn::Set(Floats(), mean);
  const float squares = sum_row(cols, [&](auto i, auto n) HWY_ATTR {
    const Vec c = hn::Sub(load_some(x + i, n), center);
    const auto inside = hn::FirstN(Floats(), n);
    return hn::IfThenElseZero(inside, hn::Mul(c, c));
  });
  stats[0] = mean;
  stats[1] = static_cast<float>(1 / std::sqrt(static_cast<double>(squares / width) + kEpsilon));
  const Vec rstd = hn::Set(Floats(), stats[1]);
  for_vectors(cols, [&](std::int64_t i, std::size_t n) HWY_ATTR {
    const Vec c = hn::Mul(hn::Sub(load_some(x + i, n), center), rstd);
    store_some(hn::MulAdd(c, load_some(gain + i, n), load_some(bias + i, n)), y + i, n);
  });
}

void layer_norm(ConstMat x, const float* gain, const float* bias, Mat y, Mat stats) {
  with_type(x.type, [&](auto* from) HWY_ATTR {
    with_type(y.type, [&](auto* to) HWY_ATTR {
      using From = std::remove_pointer_t<decltype(from)>;
      using To = std::remove_pointer_t<decltype(to)>;
      for (std::int64_t r = 0; r < x.rows; ++r)
        norm_row(x.row<From>(r), gain, bias, x.cols, y.row<To>(r), stats.row<float>(r));
    });
  });
}

// With n = (x - mean) rstd and g = dy gain: dx += rstd (g - mean of g - n * mean of g n).
template <class From>
void norm_row_backward(const From* x, const float* stats, const float* gain, const float* dy, std::int64_t cols,
                       float* dx, float* dgain, float* dbias) {
  const Vec mean = hn::Set(Floats(), stats[0]), rstd = hn::Set(Floats(), stats[1]);
  const auto n_of = [&](std::int64_t i, std::size_t n)
                        HWY_ATTR { return hn::Mul(hn::Sub(load_some(x + i, n), mean), rstd); };
  const auto g_of = [&](std::int64_t i, std::size_t n)
                        HWY_ATTR { return hn::Mul(load_some(dy + i, n), load_some(gain + i, n)); };
  const auto width = static_cast<float>(cols);
  const Vec mean_g = hn::Set(Floats(), sum_row(cols, g_of) / width);
  const Vec mean_gn = hn::Set(
      Floats(), sum_row(cols, [&](auto i, auto n) HWY_ATTR { return hn::Mul(g_of(i, n), n_of(i, n)); }) / width);
  for_vectors(cols, [&](std::int64_t i, std::size_t n) HWY_ATTR {
    const Vec normed = n_of(i, n), d = load_some(dy + i, n);
    const Vec inner = hn::NegMulAdd(normed, mean_gn, hn::Sub(hn::Mul(d, load_some(gain + i, n)), mean_g));
    store_some(hn::MulAdd(rstd, inner, load_some(dx + i, n)), dx + i, n);
    if (dgain) store_some(hn::MulAdd(d, normed, load_some(dgain + i, n)), dgain + i, n);
    if (dbias) store_some(hn::Add(load_some(dbias + i, n), d), dbias + i, n);
  });
}

void layer_norm_backward(ConstMat x, ConstMat stats, const float* gain, ConstMat dy, Mat dx, float* dgain,
                         float* dbias) {
  with_type(x.type, [&](auto* from) HWY_ATTR {
    using From = std::remove_pointer_t<decltype(from)>;
    for (std::int64_t r = 0; r < x.rows; ++r)
      norm_row_backward(x.row<From>(r), stats.row<float>(r), gain, dy.row<float>(r), x.cols, dx.row<float>(r), dgain,
                        dbias);
  });
}

}  // namespace sori::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sori::kernels {
HWY_EXPORT(layer_norm);
HWY_EXPORT(layer_norm_backward);
void layer_norm(ConstMat x, const float* gain, const float* bias, Mat y, Mat stats) {
  HWY_DYNAMIC_DISPATCH(layer_norm)(x, gain, bias, y, stats);
}
void layer_norm_backward(ConstMat x, ConstMat stats, const float* gain, ConstMat dy, Mat dx, float* dgain,
                         float* dbias) {
  HWY_DYNAMIC_DISPATCH(layer_norm_backward)(x, stats, gain, dy, dx, dgain, dbias);
}
}  // namespace sori::kernels
#endif
