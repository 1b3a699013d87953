#include "cli/calibration_data.h"

namespace sori {

Option& CalibrationOptions::describe(OptionTable& t) {
  t.text("split", split, "its split to measure on");
  t.integer("calibration-samples", calibration_samples, "measure on this many utterances, evenly spaced; 0: all", 0,
            1LL << 40);
  return t.path("data", data, "data set to measure on: best the one that will be learnt");
}

namespace {

ExampleOptions heard_as(const CalibrationSource& source, const WhisperConfig& c) {
  return {.language = source.speech.language,
          .task = source.speech.task,
          .mel_bins = c.mel_bins,
          .frames = 2 * c.max_source_positions,
          .max_labels = c.max_target_positions,
          .context = source.context};
}

CalibrationSource source_of(const Dataset& set, const std::string& split, const ModelFolder& model) {
  return {set.hash, split, agree_on_speech({{"data set", {set.language, set.task}}, {"model", speech_of(model)}}),
          choose_context(kAutoContext, tuned_context(model, nullptr), kLearntContext)};
}

std::vector<Utterance> fitting(const Dataset& set, const CalibrationSource& source, const ModelFolder& model) {
  std::vector<Utterance> utterances = set.split(source.split).utterances;
  drop_long_labels(utterances, ExampleMaker(model.tokenizer, heard_as(source, model.model.config)));
  if (utterances.empty())
    throw Error{ErrorKind::kInput, fmt::format("split {} has no utterance to measure on", source.split),
                set.folder.string(), "name another --split"};
  return utterances;
}

}  // namespace

CalibrationData CalibrationData::load(const CalibrationOptions& o, const ModelFolder& model) {
  const Dataset set = load_dataset(o.data, {o.split});
  const CalibrationSource source = source_of(set, o.split, model);
  return {source, fitting(set, source, model), o.calibration_samples, model};
}

CalibrationData::CalibrationData(const CalibrationSource& source, const std::vector<Utterance>& utterances,
                                 std::int64_t samples, const ModelFolder& model)
    : utterances_(evenly(utterances, samples)),
      maker_(model.tokenizer, heard_as(source, model.model.config)),
      record_{{"data_hash", source.data_hash},           {"split", source.split},
              {"utterances", utterances.size()},         {"samples", utterances_.size()},
              {"language", source.speech.language},      {"task", source.speech.task},
              {"audio_context", name_of(source.context)}} {}

}  // namespace sori
