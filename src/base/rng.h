// Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11,
// 2011). A number is a pure function of (seed, purpose, step, sample, index), so there is no state to save, and neither
// threads nor batching can change what is drawn.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace sori {

enum class Draw : std::uint32_t {
  kInit = 1,
  kOrder = 2,
  kDropout = 3,
  kNoise = 4,
  kRandomWeights = 5,
  kRounding = 6,
  kContext = 7,
  kBootstrap = 8,
  kNoSpeech = 9
};

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

class Rng {
 public:
  Rng(std::uint64_t seed, Draw purpose, std::uint64_t step = 0, std::uint64_t sample = 0);

  std::uint32_t bits(std::uint64_t index) const;                    // uniform over 32 bits
  double uniform(std::uint64_t index) const;                        // [0, 1)
  double normal(std::uint64_t index) const;                         // mean 0, deviation 1 (Box-Muller)
  std::uint64_t below(std::uint64_t index, std::uint64_t n) const;  // [0, n), n > 0

  // For loops that draw many at once: bits(i) = philox({i / 4 low, i / 4 high, stream[0], stream[1]}, key)[i % 4].
  const std::array<std::uint32_t, 2>& key() const { return key_; }
  const std::array<std::uint32_t, 2>& stream() const { return stream_; }

 private:
  std::array<std::uint32_t, 2> key_, stream_;
};

// Numbers of mean 0 and this deviation, close enough to normal for random weights, and fast.
void fill_noise(const Rng& rng, float deviation, std::span<float> values);

}  // namespace sori
