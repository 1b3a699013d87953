// Streamed conversion of one channel to 16 kHz, over soxr.
#pragma once

#include <memory>
#include <span>
#include <vector>

struct soxr;

namespace sori {

class Resampler {
 public:
  explicit Resampler(double source_rate);  // Hz
  ~Resampler();
  Resampler(const Resampler&) = delete;
  Resampler& operator=(const Resampler&) = delete;

  // Appends what can be made of the samples so far; soxr holds some back.
  void push(std::span<const float> samples, std::vector<float>& out);
  // Appends the rest. In all, ceil(n * 16000 / source_rate) samples come out of n.
  void finish(std::vector<float>& out);

 private:
  std::size_t process(const float* in, std::size_t count, std::vector<float>& out);

  double ratio_;                      // output samples of one input sample
  soxr* soxr_ = nullptr;              // absent when the source is at 16 kHz already
  std::size_t taken_ = 0, made_ = 0;  // samples in, samples out
};

}  // namespace sori
