// The utterances that a model is measured on before it is made lighter, as verbs are told them.
#pragma once

#include "base/options.h"
#include "cli/model_folder.h"
#include "lighten/calibration.h"

namespace sori {

struct CalibrationOptions {
  std::string data, split = "train";
  std::int64_t calibration_samples = 64;

  Option& describe(OptionTable& t);  // returns --data
};

// The model must outlive it.
class CalibrationData {
 public:
  // Language, task and audio context are those that a training of this model on this data would have. Error kInput
  // where no utterance is left.
  CalibrationData(const CalibrationOptions& options, const ModelFolder& model);

  Calibration calibration() const { return calibration_of(utterances_, *maker_); }
  Json record() const;  // what decides the measurement, beside the model

 private:
  std::string hash_, split_;
  std::vector<Utterance> utterances_;
  std::optional<ExampleMaker> maker_;
};

}  // namespace sori
