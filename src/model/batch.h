// A ragged batch: utterance after utterance, nothing padded to a batch mate. Positions, spans and dropout keys of every
// row.
#pragma once

#include <vector>

#include "ops/backend.h"

namespace sori {

// The rows of one side of a batch: mel frames (2S an utterance), audio states (S), or text tokens (T).
struct Rows {
  std::int64_t total = 0;           // N: the sum of the counts, rounded up to a multiple of 64
  std::vector<RowSpan> spans;       // one an utterance
  std::vector<int> places;          // [N] position inside the utterance; -1: a dead row
  std::vector<std::uint64_t> keys;  // [N] names a row for dropout: its sample and its place
};

// What one utterance brings.
struct BatchItem {
  std::uint64_t sample = 0;            // its number in the data set
  std::int64_t frames = 0;             // 2S mel frames
  std::span<const int> input, target;  // [T] decoder input, and what it should say next (-1: no loss)
};

// Capacity of a batch, for planning: rows for so many utterances of the greatest length, or for more that are shorter.
struct BatchLimits {
  std::int64_t utterances = 1, frames = 3000, tokens = 448;  // frames and tokens: of one utterance
  std::int64_t frame_rows() const { return round_rows(utterances * frames); }
  std::int64_t audio_rows() const { return round_rows(utterances * ((frames + 1) / 2)); }
  std::int64_t text_rows() const { return round_rows(utterances * tokens); }
};

struct Batch {
  Rows frames, audio, text;
  std::vector<AttentionSpan> audio_self, text_self, cross;
  std::vector<int> tokens, targets;  // [N of text]; dead rows: -1

  // Reuses its memory: nothing is allocated once it has held a batch of this size.
  void assign(std::span<const BatchItem> items);
  void reserve(const BatchLimits& limits, std::int64_t most_utterances);
};

}  // namespace sori
