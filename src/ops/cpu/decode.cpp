#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/decode.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sori::kernels::HWY_NAMESPACE {

// At most kNf4Block numbers, straight from the definition: what is left beside whole vectors and whole blocks.
template <class Format, class T>
void decode_few(const Format& w, std::int64_t row, std::int64_t first, std::int64_t count, T* out) {
  float numbers[kNf4Block];
  sori::decode(w, row, first, {numbers, static_cast<std::size_t>(count)});
  for (std::int64_t i = 0; i < count; ++i) out[i] = from_float<T>(numbers[i]);
}

// A format of one scale a row.
template <class Format, class T>
void decode_scaled(const Format& w, float scale, std::int64_t row, std::int64_t first, std::int64_t count, T* out) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(Floats()));
  const auto* codes = w.codes + row * w.cols + first;
  const Vec scales = hn::Set(Floats(), scale);
  std::int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes)
    store_two(hn::Mul(load(codes + i), scales), hn::Mul(load(codes + i + lanes), scales), out + i);
  decode_few(w, row, first + i, count - i, out + i);
}

template <class T>
void decode_row(const Int8& w, std::int64_t row, std::int64_t first, std::int64_t count, T* out) {
  decode_scaled(w, step_of(w, row), row, first, count, out);
}

template <class T>
void decode_row(const Fp8& w, std::int64_t row, std::int64_t first, std::int64_t count, T* out) {
  decode_scaled(w, w.scale[row], row, first, count, out);
}

// The numbers of one whole block are sixteen, map times absmax; look_up finds those of the codes in sixteen bytes. A
// byte's high nibble comes first.
#if HWY_TARGET == HWY_SCALAR

template <class T>
struct Table {
  explicit Table(Vec absmax) {
    for (std::size_t i = 0; i < kNf4Map.size(); ++i) store(hn::Mul(load(kNf4Map.data() + i), absmax), numbers + i);
  }
  void look_up(const std::uint8_t* codes, T* out) const {
    for (int i = 0; i < 16; ++i) out[2 * i] = numbers[codes[i] >> 4], out[2 * i + 1] = numbers[codes[i] & 15];
  }
  T numbers[kNf4Map.size()];
};

#elif HWY_MAX_BYTES >= 64

// In the lanes of one vector, in the lower half of each where T is bf16.
template <class T>
struct Table {
  explicit Table(Vec absmax) {
    const Words d;
    const Vec numbers = hn::Mul(load(kNf4Map.data()), absmax);
    words = hn::BitCast(d, numbers);
    if constexpr (std::is_same_v<T, bf16>) words = hn::ShiftRight<16>(computed_bf16(numbers));
  }
  void look_up(const std::uint8_t* codes, T* out) const {
    const Words d;
    const auto both = hn::PromoteTo(d, hn::LoadU(hn::Rebind<std::uint8_t, Words>(), codes));
    const auto select = [&](auto nibbles)
                            HWY_ATTR { return hn::TableLookupLanes(words, hn::IndicesFromVec(d, nibbles)); };
    const auto even = select(hn::ShiftRight<4>(both)), odd = select(hn::And(both, hn::Set(d, 15)));
    if constexpr (std::is_same_v<T, bf16>) {
      hn::StoreU(hn::Or(even, hn::ShiftLeft<16>(odd)), d, reinterpret_cast<std::uint32_t*>(out));
    } else {
      hn::StoreInterleaved2(hn::BitCast(Floats(), even), hn::BitCast(Floats(), odd), Floats(), out);
    }
  }
  hn::Vec<Words> words;
};

#else

using Bytes = hn::FixedTag<std::uint8_t, 16>;
using ByteVec = hn::Vec<Bytes>;

// By the significance of their bytes, in as many vectors; the store puts the bytes together again.
template <class T>
struct Table {
  explicit Table(Vec absmax) {
    T numbers[kNf4Map.size()];
    for (std::size_t i = 0; i < kNf4Map.size(); i += hn::Lanes(Floats()))
      store(hn::Mul(load(kNf4Map.data() + i), absmax), numbers + i);
    const auto* from = reinterpret_cast<const std::uint8_t*>(numbers);
    if constexpr (sizeof(T) == 2) {
      hn::LoadInterleaved2(Bytes(), from, bytes[0], bytes[1]);
    } else {
      hn::LoadInterleaved4(Bytes(), from, bytes[0], bytes[1], bytes[2], bytes[3]);
    }
  }
  void look_up(const std::uint8_t* codes, T* out) const {
    const Bytes d;
    const ByteVec both = hn::LoadU(d, codes), even = hn::ShiftRight<4>(both), odd = hn::And(both, hn::Set(d, 15));
    select(hn::InterleaveLower(d, even, odd), reinterpret_cast<std::uint8_t*>(out));
    select(hn::InterleaveUpper(d, even, odd), reinterpret_cast<std::uint8_t*>(out + 16));
  }
  void select(ByteVec codes, std::uint8_t* out) const {
    const auto byte = [&](int i) HWY_ATTR { return hn::TableLookupBytes(bytes[i], codes); };
    if constexpr (sizeof(T) == 2) {
      hn::StoreInterleaved2(byte(0), byte(1), Bytes(), out);
    } else {
      hn::StoreInterleaved4(byte(0), byte(1), byte(2), byte(3), Bytes(), out);
    }
  }
  ByteVec bytes[sizeof(T)];
};

#endif

template <class T>
void decode_block(const Nf4& w, std::int64_t block, T* out) {
  const Table<T> table(hn::Set(Floats(), decode_absmax(w, block)));
  const std::uint8_t* codes = w.codes + block * (kNf4Block / 2);
  table.look_up(codes, out);
  table.look_up(codes + 16, out + 32);
}

template <class T>
void decode_row(const Nf4& w, std::int64_t row, std::int64_t first, std::int64_t count, T* out) {
  std::int64_t at = row * w.cols + first;  // in the flattened tensor
  for (const std::int64_t end = at + count; at < end;) {
    const std::int64_t block = at / kNf4Block, n = std::min((block + 1) * kNf4Block, end) - at;
    n == kNf4Block ? decode_block(w, block, out) : decode_few(w, 0, at, n, out);
    at += n;
    out += n;
  }
}

template <class Format>
void decode_rows(const Format& w, std::int64_t row, std::int64_t col, Mat to) {
  with_type(to.type, [&](auto* type) HWY_ATTR {
    using T = std::remove_pointer_t<decltype(type)>;
    for (std::int64_t r = 0; r < to.rows; ++r) decode_row(w, row + r, col, to.cols, to.row<T>(r));
  });
}
template <class T>
void decode_rows(const Dense<T>& w, std::int64_t row, std::int64_t col, Mat to) {
  const auto* first = reinterpret_cast<const char*>(w.data) + (row * w.cols + col) * std::int64_t{sizeof(T)};
  kernels::convert(ConstMat(first, dtype_of<T>, to.rows, to.cols, w.cols), 1, to);
}

void decode(const BaseWeight& w, std::int64_t row, std::int64_t col, Mat to) {
  std::visit([&](const auto& format) { decode_rows(format, row, col, to); }, w);
}

}  // namespace sori::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sori::kernels {
HWY_EXPORT(decode);
void decode(const BaseWeight& w, std::int64_t row, std::int64_t col, Mat to) {
  HWY_DYNAMIC_DISPATCH(decode)(w, row, col, to);
}
}  // namespace sori::kernels
#endif
