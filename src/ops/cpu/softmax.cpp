#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/softmax.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <limits>

#include "ops/cpu/kernels.h"
#include "ops/cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sori::kernels::HWY_NAMESPACE {

HWY_INLINE float sum_lanes(Vec v) { return hn::GetLane(hn::SumOfLanes(Floats(), v)); }

HWY_INLINE float row_maximum(const float* x, std::int64_t n) {
  Vec largest = constant(-std::numeric_limits<float>::infinity());
  for_vectors(n, [&](std::int64_t i, std::size_t left) HWY_ATTR {
    if (HWY_LIKELY(left >= hn::Lanes(Floats()))) {
      largest = hn::Max(largest, load(x + i));
    } else {
      largest = hn::Max(largest, hn::IfThenElse(hn::FirstN(Floats(), left), load_some(x + i, left), largest));
    }
  });
  return hn::GetLane(hn::MaxOfLanes(Floats(), largest));
}

template <class T>
void zero_tail(T* row, std::int64_t from, std::int64_t to) {
  if (from < to) std::memset(row + from, 0, static_cast<std::size_t>(to - from) * sizeof(T));
}

// p = exp(scale * x - shift) for the first n; returns the sum.
template <class T>
HWY_INLINE float exponentials(const float* x, std::int64_t n, float scale, float shift, T* p) {
  const Vec factor = constant(scale), minus = constant(shift);
  const auto exp_of = [&](Vec v) HWY_ATTR { return exp_small(hn::MulSub(v, factor, minus)); };
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(Floats()));
  Vec sum = hn::Zero(Floats()), sum2 = hn::Zero(Floats());
  std::int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const Vec a = exp_of(load(x + i)), b = exp_of(load(x + i + lanes));
    sum = hn::Add(sum, a);
    sum2 = hn::Add(sum2, b);
    store_two(a, b, p + i);
  }
  for_vectors(n - i, [&](std::int64_t j, std::size_t left) HWY_ATTR {
    Vec e = exp_of(load_some(x + i + j, left));
    if (left < hn::Lanes(Floats())) e = hn::IfThenElseZero(hn::FirstN(Floats(), left), e);
    sum = hn::Add(sum, e);
    store_some(e, p + i + j, left);
  });
  return sum_lanes(hn::Add(sum, sum2));
}

void softmax(Mat x, float scale, float* sum, float* lse) {
  float* const row = x.row<float>(0);
  const float largest = scale * row_maximum(row, x.cols);
  *sum = exponentials(row, x.cols, scale, largest, row);
  *lse = largest + std::log(*sum);
}

void online_softmax(ConstMat scores, const std::int64_t* counts, float scale, Mat p, float* largest, float* sums,
                    float* factors) {
  with_type(p.type, [&](auto* type) HWY_ATTR {
    using T = std::remove_pointer_t<decltype(type)>;
    for (std::int64_t r = 0; r < scores.rows; ++r) {
      const float* x = scores.row<float>(r);
      factors[r] = 1;
      if (counts[r] > 0) {
        const float before = largest[r];
        largest[r] = std::max(before, scale * row_maximum(x, counts[r]));
        factors[r] = std::exp(before - largest[r]);
        sums[r] = sums[r] * factors[r] + exponentials(x, counts[r], scale, largest[r], p.row<T>(r));
      }
      zero_tail(p.row<T>(r), counts[r], p.cols);
    }
  });
}

void scale_rows(const float* factors, Mat x) {
  for (std::int64_t r = 0; r < x.rows; ++r) {
    const Vec factor = constant(factors[r]);
    float* row = x.row<float>(r);
    for_vectors(x.cols, [&](std::int64_t i, std::size_t n)
                            HWY_ATTR { store_some(hn::Mul(load_some(row + i, n), factor), row + i, n); });
  }
}

