// How far a corpus' error rate can be trusted: the percentile bootstrap over utterances (Bisani and Ney, "Bootstrap
// estimates for confidence intervals in ASR performance evaluation", ICASSP 2004).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sori {

// Of each utterance of a set, in its order.
struct UtteranceCounts {
  std::vector<std::int64_t> errors, lengths;
};

struct Interval {
  double value = 0, low = 0, high = 0;  // as measured; the ends of 95 %
};

inline constexpr int kBootstrapDraws = 10'000;

// The mean over runs (seeds) of errors over length, which are all of the same utterances in the same order. Each draw
// takes as many utterances as there are, with replacement, and the same ones for every run. The same counts give the
// same interval. All zero where there is no utterance.
Interval bootstrap_rate(std::span<const UtteranceCounts> runs);

// Of the first mean over the second, both of the same utterances; a draw takes the same ones for both. Infinite where
// the second makes no error.
Interval bootstrap_ratio(std::span<const UtteranceCounts> runs, std::span<const UtteranceCounts> against);

}  // namespace sori
