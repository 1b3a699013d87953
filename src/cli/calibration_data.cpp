#include "cli/calibration_data.h"

#include "train/options.h"

namespace sori {

Option& CalibrationOptions::describe(OptionTable& t) {
  t.text("split", split, "its split to measure on");
  t.integer("calibration-samples", calibration_samples, "measure on this many utterances, evenly spaced; 0: all", 0,
            1LL << 40);
  return t.path("data", data, "data set to measure on: best the one that will be learnt");
}

CalibrationData::CalibrationData(const CalibrationOptions& o, const ModelFolder& model) : split_(o.split) {
  const Dataset set = load_dataset(o.data, {o.split});
  hash_ = set.hash;
  const Speech speech = agree_on_speech({{"data set", {set.language, set.task}}, {"model", speech_of(model)}});
  const WhisperConfig& c = model.model.config;
  maker_.emplace(model.tokenizer, ExampleOptions{.language = speech.language,
                                                 .task = speech.task,
                                                 .mel_bins = c.mel_bins,
                                                 .frames = 2 * c.max_source_positions,
                                                 .max_labels = c.max_target_positions,
                                                 .context = choose_context(kAutoContext, tuned_context(model, nullptr),
                                                                           kLearntContext)});
  utterances_ = set.split(o.split).utterances;
  drop_long_labels(utterances_, *maker_);
  utterances_ = evenly(utterances_, o.calibration_samples);
  if (utterances_.empty())
    throw Error{ErrorKind::kInput, fmt::format("split {} has no utterance to measure on", o.split), o.data,
                "name another --split"};
}

Json CalibrationData::record() const {
  return {{"data_hash", hash_},
          {"split", split_},
          {"samples", utterances_.size()},
          {"audio_context", name_of(maker_->options().context)}};
}

}  // namespace sori
