// Greedy decoding: always the most likely token. The definition is transformers' generate(num_beams=1,
// do_sample=False).
#pragma once

#include <span>

#include "decode/rules.h"

namespace sori {

struct Choice {
  int id = 0;
  float margin = 0;  // between the two best logits, after suppression; infinite when there is no second
};

// The largest of the logits [V] that the rules allow after `text`; of equals the lowest id. Suppressed logits become
// -infinity. Error kNumeric when nothing can be chosen: the logits are not numbers.
Choice choose(std::span<float> logits, const DecodeRules& rules, std::span<const int> text);

}  // namespace sori
