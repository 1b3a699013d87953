// The utterances that a model is measured on before it is made lighter, as verbs are told them.
#pragma once

#include "base/options.h"
#include "cli/model_folder.h"
#include "lighten/calibration.h"
#include "train/options.h"

namespace sori {

struct CalibrationOptions {
  std::string data, split = "train";
  std::int64_t calibration_samples = 64;

  Option& describe(OptionTable& t);  // returns --data
};

// Where utterances are from, and how they are heard.
struct CalibrationSource {
  std::string data_hash, split;
  Speech speech;
  AudioContext context = kLearntContext;
};

// The model must outlive it.
class CalibrationData {
 public:
  // Language, task and audio context are those that a training of this model on this data would have. Error kInput
  // where no utterance is left.
  static CalibrationData load(const CalibrationOptions& options, const ModelFolder& model);
  // At most so many of utterances whose labels fit, evenly spaced.
  CalibrationData(const CalibrationSource& source, const std::vector<Utterance>& utterances, std::int64_t samples,
                  const ModelFolder& model);

  Calibration calibration() const { return calibration_of(utterances_, maker_); }
  const Json& record() const { return record_; }  // what decides the measurement, beside the model

 private:
  std::vector<Utterance> utterances_;
  ExampleMaker maker_;
  Json record_;
};

}  // namespace sori
