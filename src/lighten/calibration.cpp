#include "lighten/calibration.h"

#include "model/load.h"
#include "train/lay_out.h"
#include "train/trainer.h"

namespace sori {

Calibration calibration_of(const std::vector<Utterance>& utterances, const ExampleMaker& maker) {
  return {utterances.size(),
          {1, maker.most_frames(utterances), longest_labels(utterances, maker)},
          [&utterances, &maker](std::size_t sample, Example& e) {
            e.sample = sample, e.utterance = sample;
            maker.make(utterances[sample], e);
          }};
}

namespace {

std::pair<Whisper, LearnMemory> carve_calibrated(Carver& c, const WhisperConfig& config, const TensorFile& file,
                                                 Backend& backend, const BatchLimits& limits, Keep keep,
                                                 const Calibrated::Prepare& prepare) {
  Whisper model = make_whisper(config);
  load_weights(c, model, file);
  if (prepare) prepare(model, c);
  LearnMemory memory = carve_learning(c, model, backend, limits, keep);
  return {std::move(model), std::move(memory)};
}

}  // namespace

Calibrated::Calibrated(const WhisperConfig& config, const TensorFile& file, const Calibration& calibration, Keep keep,
                       const Prepare& prepare)
    : calibration_(calibration), model_(make_whisper(config)), backend_(make_cpu_backend(DType::kF32)) {
  arena_ = std::make_unique<Arena>(bytes(config, file, calibration, keep, prepare));
  Carver carver(*arena_);
  std::tie(model_, memory_) = carve_calibrated(carver, config, file, *backend_, calibration.limits, keep, prepare);
}

std::uint64_t Calibrated::bytes(const WhisperConfig& config, const TensorFile& file, const Calibration& calibration,
                                Keep keep, const Prepare& prepare) {
  Carver count = Carver::counting();
  carve_calibrated(count, config, file, *make_cpu_backend(DType::kF32), calibration.limits, keep, prepare);
  return count.bytes();
}

double Calibrated::for_each_sample(const std::function<double(const Batch&)>& f, const CalibrationProgress& progress) {
  double sum = 0;
  tokens_ = 0;
  for (std::size_t i = 0; i < calibration_.samples; ++i) {
    calibration_.make(i, example_);
    lay_out({&example_, 1}, items_, batch_, memory_.mel);
    tokens_ += std::ranges::count_if(example_.target, [](int t) { return t >= 0; });
    const double found = f(batch_);
    if (!std::isfinite(found))
      throw Error{ErrorKind::kNumeric, "the loss is not a number", example_.id,
                  "use another copy of the model or data"};
    sum += found;
    if (progress) progress(static_cast<std::int64_t>(i + 1), static_cast<std::int64_t>(calibration_.samples));
  }
  require(tokens_ > 0, "a calibration has targets");
  return sum;
}

}  // namespace sori