// A row of p and ds.
template <class T>
HWY_INLINE void backward_row(const float* x, const float* dp, std::int64_t n, float scale, float lse, float delta, T* p,
                             T* ds) {
  const Vec factor = constant(scale), minus = constant(lse), mean = constant(delta);
  const auto exp_of = [&](Vec v) HWY_ATTR { return exp_small(hn::MulSub(v, factor, minus)); };
  const auto slope = [&](Vec e, Vec d) HWY_ATTR { return hn::Mul(hn::Mul(e, factor), hn::Sub(d, mean)); };
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(Floats()));
  std::int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const Vec a = exp_of(load(x + i)), b = exp_of(load(x + i + lanes));
    store_two(a, b, p + i);
    store_two(slope(a, load(dp + i)), slope(b, load(dp + i + lanes)), ds + i);
  }
  for_vectors(n - i, [&](std::int64_t j, std::size_t left) HWY_ATTR {
    const Vec e = exp_of(load_some(x + i + j, left));
    store_some(e, p + i + j, left);
    store_some(slope(e, load_some(dp + i + j, left)), ds + i + j, left);
  });
}

void softmax_backward(ConstMat scores, ConstMat dp, const std::int64_t* counts, float scale, const float* lse,
                      const float* delta, Mat p, Mat ds) {
  with_type(p.type, [&](auto* type) HWY_ATTR {
    using T = std::remove_pointer_t<decltype(type)>;
    for (std::int64_t r = 0; r < scores.rows; ++r) {
      backward_row(scores.row<float>(r), dp.row<float>(r), counts[r], scale, lse[r], delta[r], p.row<T>(r),
                   ds.row<T>(r));
      zero_tail(p.row<T>(r), counts[r], p.cols);
      zero_tail(ds.row<T>(r), counts[r], ds.cols);
    }
  });
}

void divide_rows(ConstMat x, const float* divisors, Mat y) {
  with_type(y.type, [&](auto* type) HWY_ATTR {
    using T = std::remove_pointer_t<decltype(type)>;
    for (std::int64_t r = 0; r < x.rows; ++r) {
      const Vec factor = constant(divisors[r] == 0 ? 0 : 1 / divisors[r]);
      for_vectors(x.cols, [&](std::int64_t i, std::size_t n) HWY_ATTR {
        store_some(hn::Mul(load_some(x.row<float>(r) + i, n), factor), y.row<T>(r) + i, n);
      });
    }
  });
}

template <class A, class B>
HWY_INLINE float dot(const A* a, const B* b, std::int64_t n) {
  Vec sum = hn::Zero(Floats());
  for_vectors(n, [&](std::int64_t i, std::size_t left)
                     HWY_ATTR { sum = hn::MulAdd(load_some(a + i, left), load_some(b + i, left), sum); });
  return sum_lanes(sum);
}

void row_dots(ConstMat a, ConstMat b, float* dots) {
  with_type(a.type, [&](auto* type) HWY_ATTR {
    using T = std::remove_pointer_t<decltype(type)>;
    for (std::int64_t r = 0; r < a.rows; ++r) dots[r] = dot(a.row<T>(r), b.row<float>(r), a.cols);
  });
}

void query_scores(ConstMat q, ConstMat k, Mat scores) {
  const std::int64_t width = q.cols / scores.rows;
  with_type(q.type, [&](auto* type) HWY_ATTR {
    using T = std::remove_pointer_t<decltype(type)>;
    for (std::int64_t j = 0; j < k.rows; ++j)
      for (std::int64_t h = 0; h < scores.rows; ++h)
        scores.row<float>(h)[j] = dot(q.row<T>(0) + h * width, k.row<T>(j) + h * width, width);
  });
}

void weighted_rows(ConstMat p, ConstMat v, float* out) {
  const std::int64_t width = v.cols / p.rows;
  std::fill(out, out + v.cols, 0.0f);
  with_type(v.type, [&](auto* type) HWY_ATTR {
    using T = std::remove_pointer_t<decltype(type)>;
    for (std::int64_t j = 0; j < v.rows; ++j)
      for (std::int64_t h = 0; h < p.rows; ++h) {
        const Vec weight = constant(p.row<float>(h)[j]);
        const T* row = v.row<T>(j) + h * width;
        float* to = out + h * width;
        for_vectors(width, [&](std::int64_t i, std::size_t n) HWY_ATTR {
          store_some(hn::MulAdd(weight, load_some(row + i, n), load_some(to + i, n)), to + i, n);
        });
      }
  });
}

