#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/strip_products.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sori::kernels::HWY_NAMESPACE {

// Twelve sums of two vectors fill the sixteen registers of AVX2 with two vectors of a strip and a number of a (Goto &
// van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008).
constexpr int kRows = 6;
constexpr std::int64_t kDepth = 256;  // of a strip that stays in L1

std::int64_t strip_columns() { return 2 * static_cast<std::int64_t>(hn::Lanes(Floats())); }

// to[i * stride + r] = number i of row r, for four rows of one vector each.
template <class T>
HWY_INLINE void turn_four(const T* const (&rows)[4], std::int64_t i, float* to, std::int64_t stride) {
  constexpr Floats d;
  alignas(64) float turned[4 * hn::MaxLanes(d)];
  hn::StoreInterleaved4(load(rows[0] + i), load(rows[1] + i), load(rows[2] + i), load(rows[3] + i), d, turned);
  for (std::size_t l = 0; l < hn::Lanes(d); ++l)
    std::memcpy(to + static_cast<std::int64_t>(l) * stride, turned + 4 * l, 4 * sizeof(float));
}

// Columns [j, j + 4) of a strip out of four rows of numbers.
template <class T>
void turn_rows(const T* const (&rows)[4], std::int64_t depth, float* to, std::int64_t stride) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(Floats()));
  std::int64_t i = 0;
  for (; i + lanes <= depth; i += lanes) turn_four(rows, i, to + i * stride, stride);
  for (; i < depth; ++i)
    for (int r = 0; r < 4; ++r) to[i * stride + r] = to_float(rows[r][i]);
}

// `depth` rows of a strip, from (k, first) of b on. Columns behind b's are zero.
template <class T>
void fill_strip(ConstMat b, bool transposed, std::int64_t k, std::int64_t depth, std::int64_t first, float* to) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(Floats()));
  const std::int64_t strip = 2 * lanes, cols = std::min(strip, (transposed ? b.rows : b.cols) - first);
  if (cols < strip) std::fill_n(to, depth * strip, 0.0f);
  if (transposed) {
    std::int64_t j = 0;
    for (; j + 4 <= cols; j += 4) {
      const auto row = [&](std::int64_t r) { return b.row<T>(first + j + r) + k; };
      turn_rows<T>({row(0), row(1), row(2), row(3)}, depth, to + j, strip);
    }
    for (; j < cols; ++j)
      for (std::int64_t i = 0; i < depth; ++i) to[i * strip + j] = to_float(b.row<T>(first + j)[k + i]);
    return;
  }
  for (std::int64_t i = 0; i < depth; ++i) {
    const T* from = b.row<T>(k + i) + first;
    if (HWY_LIKELY(cols == strip)) {
      store(load(from), to + i * strip);
      store(load(from + lanes), to + i * strip + lanes);
    } else {
      for (std::int64_t j = 0; j < cols; ++j) to[i * strip + j] = to_float(from[j]);
    }
  }
}

void pack_strips(ConstMat b, bool transposed, float* packed) {
  const std::int64_t strip = strip_columns(), depth = transposed ? b.cols : b.rows, n = transposed ? b.rows : b.cols;
  with_type(b.type, [&](auto* type) HWY_ATTR {
    for (std::int64_t first = 0; first < n; first += strip)
      fill_strip<std::remove_pointer_t<decltype(type)>>(b, transposed, 0, depth, first, packed + first * depth);
  });
}

struct StripSum {
  float scale;
  bool add;
};

// Rows of c and up to two vectors of its columns. a: number of row r and depth i at a[r * lda + i], transposed at
// a[i * lda + r].
template <int kCount, bool kTransposed>
HWY_INLINE void multiply_rows(const float* HWY_RESTRICT a, std::int64_t lda, const float* HWY_RESTRICT b,
                              std::int64_t depth, const StripSum& how, float* c, std::int64_t ldc, std::int64_t cols) {
  constexpr Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  Vec left[kCount], right[kCount];
#pragma GCC unroll 8
  for (int r = 0; r < kCount; ++r) left[r] = right[r] = hn::Zero(d);
  for (std::int64_t i = 0; i < depth; ++i) {
    const Vec b0 = load(b + i * 2 * lanes), b1 = load(b + (i * 2 + 1) * lanes);
#pragma GCC unroll 8
    for (int r = 0; r < kCount; ++r) {
      const Vec x = hn::Set(d, kTransposed ? a[i * lda + r] : a[r * lda + i]);
      left[r] = hn::MulAdd(x, b0, left[r]);
      right[r] = hn::MulAdd(x, b1, right[r]);
    }
  }
  const Vec scale = hn::Set(d, how.scale);
  const auto finish = [&](Vec sum, float* to, std::int64_t left_cols) HWY_ATTR {
    const auto n = static_cast<std::size_t>(left_cols);
    store_some(hn::MulAdd(sum, scale, how.add ? load_some(to, n) : hn::Zero(d)), to, n);
  };
#pragma GCC unroll 8
  for (int r = 0; r < kCount; ++r) {
    finish(left[r], c + r * ldc, cols);
    if (cols > lanes) finish(right[r], c + r * ldc + lanes, cols - lanes);
  }
}

