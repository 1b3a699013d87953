// Audio states of utterances, computed once where nothing of the encoder learns: every later epoch costs what the
// decoder costs. They lie on disk, in a file without a name in the run's folder, because they tell what was said; the
// system keeps in memory what there is room for.
#pragma once

#include <map>

#include "base/file.h"
#include "data/example.h"
#include "model/whisper.h"

namespace sori {

class EncoderCache {
 public:
  explicit EncoderCache(const Path& folder) : file_(folder) {}

  bool has(std::size_t utterance, std::int64_t states) const { return places_.contains({utterance, states}); }
  void put(std::size_t utterance, ConstMat states);   // [S, C], contiguous
  void get(std::size_t utterance, Mat states) const;  // has() it, with so many rows
  std::uint64_t bytes() const { return end_; }

 private:
  UnnamedFile file_;
  std::uint64_t end_ = 0;
  std::map<std::pair<std::size_t, std::int64_t>, std::uint64_t> places_;  // of an utterance and a length: one is read
                                                                          // in several contexts, if a share is full
};

// Resolves --encoder-cache for a run of so many samples: auto is where nothing of the encoder learns, some utterance is
// heard twice and each sounds as it did before. Error kUsage where it is asked for and the encoder learns, or where
// some samples are made up anew (no_speech_share).
bool keeps_states(const std::string& asked, Whisper& model, std::uint64_t samples, std::size_t utterances,
                  double no_speech_share);
// Bytes on disk once every utterance was heard, in every context it may be heard in.
std::uint64_t states_bytes(const WhisperConfig& config, DType compute, const std::vector<Utterance>& utterances,
                           const ExampleMaker& maker);

}  // namespace sori
