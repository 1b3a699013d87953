#include "audio/resample.h"

#include <soxr.h>

#include "audio/rate.h"
#include "base/error.h"

namespace sori {

Resampler::Resampler(double source_rate) : ratio_(kSampleRate / source_rate) {
  if (source_rate == kSampleRate) return;
  soxr_error_t failure = nullptr;
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  const soxr_runtime_spec_t one_thread = soxr_runtime_spec(1);
  soxr_ = soxr_create(source_rate, kSampleRate, 1, &failure, nullptr, &quality, &one_thread);
  require(!failure && soxr_, "soxr accepts rates of 4 to 384 kHz");
}

Resampler::~Resampler() { soxr_delete(soxr_); }

// Returns how many samples came out; soxr takes all of the input when the output has room for it.
std::size_t Resampler::process(const float* in, std::size_t count, std::vector<float>& out) {
  const std::size_t before = out.size(), room = static_cast<std::size_t>(static_cast<double>(count) * ratio_) + 4096;
  out.resize(before + room);
  std::size_t used = 0, made = 0;
  const soxr_error_t failure = soxr_process(soxr_, in, count, &used, out.data() + before, room, &made);
  require(!failure && used == count, "soxr takes what it is given");
  out.resize(before + made);
  made_ += made;
  return made;
}

void Resampler::push(std::span<const float> samples, std::vector<float>& out) {
  taken_ += samples.size();
  if (soxr_)
    process(samples.data(), samples.size(), out);
  else
    out.insert(out.end(), samples.begin(), samples.end());
}

void Resampler::finish(std::vector<float>& out) {
  if (!soxr_) return;
  while (process(nullptr, 0, out) > 0) {
  }
  // soxr may round the last sample up or down; a fixed length keeps 30 s at any rate exactly one window.
  const auto due = static_cast<std::size_t>(std::ceil(static_cast<double>(taken_) * ratio_ - 1e-6));
  out.resize(out.size() - made_ + due, 0.0f);
}

}  // namespace sori
