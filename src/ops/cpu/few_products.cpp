#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/few_products.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sori::kernels::HWY_NAMESPACE {

constexpr std::size_t kMaxPair = 2 * hn::MaxLanes(Floats());

// Weights come as the nibbles of a byte lie, two vectors at a time: those of even places, and those of odd ones.
struct Pair {
  Vec even, odd;
};

HWY_INLINE std::int64_t pair_lanes() { return 2 * static_cast<std::int64_t>(hn::Lanes(Floats())); }

HWY_INLINE Vec lower_half_as_bf16(hn::Vec<Words> both) { return hn::BitCast(Floats(), hn::ShiftLeft<16>(both)); }
HWY_INLINE Vec upper_half_as_bf16(hn::Vec<Words> both) {
  return hn::BitCast(Floats(), hn::And(both, hn::Set(Words(), 0xffff0000)));
}

// What a bf16 of the same value holds, as f32; of numbers that were computed, without looking for NaN of other kinds.
HWY_INLINE Vec computed_to_bf16(Vec v) { return upper_half_as_bf16(computed_bf16(v)); }
HWY_INLINE Vec rounded_to_bf16(Vec v) { return hn::IfThenElse(hn::IsNaN(v), v, computed_to_bf16(v)); }

HWY_INLINE Pair load_pair(const float* p) {
  Pair w;
  hn::LoadInterleaved2(Floats(), p, w.even, w.odd);
  return w;
}

HWY_INLINE Pair load_pair(const bf16* p) {
  const auto both = hn::LoadU(Words(), reinterpret_cast<const std::uint32_t*>(p));
  return {lower_half_as_bf16(both), upper_half_as_bf16(both)};
}

HWY_INLINE Pair load_pair(const f16* p) {
  const hn::Rebind<std::uint16_t, Floats> half;
  const hn::Rebind<hwy::float16_t, Floats> number;
  const auto both = hn::LoadU(Words(), reinterpret_cast<const std::uint32_t*>(p));
  const auto wide = [&](auto bits)
                        HWY_ATTR { return hn::PromoteTo(Floats(), hn::BitCast(number, hn::TruncateTo(half, bits))); };
  return {wide(both), wide(hn::ShiftRight<16>(both))};
}

HWY_INLINE Pair load_pair(const std::int8_t* p) {
  const hn::Rebind<std::int16_t, Floats> half;
  const auto both = hn::LoadU(half, reinterpret_cast<const std::int16_t*>(p));
  const auto wide = [](auto code)
                        HWY_ATTR { return hn::ConvertTo(Floats(), hn::PromoteTo(hn::RebindToSigned<Floats>(), code)); };
  return {wide(hn::ShiftRight<8>(hn::ShiftLeft<8>(both))), wide(hn::ShiftRight<8>(both))};
}

HWY_INLINE Pair load_pair(const e4m3* p) {
  const hn::Rebind<std::uint16_t, Floats> half;
  const auto both = hn::LoadU(half, reinterpret_cast<const std::uint16_t*>(p));
  const auto wide = [](auto code) HWY_ATTR { return e4m3_numbers(hn::PromoteTo(Words(), code)); };
  return {wide(hn::And(both, hn::Set(half, 0xff))), wide(hn::ShiftRight<8>(both))};
}

// The readers of one row of weights: a call gives those from place i on, zero behind the n-th. kRound: to bf16.

// Numbers of any type, or codes times their row's scale.
template <class T, bool kRound, bool kScale = false>
struct NumberReader {
  const T* row;
  float scale = 1;

  HWY_INLINE Pair operator()(std::int64_t i, std::int64_t n) const {
    if (HWY_LIKELY(n >= pair_lanes())) return numbers(load_pair(row + i));
    T part[kMaxPair] = {};
    std::memcpy(part, row + i, static_cast<std::size_t>(n) * sizeof(T));
    return numbers(load_pair(part));
  }
  HWY_INLINE Pair numbers(Pair w) const {
    if constexpr (kScale) {
      const Vec s = hn::Set(Floats(), scale);
      w = {hn::Mul(w.even, s), hn::Mul(w.odd, s)};
      if constexpr (kRound) w = {computed_to_bf16(w.even), computed_to_bf16(w.odd)};
    } else if constexpr (kRound && !std::is_same_v<T, bf16>) {
      w = {rounded_to_bf16(w.even), rounded_to_bf16(w.odd)};
    }
    return w;
  }
};

