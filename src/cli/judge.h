// A model ready to write down speech, as sori evaluate and sori transcribe use it.
#pragma once

#include <memory>

#include "base/options.h"
#include "cli/model_folder.h"
#include "data/dataset.h"
#include "decode/recognizer.h"

namespace sori {

struct JudgeOptions {
  std::string model, adapter, language, task, base = "model", compute = "auto", audio_context = kAutoContext;
  std::int64_t max_new_tokens = kMaxNewTokens, batch = 8, num_beams = 1, no_repeat_ngram_size = -1, window_seconds = 0;

  void describe(OptionTable& t);
  void describe_decoding(OptionTable& t);  // what does not say which model it is
};

// A split to score, and how much of it.
struct SplitOptions {
  std::string split = "dev";
  std::int64_t max_eval_samples = 0;

  void describe(OptionTable& t);
};
struct Scored {
  Dataset set;
  std::vector<Utterance> utterances;
};
Scored load_scored(const std::string& data, const SplitOptions& split);  // Error kInput where it is empty

// Owns model, adapter, memory and recognizer.
class Judge {
 public:
  // `data` is what a data set says about language and task; empty words where there is none.
  Judge(const JudgeOptions& options, const Speech& data, Log& log);

  Recognizer& recognizer() { return *recognizer_; }
  const Speech& speech() const { return speech_; }
  Json record() const;  // what decides the text: model, adapter, base, speech, compute, context, decoding

 private:
  JudgeOptions options_;
  std::optional<AdapterFolder> adapter_;
  ModelFolder model_;
  Speech speech_;
  Compute compute_ = DType::kF32;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Recognizer> recognizer_;
};

}  // namespace sori
