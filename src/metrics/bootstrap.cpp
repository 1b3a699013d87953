#include "metrics/bootstrap.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "base/error.h"
#include "base/rng.h"

namespace sori {
namespace {

// Lengths are the same in all runs, so the mean of their rates is the rate of the mean of their errors.
struct Sums {
  std::vector<double> errors, lengths;  // of each utterance, over all runs
};

Sums add(std::span<const UtteranceCounts> runs) {
  require(!runs.empty(), "a rate is of some run");
  Sums s;
  s.errors.resize(runs[0].errors.size()), s.lengths.resize(runs[0].errors.size());
  for (const UtteranceCounts& run : runs) {
    require(run.errors.size() == s.errors.size() && run.lengths == runs[0].lengths, "runs are of the same utterances");
    for (std::size_t i = 0; i < s.errors.size(); ++i) {
      s.errors[i] += static_cast<double>(run.errors[i]);
      s.lengths[i] += static_cast<double>(run.lengths[i]);
    }
  }
  return s;
}

// statistic(draw): of the utterances that a draw has taken, as their indices.
using Statistic = std::function<double(std::span<const std::size_t>)>;

Interval bootstrap(std::size_t utterances, const Statistic& statistic) {
  if (utterances == 0) return {};
  std::vector<std::size_t> taken(utterances);
  for (std::size_t i = 0; i < utterances; ++i) taken[i] = i;
  Interval interval;
  interval.value = statistic(taken);
  std::vector<double> drawn(kBootstrapDraws);
  for (int draw = 0; draw < kBootstrapDraws; ++draw) {
    const Rng rng(0, Draw::kBootstrap, static_cast<std::uint64_t>(draw));
    for (std::size_t i = 0; i < utterances; ++i) taken[i] = rng.below(i, utterances);
    drawn[static_cast<std::size_t>(draw)] = statistic(taken);
  }
  std::ranges::sort(drawn);
  constexpr std::size_t kTail = kBootstrapDraws / 40;  // 2.5 %
  interval.low = drawn[kTail], interval.high = drawn[kBootstrapDraws - 1 - kTail];
  return interval;
}

double rate(const Sums& s, std::span<const std::size_t> taken) {
  double errors = 0, length = 0;
  for (const std::size_t i : taken) errors += s.errors[i], length += s.lengths[i];
  return errors / std::max(length, 1.0);
}

}  // namespace

Interval bootstrap_rate(std::span<const UtteranceCounts> runs) {
  const Sums s = add(runs);
  return bootstrap(s.errors.size(), [&](std::span<const std::size_t> taken) { return rate(s, taken); });
}

Interval bootstrap_ratio(std::span<const UtteranceCounts> runs, std::span<const UtteranceCounts> against) {
  const Sums above = add(runs), below = add(against);
  require(runs[0].lengths == against[0].lengths, "both are of the same utterances");
  return bootstrap(above.errors.size(), [&](std::span<const std::size_t> taken) {
    const double divisor = rate(below, taken);
    return divisor > 0 ? rate(above, taken) / divisor : std::numeric_limits<double>::infinity();
  });
}

}  // namespace sori
