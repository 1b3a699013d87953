#include "decode/greedy.h"

#include <limits>

#include "base/error.h"

namespace sori {

Choice choose(std::span<float> logits, const DecodeRules& rules, bool first) {
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  for (const int id : rules.suppress) logits[static_cast<std::size_t>(id)] = kNever;
  if (first)
    for (const int id : rules.begin_suppress) logits[static_cast<std::size_t>(id)] = kNever;
  float best = kNever, second = kNever;
  std::size_t chosen = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] > second)) continue;  // one rarely taken branch an element
    second = std::min(logits[i], best);
    if (logits[i] > best) best = logits[i], chosen = i;
  }
  if (!std::isfinite(best))
    throw Error{ErrorKind::kNumeric, "the model's predictions are not numbers", "",
                "the model or the adapter is damaged"};
  return {static_cast<int>(chosen), best - second};
}

}  // namespace sori
