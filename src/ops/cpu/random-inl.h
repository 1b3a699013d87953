// Philox on vectors. Included once per instruction set.
#if defined(SORI_OPS_CPU_RANDOM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SORI_OPS_CPU_RANDOM_INL_H_
#undef SORI_OPS_CPU_RANDOM_INL_H_
#else
#define SORI_OPS_CPU_RANDOM_INL_H_
#endif

#include "base/rng.h"
#include "ops/cpu/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sori::kernels::HWY_NAMESPACE {

using WordVec = hn::Vec<Words>;

// High and low halves of the 64-bit products of each lane with a constant.
HWY_INLINE void multiply(WordVec a, std::uint32_t by, WordVec& high, WordVec& low) {
  const Words d;
  const WordVec b = hn::Set(d, by);
#if HWY_TARGET == HWY_SCALAR  // one lane: there is no even and odd
  const std::uint64_t product = std::uint64_t{hn::GetLane(a)} * by;
  low = hn::Mul(a, b);
  high = hn::Set(d, static_cast<std::uint32_t>(product >> 32));
#else
  const auto even = hn::BitCast(d, hn::MulEven(a, b));  // low, high, low, high ... of lanes 0, 2, ...
  const auto odd = hn::BitCast(d, hn::MulEven(hn::Shuffle2301(a), b));
  low = hn::OddEven(hn::Shuffle2301(odd), even);
  high = hn::OddEven(odd, hn::Shuffle2301(even));
#endif
}

// Philox 4x32-10 of as many counters as there are lanes; as sori::philox.
HWY_INLINE void philox_blocks(WordVec (&c)[4], std::array<std::uint32_t, 2> key) {
  const Words d;
  for (int round = 0; round < 10; ++round) {
    WordVec high0, low0, high2, low2;
    multiply(c[0], 0xD2511F53U, high0, low0);
    multiply(c[2], 0xCD9E8D57U, high2, low2);
    c[0] = hn::Xor(hn::Xor(high2, c[1]), hn::Set(d, key[0]));
    c[1] = low2;
    c[2] = hn::Xor(hn::Xor(high0, c[3]), hn::Set(d, key[1]));
    c[3] = low0;
    key = {key[0] + 0x9E3779B9U, key[1] + 0xBB67AE85U};
  }
}

// Words 4 * first ... of a stream: word 4 b + k is c[k] of block b.
HWY_INLINE void random_words(const Rng& rng, std::uint32_t first, std::uint32_t* words) {
  const Words d;
  WordVec c[4] = {hn::Add(hn::Iota(d, 0), hn::Set(d, first)), hn::Zero(d), hn::Set(d, rng.stream()[0]),
                  hn::Set(d, rng.stream()[1])};
  philox_blocks(c, rng.key());
  hn::StoreInterleaved4(c[0], c[1], c[2], c[3], d, words);
}

}  // namespace sori::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