// A piece at a time, by decode().
template <bool kRound>
struct PieceReader {
  static constexpr std::int64_t kPiece = 256;
  const Nf4& w;
  std::int64_t row;
  HWY_ALIGN float piece[kPiece] = {};

  Pair operator()(std::int64_t i, std::int64_t n) {
    if (i % kPiece == 0) kernels::decode(w, row, i, Mat(piece, 1, std::min(kPiece, w.cols - i)));
    return NumberReader<float, kRound>{piece}(i % kPiece, n);
  }
};

#if HWY_MAX_BYTES >= 32

// Rows of whole blocks: a code is looked up among the sixteen numbers of its block, in one vector or in two.
template <bool kRound>
struct BlockReader {
  const Nf4& w;
  std::int64_t first;  // block
  Vec low = hn::Zero(Floats()), high = low;

  HWY_INLINE Pair operator()(std::int64_t i, std::int64_t) {
    if (i % kNf4Block == 0) begin(first + i / kNf4Block);
    const hn::RebindToSigned<Floats> words;
    const hn::Rebind<std::uint8_t, Floats> bytes;
    const auto both = hn::PromoteTo(words, hn::LoadU(bytes, w.codes + (first * kNf4Block + i) / 2));
    return {look_up(hn::ShiftRight<4>(both)), look_up(hn::And(both, hn::Set(words, 15)))};
  }

 private:
  using Codes = hn::Vec<hn::RebindToSigned<Floats>>;

  HWY_INLINE void begin(std::int64_t block) {
    const Vec absmax = hn::Set(Floats(), decode_absmax(w, block));
    const auto numbers = [&](const float* map) HWY_ATTR {
      const Vec v = hn::Mul(load(map), absmax);
      return kRound ? computed_to_bf16(v) : v;
    };
    low = numbers(kNf4Map.data());
    if constexpr (HWY_MAX_BYTES < 64) high = numbers(kNf4Map.data() + 8);
  }
  HWY_INLINE Vec look_up(Codes codes) const {
    const auto among = [](Vec numbers, Codes at)
                           HWY_ATTR { return hn::TableLookupLanes(numbers, hn::IndicesFromVec(Floats(), at)); };
    if constexpr (HWY_MAX_BYTES >= 64) return among(low, codes);
    const hn::RebindToSigned<Floats> words;
    const Codes at = hn::And(codes, hn::Set(words, 7));
    const auto above = hn::RebindMask(Floats(), hn::Gt(codes, hn::Set(words, 7)));
    return hn::IfThenElse(above, among(high, at), among(low, at));
  }
};

#endif

// y[r] = x[r] . the row that is read.
template <int kRows, class Reader>
HWY_INLINE void multiply_row(ConstMat x, std::int64_t cols, Reader weights, float* y) {
  constexpr int kPairs = kRows < 4 ? 4 / kRows : 1;  // on their way side by side: a sum waits for the one before it
  const std::int64_t pair = pair_lanes();
  Vec even[kPairs][kRows], odd[kPairs][kRows];
  for (int p = 0; p < kPairs; ++p)
    for (int r = 0; r < kRows; ++r) even[p][r] = odd[p][r] = hn::Zero(Floats());
  const auto add = [&](int p, std::int64_t i) HWY_ATTR {
    const Pair w = weights(i, cols - i);
    for (int r = 0; r < kRows; ++r) {
      const float* at = x.row<float>(r) + i;
      even[p][r] = hn::MulAdd(w.even, load(at), even[p][r]);
      odd[p][r] = hn::MulAdd(w.odd, load(at + pair / 2), odd[p][r]);
    }
  };
  std::int64_t i = 0;
  for (; i + kPairs * pair <= cols; i += kPairs * pair)
    for (int p = 0; p < kPairs; ++p) add(p, i + p * pair);
  for (; i < cols; i += pair) add(0, i);
  for (int r = 0; r < kRows; ++r) {
    Vec sum = hn::Add(even[0][r], odd[0][r]);
    for (int p = 1; p < kPairs; ++p) sum = hn::Add(sum, hn::Add(even[p][r], odd[p][r]));
    y[r] = hn::GetLane(hn::SumOfLanes(Floats(), sum));
  }
}

