#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/codes.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sori::kernels::HWY_NAMESPACE {

HWY_INLINE hn::Vec<Ints> load_ints(const std::int32_t* p, std::size_t n) {
  if (HWY_LIKELY(n >= hn::Lanes(Ints()))) return hn::LoadU(Ints(), p);
  std::int32_t part[hn::MaxLanes(Floats())] = {};
  std::memcpy(part, p, n * sizeof(*p));
  return hn::LoadU(Ints(), part);
}

// As quantise_int8(), plus an offset, but for numbers that are none: they make the step none.
template <class T, class Code>
float encode_row(const T* x, std::int64_t cols, std::int32_t offset, Code* codes) {
  Vec largest = hn::Zero(Floats()), faults = hn::Zero(Floats());
  for_vectors(cols, [&](std::int64_t i, std::size_t n) HWY_ATTR {
    const Vec v = load_some(x + i, n);
    largest = hn::Max(largest, hn::Abs(v));
    faults = hn::MulAdd(v, hn::Zero(Floats()), faults);  // NaN of NaN and infinity
  });
  const float absmax = hn::GetLane(hn::MaxOfLanes(Floats(), largest));
  const float fault = hn::GetLane(hn::SumOfLanes(Floats(), faults));
  const bool usable = absmax > 0 && std::isfinite(127.0f / absmax);
  const Vec factor = hn::Set(Floats(), usable ? 127.0f / absmax : 0.0f);
  const hn::Rebind<Code, Floats> bytes;
  for_vectors(cols, [&](std::int64_t i, std::size_t n) HWY_ATTR {
    const auto code = hn::Add(hn::NearestInt(hn::Mul(load_some(x + i, n), factor)), hn::Set(Ints(), offset));
    store_codes(hn::DemoteTo(bytes, code), codes + i, n);
  });
  return (usable ? absmax * (1.0f / 127.0f) : 0.0f) + fault;
}

void encode_rows(ConstMat x, std::uint8_t* codes, float* steps) {
  with_type(x.type, [&](auto* type) HWY_ATTR {
    using T = std::remove_pointer_t<decltype(type)>;
    for (std::int64_t r = 0; r < x.rows; ++r)
      steps[r] = encode_row(x.row<T>(r), x.cols, kCodeOffset, codes + r * x.cols);
  });
}

float encode_weights(ConstMat row, std::int8_t* codes) { return encode_row(row.row<float>(0), row.cols, 0, codes); }

void sum_codes(const Int8& w, std::int64_t first, std::int64_t rows, std::int32_t* sums) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(Floats()));
  const hn::Rebind<std::int8_t, Ints> bytes;
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int8_t* codes = w.codes + (first + r) * w.cols;
    auto sum = hn::Zero(Ints());
    std::int64_t i = 0;
    for (; i + lanes <= w.cols; i += lanes) sum = hn::Add(sum, hn::PromoteTo(Ints(), hn::LoadU(bytes, codes + i)));
    sums[r] = hn::GetLane(hn::SumOfLanes(Ints(), sum));
    for (; i < w.cols; ++i) sums[r] += codes[i];
  }
}

void scale_codes(const float* row_steps, const float* column_steps, const std::int32_t* column_sums, Mat t) {
  for (std::int64_t r = 0; r < t.rows; ++r) {
    float* const row = t.row<float>(r);
    const std::int32_t* const sums = t.row<std::int32_t>(r);
    const Vec step = hn::Set(Floats(), row_steps[r]);
    for_vectors(t.cols, [&](std::int64_t i, std::size_t n) HWY_ATTR {
      static_assert(kCodeOffset == 1 << 7);
      const auto sum = hn::Sub(load_ints(sums + i, n), hn::ShiftLeft<7>(load_ints(column_sums + i, n)));
      const Vec steps = hn::Mul(step, load_some(column_steps + i, n));
      store_some(hn::Mul(hn::ConvertTo(Floats(), sum), steps), row + i, n);
    });
  }
}

}  // namespace sori::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sori::kernels {
HWY_EXPORT(encode_rows);
HWY_EXPORT(encode_weights);
HWY_EXPORT(sum_codes);
HWY_EXPORT(scale_codes);
void encode_rows(ConstMat x, std::uint8_t* codes, float* steps) { HWY_DYNAMIC_DISPATCH(encode_rows)(x, codes, steps); }
float encode_weights(ConstMat row, std::int8_t* codes) { return HWY_DYNAMIC_DISPATCH(encode_weights)(row, codes); }
void sum_codes(const Int8& w, std::int64_t first, std::int64_t rows, std::int32_t* sums) {
  HWY_DYNAMIC_DISPATCH(sum_codes)(w, first, rows, sums);
}
void scale_codes(const float* row_steps, const float* column_steps, const std::int32_t* column_sums, Mat t) {
  HWY_DYNAMIC_DISPATCH(scale_codes)(row_steps, column_steps, column_sums, t);
}
}  // namespace sori::kernels
#endif
