// One utterance as the model takes it: features and labels.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "audio/context.h"
#include "audio/log_mel.h"
#include "data/dataset.h"
#include "tensor/mat.h"
#include "text/prompt.h"

namespace sori {

struct Example {
  std::uint64_t sample = 0;   // number of this draw in the run: keys dropout
  std::size_t utterance = 0;  // index into the split
  std::string id;
  double seconds = 0;       // of sound
  std::int64_t frames = 0;  // rows of mel: 100 a second, the silence that the encoder reads included
  int mel_bins = 0;
  std::vector<float> mel;          // [frames, mel_bins]
  std::vector<int> input, target;  // [T] each, as in text/prompt.h

  ConstMat features() const { return ConstMat(mel.data(), frames, mel_bins); }
};

struct ExampleOptions {
  std::string language = "ko", task = "transcribe";
  int mel_bins = 80;
  std::int64_t frames = kWindowFrames;  // of each window
  bool loss_on_prompt = false;
  int max_labels = 448;  // positions of the decoder
  AudioContext context = AudioContext::kFull;
  double full_share = 0;       // of the samples that are read in full windows all the same
  double no_speech_share = 0;  // of the samples: sound in which nobody speaks, as long as the utterance, and no text
  std::uint64_t seed = 0;      // says which
};

// Reads sound and makes features and labels. Many threads may use one maker; the tokenizer must outlive it.
class ExampleMaker {
 public:
  ExampleMaker(const Tokenizer& tokenizer, ExampleOptions options);

  const ExampleOptions& options() const { return options_; }
  Labels labels(const Utterance& u) const;
  bool labels_fit(const Utterance& u) const;
  bool no_speech(std::uint64_t sample) const;  // this draw is heard without its utterance
  // Rows of mel of one draw of an utterance, before its sound is read.
  std::int64_t frames(const Utterance& u, std::uint64_t sample) const;
  std::int64_t most_frames(const std::vector<Utterance>& utterances) const;  // of any draw of any of them

  // Fills an example whose sample is set, using its buffers again. Error names the utterance and its file: unreadable
  // sound, a file that is not the one that was prepared, sound longer than the window, labels longer than the decoder.
  void make(const Utterance& u, Example& out) const;

 private:
  std::vector<float> read_sound(const Utterance& u) const;
  std::vector<float> make_no_speech(double seconds, std::uint64_t sample) const;

  const Tokenizer& tokenizer_;
  ExampleOptions options_;
  std::vector<int> prompt_;
  LogMel log_mel_;
};

// Frames that the encoder reads of the longest of them; at most `window`.
std::int64_t longest_context(const std::vector<Utterance>& utterances, AudioContext context, std::int64_t window);

// Of the average utterance, as training reads it: what a step takes. What must fit is the longest.
struct AverageLengths {
  std::int64_t frames = 0, tokens = 0;  // rounded; 0 of no utterances
};
AverageLengths average_lengths(const std::vector<Utterance>& utterances, const ExampleMaker& maker);

// Removes the utterances whose labels do not fit into the decoder and returns their ids, in order.
std::vector<std::string> drop_long_labels(std::vector<Utterance>& utterances, const ExampleMaker& maker);

}  // namespace sori
