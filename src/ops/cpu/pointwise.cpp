#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/pointwise.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/cpu/kernels.h"
#include "ops/cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sori::kernels::HWY_NAMESPACE {

void gelu(Mat x) {
  for (std::int64_t r = 0; r < x.rows; ++r) {
    float* row = x.row<float>(r);
    for_vectors(x.cols, [&](std::int64_t i, std::size_t n)
                            HWY_ATTR { store_some(gelu_of(load_some(row + i, n)), row + i, n); });
  }
}

void gelu_backward(ConstMat pre, ConstMat dy, Mat dx) {
  with_type(pre.type, [&](auto* pre_type) HWY_ATTR {
    with_type(dx.type, [&](auto* dx_type) HWY_ATTR {
      for (std::int64_t r = 0; r < pre.rows; ++r) {
        const auto* x = pre.row<std::remove_pointer_t<decltype(pre_type)>>(r);
        const float* from = dy.row<float>(r);
        auto* to = dx.row<std::remove_pointer_t<decltype(dx_type)>>(r);
        for_vectors(pre.cols, [&](std::int64_t i, std::size_t n) HWY_ATTR {
          store_some(hn::Mul(load_some(from + i, n), gelu_slope(load_some(x + i, n))), to + i, n);
        });
      }
    });
  });
}

void gain_backward(ConstMat y, const float* bias, const float* gain, Mat dy, float* sums) {
  require(y.same_shape(dy) && y.type == dy.type, "a result and its gradient are alike");
  with_type(dy.type, [&](auto* type) HWY_ATTR {
    using T = std::remove_pointer_t<decltype(type)>;
    for (std::int64_t r = 0; r < dy.rows; ++r) {
      const T* from = y.row<T>(r);
      T* to = dy.row<T>(r);
      for_vectors(dy.cols, [&](std::int64_t i, std::size_t n) HWY_ATTR {
        const Vec d = load_some(to + i, n), result = load_some(from + i, n);
        const Vec scaled = bias ? hn::Sub(result, load_some(bias + i, n)) : result;
        store_some(hn::MulAdd(d, scaled, load_some(sums + i, n)), sums + i, n);
        store_some(hn::Mul(d, load_some(gain + i, n)), to + i, n);
      });
    }
  });
}

double sum_squares(ConstMat x) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> half;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto sum = hn::Zero(d);
  double rest = 0;
  for (std::int64_t r = 0; r < x.rows; ++r) {
    const float* row = x.row<float>(r);
    std::int64_t i = 0;
    for (; i + lanes <= x.cols; i += lanes) {
      const auto wide = hn::PromoteTo(d, hn::LoadU(half, row + i));
      sum = hn::MulAdd(wide, wide, sum);
    }
    for (; i < x.cols; ++i) rest += double{row[i]} * row[i];
  }
  return hn::GetLane(hn::SumOfLanes(d, sum)) + rest;
}

}  // namespace sori::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sori::kernels {
HWY_EXPORT(gelu);
HWY_EXPORT(gelu_backward);
HWY_EXPORT(gain_backward);
HWY_EXPORT(sum_squares);
void gelu(Mat x) { HWY_DYNAMIC_DISPATCH(gelu)(x); }
void gelu_backward(ConstMat pre, ConstMat dy, Mat dx) { HWY_DYNAMIC_DISPATCH(gelu_backward)(pre, dy, dx); }
void gain_backward(ConstMat y, const float* bias, const float* gain, Mat dy, float* sums) {
  HWY_DYNAMIC_DISPATCH(gain_backward)(y, bias, gain, dy, sums);
}
double sum_squares(ConstMat x) { return HWY_DYNAMIC_DISPATCH(sum_squares)(x); }
}  // namespace sori::kernels
#endif
