// Divides the samples of an optimizer step into micro-batches that fit the memory planned for them. Utterances differ
// in length, and nothing is padded to a batch mate, so what counts is rows, not utterances: short ones share a
// micro-batch where a long one has it for itself. What is learnt does not depend on the division, up to rounding.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "data/example.h"
#include "data/order.h"

namespace sori {

struct Sample {
  std::uint64_t number = 0;   // of this draw in the run
  std::size_t utterance = 0;  // index into the split
};
using MicroBatch = std::vector<Sample>;  // in the order of their numbers

struct MicroBatchOptions {
  static constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

  std::uint64_t seed = 0;
  std::size_t step = 1;                               // samples of an optimizer step
  std::int64_t frames = kNoLimit, tokens = kNoLimit;  // that fit into a micro-batch, all its samples together
  bool shuffle = true;                                // false: sample i is utterance i % size
};

// A function of the options and the utterances' lengths alone: trainer and loader each ask their own copy.
class MicroBatches {
 public:
  MicroBatches(const std::vector<Utterance>& utterances, const ExampleMaker& maker, const MicroBatchOptions& options);

  // Of the step that begins with sample `first` and ends before sample `end`, if not by itself; first fit, the longest
  // first. A sample that fits no micro-batch has one for itself.
  std::vector<MicroBatch> of_step(std::uint64_t first, std::uint64_t end = MicroBatchOptions::kNoLimit);

  const MicroBatchOptions& options() const { return options_; }

 private:
  const std::vector<Utterance>& utterances_;
  const ExampleMaker& maker_;
  MicroBatchOptions options_;
  DataOrder order_;
  std::vector<std::int32_t> tokens_;  // of each utterance's labels
};

}  // namespace sori
