// What a model is measured on before it is made lighter: a few samples, one at a time. They are chosen by counting, so
// that no seed is part of a choice.
#pragma once

#include <functional>

#include "data/example.h"
#include "formats/tensor_file.h"
#include "model/learn.h"

namespace sori {

struct Calibration {
  std::size_t samples = 0;
  BatchLimits limits;                                      // of the longest sample alone
  std::function<void(std::size_t sample, Example&)> make;  // uses the example's buffers again
};
using CalibrationProgress = std::function<void(std::int64_t done, std::int64_t total)>;

// Utterances and maker must outlive it.
Calibration calibration_of(const std::vector<Utterance>& utterances, const ExampleMaker& maker);

// A model without adapters as it lies in a file, frozen, and the samples on their way through it, in f32.
class Calibrated {
 public:
  using Prepare = std::function<void(Whisper&, Carver&)>;
  // prepare(model, carver) is called when the weights are there and before the rest is planned. The file must outlive
  // this. Error as load_weights().
  Calibrated(const WhisperConfig& config, const TensorFile& file, const Calibration& calibration, Keep keep,
             const Prepare& prepare = {});
  // Bytes of its memory, beside the mapped file.
  static std::uint64_t bytes(const WhisperConfig& config, const TensorFile& file, const Calibration& calibration,
                             Keep keep, const Prepare& prepare = {});

  // f(batch) for each sample, its features in memory().mel; returns the sum over samples of what f returns, or Error
  // kNumeric that names the sample where that is not finite.
  double for_each_sample(const std::function<double(const Batch&)>& f, const CalibrationProgress& progress);
  std::int64_t tokens() const { return tokens_; }  // targets of the samples that have been seen last

  Whisper& model() { return model_; }
  Backend& backend() { return *backend_; }
  LearnMemory& memory() { return memory_; }

 private:
  const Calibration& calibration_;
  Whisper model_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Arena> arena_;
  LearnMemory memory_;
  Example example_;
  Batch batch_;
  std::vector<BatchItem> items_;
  std::int64_t tokens_ = 0;
};

}  // namespace sori