// f(reader of a row of w).
template <bool kRound, class T, class F>
HWY_INLINE void read_row(const Dense<T>& w, std::int64_t row, F&& f) {
  const auto* bytes = reinterpret_cast<const char*>(w.data) + row * w.cols * std::int64_t{sizeof(T)};
  f(NumberReader<T, kRound>{reinterpret_cast<const T*>(bytes)});
}
template <bool kRound, class F>
HWY_INLINE void read_row(const Int8& w, std::int64_t row, F&& f) {
  f(NumberReader<std::int8_t, kRound, true>{w.codes + row * w.cols, step_of(w, row)});
}
template <bool kRound, class F>
HWY_INLINE void read_row(const Fp8& w, std::int64_t row, F&& f) {
  f(NumberReader<e4m3, kRound, true>{w.codes + row * w.cols, w.scale[row]});
}
template <bool kRound, class F>
HWY_INLINE void read_row(const Nf4& w, std::int64_t row, F&& f) {
#if HWY_MAX_BYTES >= 32
  if (w.cols % kNf4Block == 0) return f(BlockReader<kRound>{w, row * w.cols / kNf4Block});
#endif
  f(PieceReader<kRound>{w, row});
}

template <int kRows, bool kRound, class Format>
void multiply(ConstMat x, const Format& w, std::int64_t first, Mat y) {
  for (std::int64_t o = 0; o < y.cols; ++o) {
    float results[kRows];
    read_row<kRound>(w, first + o,
                     [&](const auto& reader) HWY_ATTR { multiply_row<kRows>(x, w.cols, reader, results); });
    for (int r = 0; r < kRows; ++r) y.row<float>(r)[o] = results[r];
  }
}

template <bool kRound, class Format>
void multiply_rows(ConstMat x, const Format& w, std::int64_t first, Mat y) {
  std::int64_t row = 0;
  const auto rows = [&]<int kRows>() HWY_ATTR {
    for (; row + kRows <= x.rows; row += kRows)
      multiply<kRows, kRound>(x.row_range(row, kRows), w, first, y.row_range(row, kRows));
  };
  if constexpr (HWY_MAX_BYTES >= 64) rows.template operator()<8>();  // two sums each, in 32 registers
  rows.template operator()<4>();
  rows.template operator()<2>();
  rows.template operator()<1>();
}

void few_products(ConstMat x, const BaseWeight& w, std::int64_t first, DType as, Mat y) {
  std::visit(
      [&](const auto& format) HWY_ATTR {
        as == DType::kBF16 ? multiply_rows<true>(x, format, first, y) : multiply_rows<false>(x, format, first, y);
      },
      w);
}

void few_operand(ConstMat x, Mat to) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(Floats()));
  require(to.cols >= few_width(x.cols), "there is room for whole pairs of vectors");
  with_type(x.type, [&](auto* type) HWY_ATTR {
    using T = std::remove_pointer_t<decltype(type)>;
    for (std::int64_t r = 0; r < x.rows; ++r)
      for (std::int64_t i = 0; i < x.cols; i += 2 * lanes) {
        const Pair p = NumberReader<T, false>{x.row<T>(r)}(i, x.cols - i);
        store(p.even, to.row<float>(r) + i);
        store(p.odd, to.row<float>(r) + i + lanes);
      }
  });
}

}  // namespace sori::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sori::kernels {
HWY_EXPORT(few_operand);
HWY_EXPORT(few_products);
void few_operand(ConstMat x, Mat to) { HWY_DYNAMIC_DISPATCH(few_operand)(x, to); }
void few_products(ConstMat x, const BaseWeight& w, std::int64_t first, DType as, Mat y) {
  HWY_DYNAMIC_DISPATCH(few_products)(x, w, first, as, y);
}
}  // namespace sori::kernels
#endif
