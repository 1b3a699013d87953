// Beam search against the definition: all texts, their scores, and the rule when to stop.
#include "decode/beam.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/rng.h"
#include "support/temporary.h"

namespace sori {
namespace {

using ::testing::ElementsAre;

constexpr int kEnd = 0;
const std::vector<int> kText{9};  // what was written before

std::vector<TokenScore> scores(const std::vector<std::pair<int, double>>& probabilities) {
  std::vector<TokenScore> all;
  for (const auto& [id, p] : probabilities) all.push_back({id, std::log(p)});
  return all;
}

TEST(Likeliest, AreTheBestOfAllTokensWithTheirProbabilities) {
  std::vector<float> logits{1, 3, 2, 3, -1, 0};
  const auto best = likeliest(logits, {}, kText, 4);
  ASSERT_EQ(best.size(), 4u);
  EXPECT_THAT((std::vector{best[0].id, best[1].id, best[2].id, best[3].id}), ElementsAre(1, 3, 2, 0));
  double sum = 0;
  for (const double x : logits) sum += std::exp(x);
  EXPECT_NEAR(best[2].log_probability, 2 - std::log(sum), 1e-12);
}

TEST(Likeliest, SuppressedTokensKeepTheirShareOfTheProbability) {
  std::vector<float> logits{1, 3, 2, 3}, first = logits;
  const DecodeRules rules{.suppress = {1}, .begin_suppress = {3}};
  const auto later = likeliest(logits, rules, kText, 2), at_first = likeliest(first, rules, {}, 2);
  const double all = std::log(std::exp(1) + 2 * std::exp(3) + std::exp(2));
  EXPECT_EQ(later[0].id, 3);
  EXPECT_NEAR(later[0].log_probability, 3 - all, 1e-6);
  EXPECT_EQ(at_first[0].id, 2);
  EXPECT_NEAR(at_first[0].log_probability, 2 - all, 1e-6);
}

TEST(Likeliest, LogitsThatAreNoNumbersAreAnError) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    std::vector<float> logits{1, bad, 2};
    const auto error = testing::error_of([&] { likeliest(logits, {}, kText, 2); });
    ASSERT_TRUE(error) << bad;
    EXPECT_EQ(error->kind(), ErrorKind::kNumeric);
  }
}

// At first 1 is likelier than 2; what follows 2 makes up for it.
TEST(BeamSearch, KeepsATextThatGreedyDecodingWouldNotFind) {
  BeamSearch search(2, kEnd, 8);
  auto moves = search.advance({{scores({{1, 0.5}, {2, 0.4}, {3, 0.06}, {kEnd, 0.04}})}});
  ASSERT_EQ(moves.size(), 2u);
  EXPECT_EQ(moves[0].id, 1);
  EXPECT_EQ(moves[1].id, 2);
  // After 1 nothing is likely; after 2 the end is nearly sure.
  moves = search.advance(std::vector{scores({{4, 0.3}, {5, 0.3}, {kEnd, 0.2}, {6, 0.2}}),
                                     scores({{kEnd, 0.9}, {4, 0.05}, {5, 0.03}, {6, 0.02}})});
  ASSERT_EQ(moves.size(), 2u) << "one text has ended, two are wanted";
  EXPECT_EQ(moves[0].parent, 0u);
  EXPECT_EQ(moves[1].parent, 0u);
  moves = search.advance(std::vector{scores({{kEnd, 0.9}, {4, 0.1}}), scores({{5, 0.6}, {kEnd, 0.4}})});
  EXPECT_THAT(search.best().ids, ElementsAre(2));
  EXPECT_TRUE(search.best().ended);
  EXPECT_NEAR(search.best().score, std::log(0.4 * 0.9) / 2, 1e-12);
  EXPECT_TRUE(moves.empty()) << "the best that runs scores less than the worst that ended";
}

TEST(BeamSearch, AnEndBehindTheBestIsNoText) {
  BeamSearch search(1, kEnd, 8);
  auto moves = search.advance({{scores({{1, 0.6}, {kEnd, 0.4}})}});
  ASSERT_EQ(moves.size(), 1u);
  moves = search.advance({{scores({{kEnd, 0.9}, {1, 0.1}})}});
  EXPECT_TRUE(moves.empty());
  EXPECT_THAT(search.best().ids, ElementsAre(1));
}

TEST(BeamSearch, IsCutOffWhereThereIsNoMoreRoom) {
  BeamSearch search(2, kEnd, 2);
  ASSERT_EQ(search.advance({{scores({{1, 0.6}, {2, 0.3}, {3, 0.06}, {kEnd, 0.04}})}}).size(), 2u);
  const auto next = scores({{4, 0.5}, {5, 0.3}, {6, 0.15}, {kEnd, 0.05}});
  EXPECT_TRUE(search.advance(std::vector{next, next}).empty());
  EXPECT_THAT(search.best().ids, ElementsAre(1, 4));
  EXPECT_FALSE(search.best().ended);
}

// With more beams than there are texts nothing is left out, so the result is the best text of all: every text of at
// most three tokens from a table of probabilities.
TEST(BeamSearch, WithEnoughBeamsItIsExhaustive) {
  constexpr int kTokens = 4;
  constexpr std::int64_t kMost = 3;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Rng rng(seed, Draw::kNoise);
    const auto table = [&](const std::vector<int>& text) {
      std::uint64_t key = 1;
      for (const int id : text) key = key * kTokens + static_cast<std::uint64_t>(id);
      std::vector<float> logits;
      for (std::uint64_t i = 0; i < kTokens; ++i)
        logits.push_back(static_cast<float>(2 * rng.normal(kTokens * key + i)));
      return logits;
    };
    const auto after = [&](const std::vector<int>& text) {
      std::vector<float> logits = table(text);
      return likeliest(logits, {}, kText, kTokens);
    };
    double best = -1e9;
    std::vector<int> best_ids;
    const std::function<void(const std::vector<int>&, double)> visit = [&](const std::vector<int>& text, double sum) {
      for (const TokenScore& t : after(text)) {
        std::vector<int> longer = text;
        if (t.id != kEnd) longer.push_back(t.id);
        const auto tokens = std::ssize(text) + 1;
        if (t.id != kEnd && tokens < kMost) {
          visit(longer, sum + t.log_probability);
        } else if (const double score = (sum + t.log_probability) / static_cast<double>(tokens); score > best) {
          best = score, best_ids = longer;
        }
      }
    };
    visit({}, 0);
    BeamSearch search(64, kEnd, kMost);
    for (;;) {
      std::vector<std::vector<TokenScore>> next;
      for (const BeamSearch::Text& t : search.running()) next.push_back(after(t.ids));
      if (search.advance(next).empty()) break;
    }
    EXPECT_EQ(search.best().ids, best_ids) << seed;
    EXPECT_NEAR(search.best().score, best, 1e-12);
  }
}

}  // namespace
}  // namespace sori
