#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/convert.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sori::kernels::HWY_NAMESPACE {

template <class From, class To>
void convert_rows(ConstMat x, float scale, Mat y) {
  const Vec factor = hn::Set(Floats(), scale);
  for (std::int64_t r = 0; r < x.rows; ++r) {
    const From* from = x.row<From>(r);
    To* to = y.row<To>(r);
    for_vectors(x.cols, [&](std::int64_t i, std::size_t n)
                            HWY_ATTR { store_some(hn::Mul(load_some(from + i, n), factor), to + i, n); });
  }
}

void convert(ConstMat x, float scale, Mat y) {
  require(x.same_shape(y), "conversion keeps the shape");
  if (x.type == y.type && scale == 1) {
    for (std::int64_t r = 0; r < x.rows; ++r)
      std::memmove(y.row_range(r, 1).data, x.row_range(r, 1).data, static_cast<std::size_t>(x.cols) * size_of(x.type));
    return;
  }
  with_type(y.type, [&](auto* to) HWY_ATTR {
    using To = std::remove_pointer_t<decltype(to)>;
    if (x.type == DType::kF16) return convert_rows<f16, To>(x, scale, y);
    with_type(x.type,
              [&](auto* from) HWY_ATTR { convert_rows<std::remove_pointer_t<decltype(from)>, To>(x, scale, y); });
  });
}

// A cache line of each row of y at a time.
template <class Word>
void transpose_words(ConstMat x, Mat y) {
  constexpr hn::ScalableTag<Word> d;
  constexpr std::int64_t kLine = 64 / sizeof(Word);
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  alignas(64) Word lines[hn::MaxLanes(d) * kLine], four[4 * hn::MaxLanes(d)];
  for (std::int64_t r0 = 0; r0 < y.cols; r0 += kLine) {
    const std::int64_t rows = std::clamp<std::int64_t>(x.rows - r0, 0, kLine), width = std::min(kLine, y.cols - r0);
    for (std::int64_t c0 = 0; c0 < x.cols; c0 += lanes) {
      const std::int64_t cols = std::min(lanes, x.cols - c0);
      const auto row = [&](std::int64_t r) { return x.row<Word>(r0 + r) + c0; };
      if (rows < kLine) std::fill_n(lines, cols * kLine, Word{0});
      std::int64_t r = 0;
      if (cols == lanes)
        for (; r + 4 <= rows; r += 4) {
          hn::StoreInterleaved4(hn::LoadU(d, row(r)), hn::LoadU(d, row(r + 1)), hn::LoadU(d, row(r + 2)),
                                hn::LoadU(d, row(r + 3)), d, four);
          for (std::int64_t c = 0; c < lanes; ++c) std::memcpy(lines + c * kLine + r, four + 4 * c, 4 * sizeof(Word));
        }
      for (; r < rows; ++r)
        for (std::int64_t c = 0; c < cols; ++c) lines[c * kLine + r] = row(r)[c];
      for (std::int64_t c = 0; c < cols; ++c)
        std::memcpy(y.row<Word>(c0 + c) + r0, lines + c * kLine, static_cast<std::size_t>(width) * sizeof(Word));
    }
  }
}

void transpose(ConstMat x, Mat y) {
  require(y.rows == x.cols && y.cols >= x.rows && y.type == x.type, "transposed: y [C, >= N], x [N, C] of one type");
  with_type(x.type, [&](auto* type) {
    transpose_words<std::conditional_t<sizeof(*type) == 2, std::uint16_t, std::uint32_t>>(x, y);
  });
}

void add_to(ConstMat x, Mat y) {
  require(x.same_shape(y) && y.type == DType::kF32, "a sum keeps the shape and is f32");
  with_type(x.type, [&](auto* type) HWY_ATTR {
    using T = std::remove_pointer_t<decltype(type)>;
    for (std::int64_t r = 0; r < x.rows; ++r) {
      const T* from = x.row<T>(r);
      float* to = y.row<float>(r);
      for_vectors(x.cols, [&](std::int64_t i, std::size_t n) HWY_ATTR {
        store_some(hn::Add(load_some(to + i, n), load_some(from + i, n)), to + i, n);
      });
    }
  });
}

// y = op(y, v) in each row, for a vector v of its columns.
template <class Op>
HWY_INLINE void with_vector(const float* v, Mat y, Op op) {
  for (std::int64_t r = 0; r < y.rows; ++r) {
    float* to = y.row<float>(r);
    for_vectors(y.cols, [&](std::int64_t i, std::size_t n)
                            HWY_ATTR { store_some(op(load_some(to + i, n), load_some(v + i, n)), to + i, n); });
  }
}

void add_vector(const float* bias, Mat y) {
  with_vector(bias, y, [](Vec a, Vec b) HWY_ATTR { return hn::Add(a, b); });
}

void scale_columns(const float* gain, Mat y) {
  with_vector(gain, y, [](Vec a, Vec b) HWY_ATTR { return hn::Mul(a, b); });
}

void column_sums(ConstMat x, float* sums) {
  with_type(x.type, [&](auto* type) HWY_ATTR {
    using T = std::remove_pointer_t<decltype(type)>;
    for (std::int64_t r = 0; r < x.rows; ++r) {
      const T* from = x.row<T>(r);
      for_vectors(x.cols, [&](std::int64_t i, std::size_t n) HWY_ATTR {
        store_some(hn::Add(load_some(sums + i, n), load_some(from + i, n)), sums + i, n);
      });
    }
  });
}

const char* instruction_set() { return hwy::TargetName(HWY_TARGET); }

}  // namespace sori::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sori::kernels {
HWY_EXPORT(convert);
HWY_EXPORT(transpose);
HWY_EXPORT(add_to);
HWY_EXPORT(add_vector);
HWY_EXPORT(scale_columns);
HWY_EXPORT(column_sums);
HWY_EXPORT(instruction_set);
void convert(ConstMat x, float scale, Mat y) { HWY_DYNAMIC_DISPATCH(convert)(x, scale, y); }
void transpose(ConstMat x, Mat y) { HWY_DYNAMIC_DISPATCH(transpose)(x, y); }
void add_to(ConstMat x, Mat y) { HWY_DYNAMIC_DISPATCH(add_to)(x, y); }
void add_vector(const float* bias, Mat y) { HWY_DYNAMIC_DISPATCH(add_vector)(bias, y); }
void scale_columns(const float* gain, Mat y) { HWY_DYNAMIC_DISPATCH(scale_columns)(gain, y); }
void column_sums(ConstMat x, float* sums) { HWY_DYNAMIC_DISPATCH(column_sums)(x, sums); }
const char* instruction_set() { return HWY_DYNAMIC_DISPATCH(instruction_set)(); }
}  // namespace sori::kernels
#endif
