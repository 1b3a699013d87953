// From samples to text: log-mel, encoder, greedy decoding or beam search. Evaluation and transcription both use it, so
// they write the same text.
//
// Several windows are decoded side by side. Each has a slot of the cache; when one ends, the next window takes its slot
// at once, so a long text delays nobody. Nothing is padded and nobody sees a neighbour, so the batch size does not
// change what is written.
#pragma once

#include <functional>
#include <limits>
#include <string>

#include "audio/context.h"
#include "audio/log_mel.h"
#include "audio/windows.h"
#include "decode/beam.h"
#include "model/decoder_step.h"
#include "text/tokenizer.h"

namespace sori {

inline constexpr std::int64_t kMaxNewTokens = 444;  // what Whisper's 448 positions leave after the prompt

struct RecognizerLimits {
  std::int64_t batch = 8;               // windows decoded side by side
  std::int64_t frames = kWindowFrames;  // 2 S of the longest window
  std::int64_t prompt = 4, new_tokens = kMaxNewTokens;
  // Where memory is short: the audio's keys and values in 8 bits, and, where layers leave memory, the decoder's too.
  bool int8_cross = false, drop_decoder = false;
  AudioContext context = AudioContext::kFull;  // shorter audio goes on as silence: to the end of the window, or so far
  std::int64_t beams = 1;                      // texts written side by side of each window; 1: greedy
  double piece_seconds = 30;                   // of recordings that are longer than a window: WindowLength

  CacheLimits cache() const { return {batch, prompt + new_tokens, (frames + 1) / 2, int8_cross, beams}; }
  StepLimits step() const { return {batch * beams, batch * std::max(prompt, beams)}; }
};

// Full windows; new_tokens is what was asked for, or less where the model has fewer positions.
RecognizerLimits recognizer_limits(const WhisperConfig& config, std::int64_t batch, std::int64_t prompt_tokens,
                                   std::int64_t max_new_tokens);

struct RecognizerMemory {
  RecognizerLimits limits;
  Mat mel;  // [batch * frames rounded to 64, M] f32: windows that are next
  EncoderSaved encoder;
  KvCache cache;
  StepMemory step;
};

// Also takes the backend's scratch: another phase of the same backend must be carved again before it goes on.
RecognizerMemory carve_recognizer(Carver& c, Whisper& model, Backend& backend, const RecognizerLimits& limits);

// What was written for one window.
struct Decoded {
  std::vector<int> ids;  // without prompt and end
  std::string text;      // without special tokens, and without blanks at its ends
  bool ended = false;    // by <|endoftext|>; otherwise cut off at new_tokens
  // Between the best two tokens of any step; greedy decoding's alone.
  float smallest_margin = std::numeric_limits<float>::infinity();
};

// Where the time went.
struct RecognizerWork {
  std::int64_t windows = 0, steps = 0, rows = 0, tokens = 0;  // rows: of all steps, dead ones included
  double mel_seconds = 0, encoder_seconds = 0, decoder_seconds = 0;
};

class Recognizer {
 public:
  using Source = std::function<bool(std::vector<float>& samples)>;  // the next window, 16 kHz; false: no more
  using Sink = std::function<void(std::size_t window, Decoded)>;    // windows are counted from 0, and end in any order
  using OnToken = std::function<void(std::size_t window, int id)>;  // as it is written; of a beam search, at its end

  // The prompt has limits.prompt tokens. Model, backend and tokenizer must outlive the recognizer.
  Recognizer(Whisper& model, Backend& backend, const Tokenizer& tokenizer, std::vector<int> prompt, DecodeRules rules,
             RecognizerMemory memory);

  // The prompt from now on, as long as the one before, which is returned.
  std::vector<int> set_prompt(std::vector<int> prompt);

  // From now on the encoder's layers leave memory after use, where it is short. The decoder's are wanted for each token
  // and stay, unless limits.drop_decoder says that there is no room for them.
  void drop_layers(const LayerPages& pages) { drop_ = &pages; }

  // Windows are pulled as slots become free; each has at least a sample and at most window_seconds().
  void recognise(const Source& source, const Sink& sink, const OnToken& on_token = {});
  std::vector<Decoded> recognise(std::span<const std::span<const float>> windows);

  double window_seconds() const { return static_cast<double>(memory_.limits.frames) * kHop / kSampleRate; }
  WindowLength window_length() const {
    return {window_seconds(), std::min(window_seconds(), memory_.limits.piece_seconds)};
  }
  const RecognizerLimits& limits() const { return memory_.limits; }
  const RecognizerWork& work() const { return work_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }

 private:
  class Run;

  void read(std::int64_t frames);  // of the window that the encoder turns to

  Whisper& model_;
  Backend& backend_;
  const Tokenizer& tokenizer_;
  std::vector<int> prompt_;
  DecodeRules rules_;
  const LayerPages* drop_ = nullptr;
  RecognizerMemory memory_;
  int end_of_text_;
  LogMel log_mel_;
  Batch window_;  // the encoder's rows: one window
  RecognizerWork work_;
};

}  // namespace sori
