#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/adamw.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/cpu/code_table.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/math-inl.h"
#include "ops/cpu/random-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sori::kernels::HWY_NAMESPACE {

// The factors of a step, in f32.
struct Factors {
  explicit Factors(const AdamW& how)
      : scale(static_cast<float>(how.gradient_scale)),
        keep(static_cast<float>(1 - how.learning_rate * how.weight_decay)),
        beta1(static_cast<float>(how.beta1)),
        rest1(static_cast<float>(1 - how.beta1)),
        beta2(static_cast<float>(how.beta2)),
        rest2(static_cast<float>(1 - how.beta2)),
        rate(static_cast<float>(how.learning_rate / (1 - std::pow(how.beta1, static_cast<double>(how.step))))),
        root2(static_cast<float>(std::sqrt(1 - std::pow(how.beta2, static_cast<double>(how.step))))),
        epsilon(static_cast<float>(how.epsilon)) {}

  float scale, keep, beta1, rest1, beta2, rest2, rate, root2, epsilon;
};

HWY_INLINE void store_weight(Vec w, const std::uint16_t*, float* p, std::size_t n) { store_some(w, p, n); }
// As reference::round_by_chance.
HWY_INLINE void store_weight(Vec w, const std::uint16_t* random, bf16* p, std::size_t n) {
  const Words d;
  const auto bits = hn::BitCast(d, w);
  const hn::Rebind<std::uint16_t, Words> halves;
  const auto moved = hn::Add(bits, hn::PromoteTo(d, hn::LoadU(halves, random)));
  const auto kept = hn::And(moved, hn::Set(d, 0xffff0000U));
  store_some(hn::BitCast(Floats(), hn::IfThenElse(hn::RebindMask(d, hn::IsNaN(w)), bits, kept)), p, n);
}

// In the order of torch.optim.AdamW. `random`: half a word for each element, where W is bf16.
template <class W>
void update(const Factors& f, const float* gs, const std::uint16_t* random, W* ws, float* ms, float* vs,
            std::int64_t count) {
  const Vec scale = constant(f.scale), keep = constant(f.keep), beta1 = constant(f.beta1), rest1 = constant(f.rest1),
            beta2 = constant(f.beta2), rest2 = constant(f.rest2), rate = constant(f.rate), root2 = constant(f.root2),
            epsilon = constant(f.epsilon);
  for_vectors(count, [&](std::int64_t i, std::size_t n) HWY_ATTR {
    const Vec g = hn::Mul(load_some(gs + i, n), scale);
    const Vec m1 = hn::MulAdd(beta1, load_some(ms + i, n), hn::Mul(rest1, g));
    const Vec v1 = hn::MulAdd(beta2, load_some(vs + i, n), hn::Mul(rest2, hn::Mul(g, g)));
    const Vec below = hn::Add(hn::Div(hn::Sqrt(v1), root2), epsilon);
    const Vec w1 = hn::NegMulAdd(rate, hn::Div(m1, below), hn::Mul(load_some(ws + i, n), keep));
    store_some(m1, ms + i, n);
    store_some(v1, vs + i, n);
    store_weight(w1, random + i, ws + i, n);
  });
}

void decode(const DynamicMap& map, const std::uint8_t* codes, float absmax, std::int64_t n, float* numbers) {
  const float* const table = map.numbers.data();
#pragma GCC unroll 8
  for (std::int64_t i = 0; i < n; ++i) numbers[i] = table[codes[i]];
  const Vec factor = constant(absmax);
  for_vectors(n, [&](std::int64_t i, std::size_t rest)
                     HWY_ATTR { store_some(hn::Mul(load_some(numbers + i, rest), factor), numbers + i, rest); });
}

// CodeTable::code() in lanes, in two parts; between them lies a look into the table. Here the bucket and what is added
// to its entry.
struct Lookup {
  WordVec bucket, lower;
};

HWY_INLINE Lookup lookup(WordVec bits) {
  constexpr Words d;
  const auto size = hn::ShiftRight<16>(hn::And(bits, hn::Set(d, 0x7fffffff)));
  const auto bucket = hn::Sub(hn::Min(hn::Max(size, hn::Set(d, CodeTable::kFirst)), hn::Set(d, CodeTable::kLast)),
                              hn::Set(d, CodeTable::kFirst));
  return {bucket, hn::Add(hn::And(bits, hn::Set(d, 0xffff)), hn::ShiftRight<31>(bits))};
}

HWY_INLINE hn::Vec<Ints> codes_of(WordVec sums, WordVec bits, std::uint32_t zero) {
  constexpr Ints d;
  const auto number = [&](std::uint32_t n) HWY_ATTR { return hn::Set(d, static_cast<std::int32_t>(n)); };
  const auto sign = hn::ShiftRight<31>(hn::BitCast(d, bits));  // -1 of negative numbers, 0 of others
  const auto most = hn::Sub(number(255 - zero), hn::And(sign, number(255 - 2 * zero)));
  const auto away = hn::Min(hn::BitCast(d, hn::ShiftRight<CodeTable::kCarry>(sums)), most);
  return hn::Add(number(zero), hn::Sub(hn::Xor(away, sign), sign));
}