// One strip of columns of c, over `depth` numbers from k on.
template <bool kTransposed>
void multiply_strip(ConstMat a, std::int64_t k, const float* strip, std::int64_t depth, const StripSum& how, Mat c,
                    std::int64_t first) {
  const std::int64_t cols = std::min(strip_columns(), c.cols - first);
  const auto rows_from = [&](std::int64_t r) { return kTransposed ? a.row<float>(k) + r : a.row<float>(r) + k; };
  std::int64_t row = 0;
  const auto rows = [&]<int kCount>() HWY_ATTR {
    for (; row + kCount <= c.rows; row += kCount)
      multiply_rows<kCount, kTransposed>(rows_from(row), a.stride, strip, depth, how, c.row<float>(row) + first,
                                         c.stride, cols);
  };
  rows.template operator()<kRows>();
  rows.template operator()<4>();
  rows.template operator()<2>();
  rows.template operator()<1>();
}

// strip_of(k, depth, first): `depth` rows from k on of the strip at column `first`.
template <class StripOf>
void multiply_by_strips(ConstMat a, bool a_transposed, float scale, bool add, Mat c, StripOf&& strip_of) {
  const std::int64_t depth = a_transposed ? a.rows : a.cols;
  for (std::int64_t k = 0; k < depth; k += kDepth)
    for (std::int64_t first = 0; first < c.cols; first += strip_columns()) {
      const std::int64_t here = std::min(kDepth, depth - k);
      const float* strip = strip_of(k, here, first);
      const StripSum how{scale, add || k > 0};
      a_transposed ? multiply_strip<true>(a, k, strip, here, how, c, first)
                   : multiply_strip<false>(a, k, strip, here, how, c, first);
    }
}

void multiply_packed(ConstMat a, bool a_transposed, const float* packed, float scale, bool add, Mat c) {
  const std::int64_t depth = a_transposed ? a.rows : a.cols;
  multiply_by_strips(a, a_transposed, scale, add, c, [&](std::int64_t k, std::int64_t, std::int64_t first) {
    return packed + first * depth + k * strip_columns();
  });
}

void multiply_plain(ConstMat a, bool a_transposed, ConstMat b, bool b_transposed, float scale, bool add, Mat c) {
  alignas(64) float strip[kDepth * 2 * hn::MaxLanes(Floats())];
  with_type(b.type, [&](auto* type) HWY_ATTR {
    multiply_by_strips(a, a_transposed, scale, add, c,
                       [&](std::int64_t k, std::int64_t depth, std::int64_t first) HWY_ATTR {
                         fill_strip<std::remove_pointer_t<decltype(type)>>(b, b_transposed, k, depth, first, strip);
                         return static_cast<const float*>(strip);
                       });
  });
}

}  // namespace sori::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sori::kernels {
HWY_EXPORT(strip_columns);
HWY_EXPORT(pack_strips);
HWY_EXPORT(multiply_packed);
HWY_EXPORT(multiply_plain);
std::int64_t strip_columns() { return HWY_DYNAMIC_DISPATCH(strip_columns)(); }
void pack_strips(ConstMat b, bool transposed, float* packed) {
  HWY_DYNAMIC_DISPATCH(pack_strips)(b, transposed, packed);
}
void multiply_packed(ConstMat a, bool a_transposed, const float* packed, float scale, bool add, Mat c) {
  HWY_DYNAMIC_DISPATCH(multiply_packed)(a, a_transposed, packed, scale, add, c);
}
void multiply_plain(ConstMat a, bool a_transposed, ConstMat b, bool b_transposed, float scale, bool add, Mat c) {
  HWY_DYNAMIC_DISPATCH(multiply_plain)(a, a_transposed, b, b_transposed, scale, add, c);
}
}  // namespace sori::kernels
#endif
