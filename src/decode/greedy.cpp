#include "decode/greedy.h"

#include <limits>

#include "base/error.h"

namespace sori {

Choice choose(std::span<float> logits, const DecodeRules& rules, std::span<const int> text) {
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  suppress(logits, rules, text);
  float best = kNever, second = kNever;
  std::size_t chosen = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] > second)) continue;  // one rarely taken branch an element
    second = std::min(logits[i], best);
    if (logits[i] > best) best = logits[i], chosen = i;
  }
  if (!std::isfinite(best)) throw not_predictions();
  return {static_cast<int>(chosen), best - second};
}

}  // namespace sori
