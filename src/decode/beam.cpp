#include "decode/beam.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace sori {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

double log_sum_exp(std::span<const float> logits, float largest) {
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - largest);
  return largest + std::log(sum);
}

}  // namespace

std::vector<TokenScore> likeliest(std::span<float> logits, const DecodeRules& rules, std::span<const int> text,
                                  std::size_t count) {
  const float largest = *std::ranges::max_element(logits);
  const double all = log_sum_exp(logits, largest);
  if (!std::isfinite(all)) throw not_predictions();
  suppress(logits, rules, text);
  std::vector<TokenScore> best;
  best.reserve(count + 1);
  float threshold = kNever;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] > threshold)) continue;  // one rarely taken branch an element
    const TokenScore token{static_cast<int>(i), logits[i] - all};
    const auto worse = [&](const TokenScore& t) { return t.log_probability < token.log_probability; };
    best.insert(std::ranges::find_if(best, worse), token);
    if (best.size() <= count) continue;
    best.pop_back();
    threshold = logits[static_cast<std::size_t>(best.back().id)];
  }
  return best;
}

BeamSearch::BeamSearch(std::size_t beams, int end_of_text, std::int64_t most_tokens)
    : beams_(beams), end_of_text_(end_of_text), most_tokens_(most_tokens) {
  require(beams > 0 && most_tokens > 0, "a search has a beam and room for a token");
}

std::vector<BeamSearch::Move> BeamSearch::advance(std::span<const std::vector<TokenScore>> next) {
  require(next.size() == running_.size(), "each running text goes on");
  struct Candidate {
    Move move;
    double score;
  };
  std::vector<Candidate> all;
  for (std::size_t i = 0; i < next.size(); ++i)
    for (const TokenScore& t : next[i]) all.push_back({{i, t.id}, running_[i].score + t.log_probability});
  std::ranges::stable_sort(all, std::greater{}, &Candidate::score);
  all.resize(std::min(all.size(), candidates()));

  const auto tokens = std::ssize(running_.front().ids) + 1;
  std::vector<Move> moves;
  std::vector<Text> running;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const auto& [move, score] = all[rank];
    const bool ends = move.id == end_of_text_;
    Text text = running_[move.parent];
    text.score = score;
    text.ended = ends;
    if (!ends) text.ids.push_back(move.id);
    if (ends || tokens == most_tokens_) {
      if (rank < beams_) end(std::move(text), tokens);
    } else if (moves.size() < beams_) {
      moves.push_back(move);
      running.push_back(std::move(text));
    }
  }
  running_ = std::move(running);
  const bool better_ones_may_come =
      !running_.empty() &&
      (ended_.size() < beams_ || running_.front().score / static_cast<double>(tokens) > ended_.back().score);
  if (!better_ones_may_come) moves.clear();
  return moves;
}

void BeamSearch::end(Text text, std::int64_t tokens) {
  text.score /= static_cast<double>(tokens);
  const auto worse = [&](const Text& t) { return t.score < text.score; };
  ended_.insert(std::ranges::find_if(ended_, worse), std::move(text));
  if (ended_.size() > beams_) ended_.pop_back();
}

}  // namespace sori
