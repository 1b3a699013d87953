// Which tokens may not be chosen: the suppress lists and no_repeat_ngram_size of generation_config.json, as
// transformers' generate() obeys them.
#pragma once

#include <span>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace sori {

struct DecodeRules {
  std::vector<int> suppress{};        // never
  std::vector<int> begin_suppress{};  // not as the first token after the prompt
  int no_repeat_ngram_size = 0;       // so many tokens in a row stand only once in a text; 0: any number of times
};

// Without the file or its keys there are no rules. Timestamps follow no rule of their own: after <|notimestamps|> the
// reference suppresses nothing but these lists. Error kInput for ids outside of the vocabulary and a negative size.
DecodeRules read_rules(const Path& model_folder, int vocab_size);

// Logits [V] of tokens that the rules forbid after `text`, which is without the prompt, become -infinity.
void suppress(std::span<float> logits, const DecodeRules& rules, std::span<const int> text);
// Error kNumeric for when nothing can be chosen from logits.
Error not_predictions();

}  // namespace sori
