#include "data/micro_batches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/rng.h"
#include "support/tiny_tokenizer.h"

namespace sori {
namespace {

using ::testing::ElementsAre;

// Utterances of these lengths, each with a text of a letter: six tokens with its prompt and blank.
class MicroBatchesTest : public ::testing::Test {
 protected:
  void lengths(const std::vector<double>& seconds) {
    for (const double s : seconds) {
      Utterance u;
      u.duration = s;
      u.text = "a";
      utterances_.push_back(u);
    }
  }
  std::int64_t frames(const Sample& s) const { return maker_.frames(utterances_[s.utterance], s.number); }
  static std::vector<std::uint64_t> numbers(const MicroBatch& batch) {
    std::vector<std::uint64_t> all;
    for (const Sample& s : batch) all.push_back(s.number);
    return all;
  }

  std::vector<Utterance> utterances_;
  Tokenizer tokenizer_ = test::tiny_tokenizer();
  ExampleMaker maker_{tokenizer_, {.context = AudioContext::kExact}};
};

TEST_F(MicroBatchesTest, ShortUtterancesShareWhereALongOneIsAlone) {
  lengths({2, 18, 2, 2, 2, 18});  // 384 frames and 1984
  MicroBatches batches(utterances_, maker_, {.step = 6, .frames = 1984, .shuffle = false});
  const auto step = batches.of_step(0);
  ASSERT_EQ(step.size(), 3u);
  EXPECT_THAT(numbers(step[0]), ElementsAre(1));
  EXPECT_THAT(numbers(step[1]), ElementsAre(5));
  EXPECT_THAT(numbers(step[2]), ElementsAre(0, 2, 3, 4));
}

TEST_F(MicroBatchesTest, TokensAreLimitedToo) {
  lengths({2, 2, 2, 2});
  MicroBatches batches(utterances_, maker_, {.step = 4, .tokens = 12, .shuffle = false});
  const auto step = batches.of_step(0);
  ASSERT_EQ(step.size(), 2u);
  EXPECT_THAT(numbers(step[0]), ElementsAre(0, 1));
  EXPECT_THAT(numbers(step[1]), ElementsAre(2, 3));
}

TEST_F(MicroBatchesTest, WindowsOfOneLengthAreTakenInOrder) {
  lengths({3, 9, 1, 30, 7, 2, 12, 5});
  const ExampleMaker full(tokenizer_, {});
  MicroBatches batches(utterances_, full, {.step = 8, .frames = 3 * 3000, .shuffle = false});
  const auto step = batches.of_step(8);
  ASSERT_EQ(step.size(), 3u);
  EXPECT_THAT(numbers(step[0]), ElementsAre(8, 9, 10));
  EXPECT_THAT(numbers(step[1]), ElementsAre(11, 12, 13));
  EXPECT_THAT(numbers(step[2]), ElementsAre(14, 15));
}

TEST_F(MicroBatchesTest, EverySampleIsInOneThatFits) {
  const Rng rng(9, Draw::kNoise);
  for (std::uint64_t i = 0; i < 101; ++i) lengths({0.2 + 29 * rng.uniform(i)});
  for (const std::int64_t room : {3000, 6000, 12000}) {
    MicroBatches batches(utterances_, maker_, {.seed = 4, .step = 16, .frames = room});
    MicroBatches again = batches;
    std::uint64_t next = 0;
    for (int s = 0; s < 20; ++s) {
      std::vector<std::uint64_t> seen;
      for (const MicroBatch& batch : batches.of_step(next)) {
        std::int64_t sum = 0;
        for (const Sample& sample : batch) sum += frames(sample);
        EXPECT_LE(sum, room);
        for (const std::uint64_t n : numbers(batch)) seen.push_back(n);
      }
      std::ranges::sort(seen);
      std::vector<std::uint64_t> all(16);
      std::iota(all.begin(), all.end(), next);
      EXPECT_EQ(seen, all);
      next += 16;
    }
    // What a step holds does not depend on which one was asked for before.
    const auto third = batches.of_step(48);
    const auto same = again.of_step(48);
    ASSERT_EQ(third.size(), same.size());
    for (std::size_t i = 0; i < same.size(); ++i) EXPECT_EQ(numbers(third[i]), numbers(same[i]));
  }
}

}  // namespace
}  // namespace sori
