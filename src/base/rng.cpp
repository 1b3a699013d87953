#include "base/rng.h"

#include <cmath>
#include <numbers>

namespace sori {
namespace {

// Finaliser of MurmurHash3: spreads step and sample over the 64 bits of a stream number.
std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

std::array<std::uint32_t, 2> halves(std::uint64_t x) {
  return {static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(x >> 32)};
}

// The four bytes of a random word, added: mean 510, deviation sqrt(4 (256^2 - 1) / 12).
float noise(std::uint32_t bits, float deviation) {
  constexpr float kWordDeviation = 147.801F;
  const auto sum = static_cast<int>((bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24));
  return static_cast<float>(sum - 510) * (deviation / kWordDeviation);
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = 0xD2511F53ULL * c[0], b = 0xCD9E8D57ULL * c[2];
    c = {static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(b),
         static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(a)};
    k = {k[0] + 0x9E3779B9U, k[1] + 0xBB67AE85U};
  }
  return c;
}

Rng::Rng(std::uint64_t seed, Draw purpose, std::uint64_t step, std::uint64_t sample)
    : key_(halves(seed)), stream_(halves(mix(mix(mix(static_cast<std::uint64_t>(purpose)) + step) + sample))) {}

std::uint32_t Rng::bits(std::uint64_t index) const {
  const auto [low, high] = halves(index / 4);
  return philox({low, high, stream_[0], stream_[1]}, key_)[index % 4];
}

double Rng::uniform(std::uint64_t index) const { return bits(index) * 0x1p-32; }

double Rng::normal(std::uint64_t index) const {
  const auto [low, high] = halves(index / 2);
  const auto r = philox({low, high, stream_[0], stream_[1]}, key_);
  const std::size_t pair = (index % 2) * 2;
  const double u = (r[pair] + 1.0) * 0x1p-32, v = r[pair + 1] * 0x1p-32;  // u in (0, 1]: its logarithm is finite
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

std::uint64_t Rng::below(std::uint64_t index, std::uint64_t n) const {
  // 64 random bits times n, high half: the bias is under n / 2^64.
  const auto [low, high] = halves(index);
  const auto r = philox({low, high, stream_[0], stream_[1]}, key_);
  const std::uint64_t x = (static_cast<std::uint64_t>(r[0]) << 32) | r[1];
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(x) * n) >> 64);
}

void fill_noise(const Rng& rng, float deviation, std::span<float> values) {
  for (std::size_t i = 0; i < values.size(); i += 4) {
    const auto words = philox({static_cast<std::uint32_t>(i / 4), 0, rng.stream()[0], rng.stream()[1]}, rng.key());
    for (std::size_t j = 0; j < 4 && i + j < values.size(); ++j) values[i + j] = noise(words[j], deviation);
  }
}

}  // namespace sori
