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

// One step of f32 weights, in the order of torch.optim.AdamW.
void adamw(const AdamW& how, ConstMat gradient, Mat weight, Mat m, Mat v) {
  const double step = static_cast<double>(how.step);
  const double correct1 = 1 - std::pow(how.beta1, step), correct2 = 1 - std::pow(how.beta2, step);
  const auto set = [](double x) HWY_ATTR { return constant(static_cast<float>(x)); };
  const Vec scale = set(how.gradient_scale), keep = set(1 - how.learning_rate * how.weight_decay);
  const Vec beta1 = set(how.beta1), rest1 = set(1 - how.beta1), beta2 = set(how.beta2), rest2 = set(1 - how.beta2);
  const Vec rate = set(how.learning_rate / correct1), root2 = set(std::sqrt(correct2)), epsilon = set(how.epsilon);
  for (std::int64_t r = 0; r < weight.rows; ++r) {
    const float* gs = gradient.row<float>(r);
    float *ws = weight.row<float>(r), *ms = m.row<float>(r), *vs = v.row<float>(r);
    for_vectors(weight.cols, [&](std::int64_t i, std::size_t n) HWY_ATTR {
      const Vec g = hn::Mul(load_some(gs + i, n), scale);
      const Vec m1 = hn::MulAdd(beta1, load_some(ms + i, n), hn::Mul(rest1, g));
      const Vec v1 = hn::MulAdd(beta2, load_some(vs + i, n), hn::Mul(rest2, hn::Mul(g, g)));
      const Vec below = hn::Add(hn::Div(hn::Sqrt(v1), root2), epsilon);
      const Vec w1 = hn::NegMulAdd(rate, hn::Div(m1, below), hn::Mul(load_some(ws + i, n), keep));
      store_some(m1, ms + i, n);
      store_some(v1, vs + i, n);
      store_some(w1, ws + i, n);
    });
  }
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
HWY_EXPORT(adamw);
HWY_EXPORT(sum_squares);
void gelu(Mat x) { HWY_DYNAMIC_DISPATCH(gelu)(x); }
void gelu_backward(ConstMat pre, ConstMat dy, Mat dx) { HWY_DYNAMIC_DISPATCH(gelu_backward)(pre, dy, dx); }
void adamw(const AdamW& how, ConstMat gradient, Mat weight, Mat m, Mat v) {
  HWY_DYNAMIC_DISPATCH(adamw)(how, gradient, weight, m, v);
}
double sum_squares(ConstMat x) { return HWY_DYNAMIC_DISPATCH(sum_squares)(x); }
}  // namespace sori::kernels
#endif