HWY_INLINE float row_sum(const float* x, std::int64_t n) {
  Vec sum = hn::Zero(Floats());
  for_vectors(n, [&](std::int64_t i, std::size_t left) HWY_ATTR { sum = hn::Add(sum, load_some(x + i, left)); });
  return sum_lanes(sum);
}

float cross_entropy(float* logits, std::int64_t n, std::int64_t target, float scale, float smoothing, Mat y) {
  const auto classes = static_cast<float>(n);
  const float hit = logits[target], largest = row_maximum(logits, n);
  const float mean = smoothing > 0 ? row_sum(logits, n) / classes : 0;
  const float sum = exponentials(logits, n, 1, largest, logits), lse = largest + std::log(sum);
  const float loss = (1 - smoothing) * (lse - hit) + (smoothing > 0 ? smoothing * (lse - mean) : 0);
  if (y.empty()) return loss;
  const float target_p = logits[target] / sum;
  const Vec factor = constant(scale / sum), minus = constant(scale * smoothing / classes);
  with_type(y.type, [&](auto* type) HWY_ATTR {
    using T = std::remove_pointer_t<decltype(type)>;
    T* to = y.row<T>(0);
    for_vectors(n, [&](std::int64_t i, std::size_t left)
                       HWY_ATTR { store_some(hn::MulSub(load_some(logits + i, left), factor, minus), to + i, left); });
    to[target] = from_float<T>(scale * (target_p - smoothing / classes - (1 - smoothing)));
  });
  return loss;
}

}  // namespace sori::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sori::kernels {
HWY_EXPORT(softmax);
HWY_EXPORT(online_softmax);
HWY_EXPORT(scale_rows);
HWY_EXPORT(softmax_backward);
HWY_EXPORT(divide_rows);
HWY_EXPORT(row_dots);
HWY_EXPORT(query_scores);
HWY_EXPORT(weighted_rows);
HWY_EXPORT(cross_entropy);
void softmax(Mat x, float scale, float* sum, float* lse) { HWY_DYNAMIC_DISPATCH(softmax)(x, scale, sum, lse); }
void online_softmax(ConstMat scores, const std::int64_t* counts, float scale, Mat p, float* largest, float* sums,
                    float* factors) {
  HWY_DYNAMIC_DISPATCH(online_softmax)(scores, counts, scale, p, largest, sums, factors);
}
void scale_rows(const float* factors, Mat x) { HWY_DYNAMIC_DISPATCH(scale_rows)(factors, x); }
void softmax_backward(ConstMat scores, ConstMat dp, const std::int64_t* counts, float scale, const float* lse,
                      const float* delta, Mat p, Mat ds) {
  HWY_DYNAMIC_DISPATCH(softmax_backward)(scores, dp, counts, scale, lse, delta, p, ds);
}
void divide_rows(ConstMat x, const float* divisors, Mat y) { HWY_DYNAMIC_DISPATCH(divide_rows)(x, divisors, y); }
void row_dots(ConstMat a, ConstMat b, float* dots) { HWY_DYNAMIC_DISPATCH(row_dots)(a, b, dots); }
void query_scores(ConstMat q, ConstMat k, Mat scores) { HWY_DYNAMIC_DISPATCH(query_scores)(q, k, scores); }
void weighted_rows(ConstMat p, ConstMat v, float* out) { HWY_DYNAMIC_DISPATCH(weighted_rows)(p, v, out); }
float cross_entropy(float* logits, std::int64_t n, std::int64_t target, float scale, float smoothing, Mat y) {
  return HWY_DYNAMIC_DISPATCH(cross_entropy)(logits, n, target, scale, smoothing, y);
}
}  // namespace sori::kernels
#endif
