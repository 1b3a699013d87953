// Beam search: the N likeliest texts are written side by side, and the best that ended is taken. The definition is
// transformers' generate(num_beams=N, do_sample=False) with its defaults: a text's score is the mean log-probability of
// its tokens, the end included (length_penalty=1), and the search ends when N texts have ended and the best one that
// runs scores no more than the worst of them (early_stopping=False).
#pragma once

#include <span>

#include "decode/rules.h"

namespace sori {

struct TokenScore {
  int id = 0;
  double log_probability = 0;
};

// The `count` likeliest tokens that the rules allow after `text`, the likeliest first; of equals the lower id.
// Probabilities are of all tokens [V], suppressed ones too, as in the reference. Overwrites suppressed logits. Error
// kNumeric where no token has a probability.
std::vector<TokenScore> likeliest(std::span<float> logits, const DecodeRules& rules, std::span<const int> text,
                                  std::size_t count);

// The search for the text of one window.
class BeamSearch {
 public:
  BeamSearch(std::size_t beams, int end_of_text, std::int64_t most_tokens);

  struct Text {
    std::vector<int> ids;  // without the end
    double score = 0;      // of one that runs: the sum of log-probabilities; of one that ended: their mean
    bool ended = false;    // by itself; otherwise cut off
  };
  struct Move {
    std::size_t parent = 0;  // which text before the step this one goes on from
    int id = 0;              // and its new token
  };

  // Tokens that advance() wants of each text.
  std::size_t candidates() const { return 2 * beams_; }
  // One step: likeliest(.., candidates()) of each running text, in their order. Afterwards these run; none: it is over.
  std::vector<Move> advance(std::span<const std::vector<TokenScore>> next);
  const std::vector<Text>& running() const { return running_; }  // the best first; at the start the empty text
  const Text& best() const { return ended_.front(); }            // once it is over

 private:
  void end(Text text, std::int64_t tokens);

  std::size_t beams_;
  int end_of_text_;
  std::int64_t most_tokens_;
  std::vector<Text> running_{Text{}}, ended_;  // the best first
};

}  // namespace sori
