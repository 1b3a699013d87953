#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/decode.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sori::kernels::HWY_NAMESPACE {

using Words = hn::RebindToUnsigned<Floats>;

template <class T>
void decode_part(const Int8& w, std::int64_t row, std::int64_t first, std::int64_t count, T* out) {
  const hn::Rebind<std::int8_t, Floats> bytes;
  const hn::RebindToSigned<Floats> integers;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(Floats()));
  const std::int8_t* codes = w.codes + row * w.cols + first;
  const float step = w.absmax[row] * (1.0f / 127.0f);
  const Vec steps = hn::Set(Floats(), step);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    store(hn::Mul(hn::ConvertTo(Floats(), hn::PromoteTo(integers, hn::LoadU(bytes, codes + i))), steps), out + i);
  for (; i < count; ++i) out[i] = from_float<T>(static_cast<float>(codes[i]) * step);
}

#if HWY_MAX_BYTES >= 32

// The sixteen numbers of a block, map times absmax, in a table of words; half of them each where a vector has eight
// lanes.
struct Nf4Table {
  hn::Vec<Words> low, high;
};

HWY_INLINE hn::Vec<Words> look_up(const Nf4Table& table, hn::Vec<Words> codes) {
  const Words d;
  const auto lane = hn::And(codes, hn::Set(d, 7 | static_cast<std::uint32_t>(hn::Lanes(d) > 8 ? 8 : 0)));
  const auto indices = hn::IndicesFromVec(d, lane);
  const auto low = hn::TableLookupLanes(table.low, indices);
  if (hn::Lanes(d) > 8) return low;
  return hn::IfThenElse(hn::Gt(codes, hn::Set(d, 7)), hn::TableLookupLanes(table.high, indices), low);
}

HWY_INLINE Nf4Table table_of(float absmax, float) {
  const Words d;
  const Vec factor = hn::Set(Floats(), absmax);
  const float* high = kNf4Map.data() + (hn::Lanes(d) > 8 ? 0 : 8);
  return {hn::BitCast(d, hn::Mul(load(kNf4Map.data()), factor)), hn::BitCast(d, hn::Mul(load(high), factor))};
}
// As bf16 in the lower halves.
HWY_INLINE Nf4Table table_of(float absmax, bf16) {
  const Words d;
  const auto rounded = [&](hn::Vec<Words> bits) HWY_ATTR {
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1));
    return hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(d, 0x7fff))));
  };
  const Nf4Table exact = table_of(absmax, 0.0f);
  return {rounded(exact.low), rounded(exact.high)};
}

// One whole block: 32 bytes to 64 numbers. A byte's high nibble comes first.
template <class T>
HWY_INLINE void decode_block(const std::uint8_t* codes, float absmax, T* out) {
  const Words d;
  const hn::Rebind<std::uint8_t, Words> bytes;
  const Nf4Table table = table_of(absmax, T{});
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t i = 0; i < kNf4Block; i += 2 * lanes) {
    const auto both = hn::PromoteTo(d, hn::LoadU(bytes, codes + i / 2));
    const auto even = look_up(table, hn::ShiftRight<4>(both)), odd = look_up(table, hn::And(both, hn::Set(d, 15)));
    if constexpr (sizeof(T) == sizeof(float)) {
      hn::StoreInterleaved2(hn::BitCast(Floats(), even), hn::BitCast(Floats(), odd), Floats(), out + i);
    } else {
      const hn::Repartition<std::uint16_t, Words> halves;
      hn::StoreU(hn::BitCast(halves, hn::Or(even, hn::ShiftLeft<16>(odd))), halves,
                 reinterpret_cast<std::uint16_t*>(out + i));
    }
  }
}
constexpr std::int64_t kVectorBlock = kNf4Block;  // numbers that decode_block takes

#else

template <class T>
void decode_block(const std::uint8_t*, float, T*) {}
constexpr std::int64_t kVectorBlock = -1;  // never: vectors are too short for the table

#endif

template <class T>
void decode_part(const Nf4& w, std::int64_t row, std::int64_t first, std::int64_t count, T* out) {
  std::int64_t at = row * w.cols + first;  // in the flattened tensor
  for (const std::int64_t end = at + count; at < end;) {
    const std::int64_t block = at / kNf4Block, n = std::min((block + 1) * kNf4Block, end) - at;
    const float absmax = decode_absmax(w, block);
    if (n == kVectorBlock) {
      decode_block(w.codes + at / 2, absmax, out);
    } else {
      for (std::int64_t i = 0; i < n; ++i) {
        const std::uint8_t pair = w.codes[(at + i) / 2];
        out[i] = from_float<T>(kNf4Map[(at + i) % 2 == 0 ? pair >> 4 : pair & 15] * absmax);
      }
    }
    at += n;
    out += n;
  }
}

template <class Format>
void decode_rows(const Format& w, std::int64_t row, std::int64_t col, Mat to) {
  with_type(to.type, [&](auto* type) HWY_ATTR {
    using T = std::remove_pointer_t<decltype(type)>;
    for (std::int64_t r = 0; r < to.rows; ++r) decode_part(w, row + r, col, to.cols, to.row<T>(r));
  });
}

void decode_int8(const Int8& w, std::int64_t row, std::int64_t col, Mat to) { decode_rows(w, row, col, to); }
void decode_nf4(const Nf4& w, std::int64_t row, std::int64_t col, Mat to) { decode_rows(w, row, col, to); }

}  // namespace sori::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sori::kernels {
HWY_EXPORT(decode_int8);
HWY_EXPORT(decode_nf4);
namespace {
template <class T>
void decode_part(const Dense<T>& w, std::int64_t row, std::int64_t col, Mat to) {
  convert(ConstMat(reinterpret_cast<const char*>(w.data) + (row * w.cols + col) * static_cast<std::int64_t>(sizeof(T)),
                   dtype_of<T>, to.rows, to.cols, w.cols),
          1, to);
}
void decode_part(const Int8& w, std::int64_t row, std::int64_t col, Mat to) {
  HWY_DYNAMIC_DISPATCH(decode_int8)(w, row, col, to);
}
void decode_part(const Nf4& w, std::int64_t row, std::int64_t col, Mat to) {
  HWY_DYNAMIC_DISPATCH(decode_nf4)(w, row, col, to);
}
}  // namespace
void decode(const BaseWeight& w, std::int64_t row, std::int64_t col, Mat to) {
  std::visit([&](const auto& format) { decode_part(format, row, col, to); }, w);
}
}  // namespace sori::kernels
#endif
