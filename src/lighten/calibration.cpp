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

Calibrated::Calibrated(const WhisperConfig& config, const TensorFile& file, const Calibration& calibration, Keep keep,
                       const std::function<void(Whisper&, Carver&)>& prepare)
    : calibration_(calibration), model_(make_whisper(config)), backend_(make_cpu_backend(DType::kF32)) {
  const auto carve = [&](Carver& c) {
    Whisper model = make_whisper(config);
    load_weights(c, model, file);
    if (prepare) prepare(model, c);
    memory_ = carve_learning(c, model, *backend_, calibration_.limits, keep);
    model_ = std::move(model);
  };
  Carver count = Carver::counting();
  carve(count);
  arena_ = std::make_unique<Arena>(count.bytes());
  Carver carver(*arena_);
  carve(carver);
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