// As quantise_block.
float encode(const CodeTable& table, const float* numbers, std::int64_t n, std::uint8_t* codes) {
  constexpr Words d;
  Vec largest = hn::Zero(Floats());
  for_vectors(n, [&](std::int64_t i, std::size_t rest)
                     HWY_ATTR { largest = hn::Max(largest, hn::Abs(load_some(numbers + i, rest))); });
  const float absmax = hn::GetLane(hn::MaxOfLanes(Floats(), largest));
  const Vec divisor = constant(absmax > 0 ? absmax : 1);
  constexpr std::size_t kRoom = kDynamicBlock + hn::MaxLanes(d);
  std::uint32_t bits[kRoom], buckets[kRoom], sums[kRoom];
  for_vectors(n, [&](std::int64_t i, std::size_t rest) HWY_ATTR {
    const auto x = hn::BitCast(d, hn::Div(load_some(numbers + i, rest), divisor));
    const Lookup found = lookup(x);
    hn::StoreU(x, d, bits + i);
    hn::StoreU(found.bucket, d, buckets + i);
    hn::StoreU(found.lower, d, sums + i);
  });
  const std::uint32_t* const entries = table.entries();
#pragma GCC unroll 8
  for (std::int64_t i = 0; i < n; ++i) sums[i] += entries[buckets[i]];
  const hn::Rebind<std::uint8_t, Floats> bytes;
  for_vectors(n, [&](std::int64_t i, std::size_t rest) HWY_ATTR {
    const auto found = codes_of(hn::LoadU(d, sums + i), hn::LoadU(d, bits + i), table.zero());
    store_codes(hn::DemoteTo(bytes, found), codes + i, rest);
  });
  return absmax;
}

// Elements [begin, begin + n) of a weight with gaps between its rows: f(element in the weight, its number).
template <class W, class F>
void for_elements(Mat weight, std::int64_t begin, std::int64_t n, F&& f) {
  for (std::int64_t i = 0; i < n; ++i) f(weight.row<W>((begin + i) / weight.cols)[(begin + i) % weight.cols], i);
}

template <class W>
void adamw_blocks(const AdamW& how, float* gs, Mat weight, const Moment& m, const Moment& v, std::int64_t first,
                  std::int64_t count) {
  constexpr bool kRandom = std::is_same_v<W, bf16>;
  constexpr std::int64_t kHalvesOfACounter = 8;
  const auto halves = static_cast<std::int64_t>(kHalvesOfACounter * hn::Lanes(Words()));
  const bool coded = m.values.type == DType::kU8, gaps = !weight.contiguous();
  const Factors factors(how);
  const Rng rng(how.seed, Draw::kRounding, static_cast<std::uint64_t>(how.step), how.tensor);
  std::uint16_t random[kDynamicBlock + hn::MaxLanes(Floats())] = {};
  std::uint32_t words[4 * hn::MaxLanes(Words())];
  float m_numbers[kDynamicBlock], v_numbers[kDynamicBlock];
  W gathered[kDynamicBlock];
  for (std::int64_t begin = first; begin < first + count; begin += kDynamicBlock) {
    const std::int64_t n = std::min(kDynamicBlock, first + count - begin), block = begin / kDynamicBlock;
    if constexpr (kRandom)
      for (std::int64_t i = 0; i < kDynamicBlock; i += halves) {
        random_words(rng, static_cast<std::uint32_t>((begin + i) / kHalvesOfACounter), words);
        std::memcpy(random + i, words, sizeof *random * static_cast<std::size_t>(halves));
      }
    W* const ws = gaps ? gathered : weight.row<W>(0) + begin;
    if (gaps) for_elements<W>(weight, begin, n, [&](const W& w, std::int64_t i) { gathered[i] = w; });
    if (coded) {
      std::uint8_t *const m_codes = m.values.row<std::uint8_t>(0) + begin, *const v_codes =
                                                                               v.values.row<std::uint8_t>(0) + begin;
      decode(kSignedDynamicMap, m_codes, m.absmax[block], n, m_numbers);
      decode(kUnsignedDynamicMap, v_codes, v.absmax[block], n, v_numbers);
      update(factors, gs + begin, random, ws, m_numbers, v_numbers, n);
      m.absmax[block] = encode(kSignedCodes, m_numbers, n, m_codes);
      v.absmax[block] = encode(kUnsignedCodes, v_numbers, n, v_codes);
    } else {
      update(factors, gs + begin, random, ws, m.values.row<float>(0) + begin, v.values.row<float>(0) + begin, n);
    }
    if (gaps) for_elements<W>(weight, begin, n, [&](W& w, std::int64_t i) { w = gathered[i]; });
    std::fill_n(gs + begin, n, 0.0f);
  }
}

void adamw(const AdamW& how, Mat gradient, Mat weight, const Moment& m, const Moment& v, std::int64_t first,
           std::int64_t n) {
  with_type(weight.type, [&](auto* type) HWY_ATTR {
    using W = std::remove_pointer_t<decltype(type)>;
    adamw_blocks<W>(how, gradient.row<float>(0), weight, m, v, first, n);
  });
}

}  // namespace sori::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sori::kernels {
HWY_EXPORT(adamw);
void adamw(const AdamW& how, Mat gradient, Mat weight, const Moment& m, const Moment& v, std::int64_t first,
           std::int64_t n) {
  HWY_DYNAMIC_DISPATCH(adamw)(how, gradient, weight, m, v, first, n);
}
}  // namespace sori::kernels
#endif
