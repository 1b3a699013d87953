#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/few_products.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sori::kernels::HWY_NAMESPACE {

// What a bf16 of the same value holds, as f32.
HWY_INLINE Vec rounded_to_bf16(Vec v) {
  const hn::RebindToUnsigned<Floats> u;
  const auto bits = hn::BitCast(u, v), odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(u, 1));
  const auto up = hn::And(hn::Add(bits, hn::Add(odd, hn::Set(u, 0x7fff))), hn::Set(u, 0xffff0000));
  return hn::IfThenElse(hn::IsNaN(v), v, hn::BitCast(Floats(), up));
}

template <int kRows, bool kRound, class T>
void multiply(ConstMat x, ConstMat w, Mat y) {
  for (std::int64_t o = 0; o < w.rows; ++o) {
    const T* weights = w.row<T>(o);
    Vec sums[kRows];
    for (Vec& sum : sums) sum = hn::Zero(Floats());
    for_vectors(w.cols, [&](std::int64_t i, std::size_t n) HWY_ATTR {
      Vec v = load_some(weights + i, n);
      if constexpr (kRound) v = rounded_to_bf16(v);
      for (int r = 0; r < kRows; ++r) sums[r] = hn::MulAdd(v, load_some(x.row<float>(r) + i, n), sums[r]);
    });
    for (int r = 0; r < kRows; ++r) y.row<float>(r)[o] = hn::GetLane(hn::SumOfLanes(Floats(), sums[r]));
  }
}

template <bool kRound, class T>
void multiply_rows(ConstMat x, ConstMat w, Mat y) {
  std::int64_t first = 0;
  const auto rows = [&]<int kRows>() HWY_ATTR {
    for (; first + kRows <= x.rows; first += kRows)
      multiply<kRows, kRound, T>(x.row_range(first, kRows), w, y.row_range(first, kRows));
  };
  rows.template operator()<8>();
  rows.template operator()<4>();
  rows.template operator()<2>();
  rows.template operator()<1>();
}

void few_products(ConstMat x, ConstMat w, DType as, Mat y) {
  const bool round = as == DType::kBF16;
  if (w.type == DType::kBF16) return multiply_rows<false, bf16>(x, w, y);
  if (w.type == DType::kF16) return round ? multiply_rows<true, f16>(x, w, y) : multiply_rows<false, f16>(x, w, y);
  require(w.type == DType::kF32, "weights are f32, f16 or bf16");
  round ? multiply_rows<true, float>(x, w, y) : multiply_rows<false, float>(x, w, y);
}

}  // namespace sori::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sori::kernels {
HWY_EXPORT(few_products);
void few_products(ConstMat x, ConstMat w, DType as, Mat y) { HWY_DYNAMIC_DISPATCH(few_products)(x, w, as, y); }
}  // namespace sori::kernels
#endif
