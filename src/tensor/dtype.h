// Element types and their conversions. g++ 12 has no bfloat16 type, so both half types are plain 16-bit structs.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sori {

enum class DType : std::uint8_t { kF32, kF16, kBF16, kI8, kU8, kI32, kI16, kI64, kF8 };

constexpr std::size_t size_of(DType t) {
  constexpr std::size_t kSizes[] = {4, 2, 2, 1, 1, 4, 2, 8, 1};
  return kSizes[static_cast<int>(t)];
}

constexpr std::string_view name_of(DType t) {  // as options and reports spell it
  constexpr std::string_view kNames[] = {"f32", "f16", "bf16", "i8", "u8", "i32", "i16", "i64", "f8_e4m3"};
  return kNames[static_cast<int>(t)];
}

struct bf16 {
  std::uint16_t bits;
};
struct f16 {
  std::uint16_t bits;
};

inline float to_float(float x) { return x; }
inline float to_float(bf16 x) { return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16); }
inline float to_float(f16 x) {
  const std::uint32_t sign = static_cast<std::uint32_t>(x.bits & 0x8000) << 16;
  const std::uint32_t exponent = (x.bits >> 10) & 31, fraction = x.bits & 1023;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24, exact in f32
    const float f = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -f : f;
  }
  const std::uint32_t e = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | (e << 23) | (fraction << 13));
}

template <class T>
T from_float(float x);  // rounds to nearest, ties to even; NaN stays NaN

template <>
inline float from_float<float>(float x) {
  return x;
}
template <>
inline bf16 from_float<bf16>(float x) {
  std::uint32_t u = std::bit_cast<std::uint32_t>(x);
  if ((u & 0x7fffffff) > 0x7f800000) return {static_cast<std::uint16_t>((u >> 16) | 0x40)};  // quiet NaN
  u += 0x7fff + ((u >> 16) & 1);
  return {static_cast<std::uint16_t>(u >> 16)};
}
template <>
inline f16 from_float<f16>(float x) {
  const std::uint32_t u = std::bit_cast<std::uint32_t>(x);
  const auto sign = static_cast<std::uint16_t>((u >> 16) & 0x8000);
  const float a = std::bit_cast<float>(u & 0x7fffffff);
  if (std::isnan(a)) return {static_cast<std::uint16_t>(sign | 0x7e00)};
  if (a >= 65520.0f) return {static_cast<std::uint16_t>(sign | 0x7c00)};  // rounds to infinity
  if (a < 0x1p-14f) {                                                     // subnormal: count of 2^-24, ties to even
    const auto n = static_cast<std::uint16_t>(std::nearbyint(a * 0x1p24f));
    return {static_cast<std::uint16_t>(sign | n)};
  }
  std::uint32_t v = std::bit_cast<std::uint32_t>(a) - (112u << 23);
  v += 0xfff + ((v >> 13) & 1);
  return {static_cast<std::uint16_t>(sign | (v >> 13))};
}

template <class T>
inline constexpr DType dtype_of = DType::kF32;
template <>
inline constexpr DType dtype_of<bf16> = DType::kBF16;
template <>
inline constexpr DType dtype_of<f16> = DType::kF16;
template <>
inline constexpr DType dtype_of<std::int8_t> = DType::kI8;
template <>
inline constexpr DType dtype_of<std::uint8_t> = DType::kU8;
template <>
inline constexpr DType dtype_of<std::int32_t> = DType::kI32;

}  // namespace sori
