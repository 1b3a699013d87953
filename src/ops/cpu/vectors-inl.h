// Loads and stores of f32, bf16, f16 and codes of 8 bits as f32 vectors. Included once per instruction set.
#if defined(SORI_OPS_CPU_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SORI_OPS_CPU_VECTORS_INL_H_
#undef SORI_OPS_CPU_VECTORS_INL_H_
#else
#define SORI_OPS_CPU_VECTORS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstring>

#include "quant/fp8.h"
#include "tensor/mat.h"

HWY_BEFORE_NAMESPACE();
namespace sori::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::ScalableTag<float>;
using Vec = hn::Vec<Floats>;
using Ints = hn::RebindToSigned<Floats>;
using Words = hn::RebindToUnsigned<Floats>;

HWY_INLINE Vec load(const float* p) { return hn::LoadU(Floats(), p); }
HWY_INLINE Vec load(const bf16* p) {
  const hn::Rebind<hwy::bfloat16_t, Floats> d;
  return hn::PromoteTo(Floats(), hn::LoadU(d, reinterpret_cast<const hwy::bfloat16_t*>(p)));
}
HWY_INLINE Vec load(const f16* p) {
  const hn::Rebind<hwy::float16_t, Floats> d;
  return hn::PromoteTo(Floats(), hn::LoadU(d, reinterpret_cast<const hwy::float16_t*>(p)));
}

// Codes as numbers, before their row's scale.
HWY_INLINE Vec load(const std::int8_t* codes) {
  const hn::Rebind<std::int8_t, Floats> bytes;
  return hn::ConvertTo(Floats(), hn::PromoteTo(hn::RebindToSigned<Floats>(), hn::LoadU(bytes, codes)));
}

// Of codes in the low bytes of words.
HWY_INLINE Vec e4m3_numbers(hn::Vec<hn::RebindToUnsigned<Floats>> code) {
  const Floats f;
  const hn::RebindToUnsigned<Floats> d;
  const auto size = hn::And(code, hn::Set(d, 0x7f)), sign = hn::ShiftLeft<24>(hn::Xor(code, size));
  // Exact: 4 bits of exponent and 3 of fraction in the place of an f32's; below the least normal number, a count.
  const auto normal = hn::BitCast(f, hn::Add(hn::ShiftLeft<20>(size), hn::Set(d, 120u << 23)));
  const auto counted = hn::ConvertTo(f, hn::BitCast(hn::RebindToSigned<Floats>(), size));
  const auto magnitude =
      hn::IfThenElse(hn::Lt(counted, hn::Set(f, 8.0f)), hn::Mul(counted, hn::Set(f, 0x1p-9f)), normal);
  const auto nan = hn::IfThenElse(hn::Eq(size, hn::Set(d, 0x7f)), hn::Set(d, 0x7fc00000), hn::Zero(d));
  return hn::BitCast(f, hn::Or(hn::Or(hn::BitCast(d, magnitude), sign), nan));
}

HWY_INLINE Vec load(const e4m3* codes) {
  const hn::RebindToUnsigned<Floats> d;
  return e4m3_numbers(hn::PromoteTo(d, hn::LoadU(hn::Rebind<std::uint8_t, Floats>(), &codes->bits)));
}

HWY_INLINE void store(Vec v, float* p) { hn::StoreU(v, Floats(), p); }
// To nearest, ties to even, as from_float<bf16>.
HWY_INLINE void store(Vec v, bf16* p) {
  const hn::RebindToUnsigned<Floats> u;
  const hn::RebindToSigned<Floats> s;
  const hn::Rebind<std::uint16_t, Floats> half;
  const auto bits = hn::BitCast(u, v);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(u, 1));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(u, 0x7fff)));
  const auto quiet = hn::Or(bits, hn::Set(u, 0x400000));
  const auto top = hn::ShiftRight<16>(hn::IfThenElse(hn::RebindMask(u, hn::IsNaN(v)), quiet, rounded));
  hn::StoreU(hn::DemoteTo(half, hn::BitCast(s, top)), half, reinterpret_cast<std::uint16_t*>(p));
}

// Rounded to bf16 in the upper half of each word, for numbers that are computed (a NaN among them is a quiet one).
HWY_INLINE hn::Vec<hn::RebindToUnsigned<Floats>> computed_bf16(Vec v) {
  const hn::RebindToUnsigned<Floats> u;
  const auto bits = hn::BitCast(u, v), odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(u, 1));
  return hn::Add(bits, hn::Add(odd, hn::Set(u, 0x7fff)));
}

// Two vectors of such numbers, one behind the other.
HWY_INLINE void store_two(Vec a, Vec b, float* p) {
  store(a, p);
  store(b, p + hn::Lanes(Floats()));
}
HWY_INLINE void store_two(Vec a, Vec b, bf16* p) {
#if HWY_TARGET == HWY_SCALAR
  store(a, p);
  store(b, p + 1);
#else
  const hn::Repartition<std::uint16_t, Floats> half;
  const auto upper = [&](Vec v) HWY_ATTR { return hn::BitCast(half, computed_bf16(v)); };
  hn::StoreU(hn::ConcatOdd(half, upper(b), upper(a)), half, reinterpret_cast<std::uint16_t*>(p));
#endif
}

// The first n of a vector; lanes behind them are zero. p need not be aligned to T.
template <class T>
HWY_INLINE Vec load_some(const T* p, std::size_t n) {
  if (HWY_LIKELY(n >= hn::Lanes(Floats()))) return load(p);
  T part[hn::MaxLanes(Floats())] = {};
  std::memcpy(part, p, n * sizeof(T));
  return load(part);
}
template <class T>
HWY_INLINE void store_some(Vec v, T* p, std::size_t n) {
  if (HWY_LIKELY(n >= hn::Lanes(Floats()))) return store(v, p);
  T part[hn::MaxLanes(Floats())];
  store(v, part);
  std::memcpy(p, part, n * sizeof(T));
}
template <class Code>
HWY_INLINE void store_codes(hn::Vec<hn::Rebind<Code, Floats>> v, Code* p, std::size_t n) {
  const hn::Rebind<Code, Floats> d;
  if (HWY_LIKELY(n >= hn::Lanes(Floats()))) return hn::StoreU(v, d, p);
  Code part[hn::MaxLanes(Floats())];
  hn::StoreU(v, d, part);
  std::memcpy(p, part, n);
}

// body(i, n): n = columns left from i on; once per vector.
template <class Body>
HWY_INLINE void for_vectors(std::int64_t cols, Body&& body) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(Floats()));
  for (std::int64_t i = 0; i < cols; i += lanes) body(i, static_cast<std::size_t>(cols - i));
}

// body(T*) with the matrix' own type of number.
template <class Body>
HWY_INLINE void with_type(DType type, Body&& body) {
  if (type == DType::kF32) return body(static_cast<float*>(nullptr));
  require(type == DType::kBF16, "numbers are f32 or bf16");
  body(static_cast<bf16*>(nullptr));
}

}  // namespace sori::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
