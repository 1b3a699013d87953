// The score of a model on recorded speech: free-running decoding, the same as transcription. Kept are texts and counts,
// never logits, so memory does not grow with the decoding of a set.
#pragma once

#include "base/json.h"
#include "data/dataset.h"
#include "decode/recognizer.h"
#include "metrics/error_rate.h"

namespace sori {

struct Prediction {
  std::string text;
  Score score;
  bool ended = true;  // false: cut off at max_new_tokens, as when a model repeats itself
};

struct EvalResult {
  Score score;                          // of all utterances together
  std::vector<Prediction> predictions;  // in the order of the utterances
  double audio_seconds = 0, wall_seconds = 0;
  std::int64_t max_new_tokens = 0;

  std::int64_t cut_off() const;  // utterances that did not end by themselves
};

using EvalProgress = std::function<void(std::size_t done, std::size_t all)>;

// Error kInput names the first utterance whose file cannot be read, before anything is decoded.
void refuse_unreadable(const std::vector<Utterance>& utterances);

// Audio longer than a window is cut at its quietest places and its texts are joined. Every file is looked at before the
// first is decoded: Error kInput names the utterance that cannot be read, and no text.
EvalResult evaluate(Recognizer& recognizer, const std::vector<Utterance>& utterances,
                    const EvalProgress& progress = {});

// {"cer": {"rate", "substitutions", "deletions", "insertions", "reference_length"}, "cer_with_blanks": .., "wer": ..,
// "normaliser",
//  "utterances", "hours", "max_new_tokens", "cut_off", "seconds_per_utterance", "peak_resident_bytes"}
Json to_json(const EvalResult& result);

// Indices of the utterances with the highest CER, the worst first; of equals the one with more errors, then the first.
std::vector<std::size_t> worst(const EvalResult& result, std::size_t count);

// A line for each utterance: {"id", "audio_filepath", "text", "pred_text", "cer"}. Appears whole or not at all.
void write_predictions(const Path& path, const std::vector<Utterance>& utterances, const EvalResult& result);

}  // namespace sori
