#include "data/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "audio/noise.h"
#include "audio/read.h"
#include "data/corpus_files.h"
#include "support/tiny_tokenizer.h"

namespace sori {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

// Utterance i lasts (i + 1) / 20 seconds and its text is i + 1 letters; mel windows of one second keep the tests quick.
class LoaderTest : public ::testing::Test {
 protected:
  LoaderTest() {
    for (int i = 0; i < 7; ++i) {
      Utterance u;
      u.id = "u" + std::to_string(i);
      u.audio = (folder_ / (u.id + ".pcm")).native();
      u.duration = (i + 1) / 20.0;
      u.text = std::string(static_cast<std::size_t>(i) + 1, 'a');
      put_pcm(u.audio, u.duration);
      utterances_.push_back(u);
    }
  }

  Loader load(const MicroBatchOptions& batches, const LoaderOptions& options = {}) {
    return Loader(utterances_, maker_, MicroBatches(utterances_, maker_, batches), options);
  }

  // Sample numbers and utterances of `batches` micro-batches.
  std::vector<std::pair<std::uint64_t, std::size_t>> deliver(const MicroBatchOptions& how, std::size_t batches,
                                                             const LoaderOptions& options = {}) {
    Loader loader = load(how, options);
    std::vector<std::pair<std::uint64_t, std::size_t>> out;
    for (std::size_t b = 0; b < batches; ++b)
      for (const Example& e : loader.next()) out.emplace_back(e.sample, e.utterance);
    return out;
  }

  TemporaryFolder folder_;
  std::vector<Utterance> utterances_;
  Tokenizer tokenizer_ = test::tiny_tokenizer();
  ExampleMaker maker_{tokenizer_, {.frames = 100}};
};

class ExampleMakerTest : public LoaderTest {};

TEST_F(LoaderTest, MakesFeaturesAndLabelsOfItsUtterance) {
  Loader loader = load({.step = 3, .shuffle = false});
  const std::span<const Example> batch = loader.next();
  ASSERT_EQ(batch.size(), 3u);
  const Example& e = batch[2];
  EXPECT_EQ(e.id, "u2");
  EXPECT_EQ(e.sample, 2u);
  EXPECT_DOUBLE_EQ(e.seconds, 0.15);
  const int end = *tokenizer_.find("<|endoftext|>");
  EXPECT_THAT(e.input, ElementsAre(*tokenizer_.find("<|startoftranscript|>"), *tokenizer_.find("<|ko|>"),
                                   *tokenizer_.find("<|transcribe|>"), *tokenizer_.find("<|notimestamps|>"), ' ', 'a',
                                   'a', 'a'));
  EXPECT_THAT(e.target, ElementsAre(kNoLoss, kNoLoss, kNoLoss, ' ', 'a', 'a', 'a', end));

  const LogMel log_mel(80);
  std::vector<float> mel(100 * 80);
  log_mel.compute(read_audio(utterances_[2].audio).samples, Mat(mel.data(), 100, 80));
  ASSERT_EQ(e.features().rows, 100);
  ASSERT_EQ(e.features().cols, 80);
  EXPECT_EQ(e.mel, mel);
}

// Windows of four seconds; the encoder reads the sound, a margin, and little more.
class ContextTest : public LoaderTest {
 protected:
  ExampleOptions options() const {
    return {.frames = 400, .context = AudioContext::kExact, .full_share = share, .seed = 3};
  }
  std::vector<std::int64_t> frames(std::size_t samples) const {
    const ExampleMaker maker(tokenizer_, options());
    std::vector<std::int64_t> all;
    for (std::size_t s = 0; s < samples; ++s) all.push_back(maker.frames(utterances_[s % utterances_.size()], s));
    return all;
  }
  double share = 0;
};

TEST_F(ContextTest, AShortContextHoldsTheBeginningOfTheFullOne) {
  const ExampleMaker maker(tokenizer_, options());
  Loader loader(utterances_, maker, MicroBatches(utterances_, maker, {.step = 7, .shuffle = false}), {});
  const std::span<const Example> batch = loader.next();
  for (const Example& e : batch) {
    const std::vector<float> sound = read_audio(utterances_[e.utterance].audio).samples;
    ASSERT_EQ(e.frames, context_frames(AudioContext::kExact, e.seconds, 400));
    std::vector<float> mel(static_cast<std::size_t>(e.frames) * 80);
    LogMel(80).compute(sound, Mat(mel.data(), e.frames, 80));
    EXPECT_EQ(e.mel, mel) << e.id;
  }
  EXPECT_EQ(batch[0].frames, 192);
  EXPECT_EQ(batch[6].frames, 192);
  EXPECT_EQ(maker.most_frames(utterances_), 192);
}

TEST_F(ContextTest, AShareOfTheSamplesIsReadInFullWindows) {
  const auto none = frames(1000);
  EXPECT_EQ(std::count(none.begin(), none.end(), 400), 0);
  share = 0.25;
  const auto some = frames(1000);
  EXPECT_NEAR(static_cast<double>(std::count(some.begin(), some.end(), 400)), 250, 5 * std::sqrt(1000 * 0.25 * 0.75));
  EXPECT_EQ(some, frames(1000));
  EXPECT_EQ(ExampleMaker(tokenizer_, options()).most_frames(utterances_), 400);
  share = 1;
  EXPECT_EQ(frames(20), std::vector<std::int64_t>(20, 400));
}

TEST_F(ContextTest, TheAverageUtteranceIsAsTrainingReadsIt) {
  double tokens = 0;
  for (const Utterance& u : utterances_) tokens += 5 + static_cast<double>(u.text.size());  // prompt, blank, text
  for (share = 0; share <= 1; share += 0.25) {
    const AverageLengths average = average_lengths(utterances_, ExampleMaker(tokenizer_, options()));
    EXPECT_EQ(average.frames, std::llround(192 + share * (400 - 192)));
    EXPECT_EQ(average.tokens, std::llround(tokens / static_cast<double>(utterances_.size())));
  }
  EXPECT_EQ(average_lengths({}, ExampleMaker(tokenizer_, options())).frames, 0);
}

// Silence or noise as long as the utterance, and no text; the same draw is the same sound.
TEST_F(LoaderTest, AShareOfTheSamplesIsSoundWithoutSpeech) {
  const ExampleMaker maker(tokenizer_, {.frames = 100, .no_speech_share = 0.25, .seed = 3});
  std::size_t silent = 0, digital = 0;
  std::set<std::vector<float>> sounds;
  const int end = *tokenizer_.find("<|endoftext|>");
  for (std::uint64_t sample = 0; sample < 1000; ++sample) {
    Example spoken, e;
    spoken.sample = e.sample = sample;
    const Utterance& u = utterances_[sample % utterances_.size()];
    maker_.make(u, spoken);
    maker.make(u, e);
    EXPECT_EQ(e.frames, spoken.frames);
    EXPECT_DOUBLE_EQ(e.seconds, spoken.seconds);
    if (!maker.no_speech(sample)) {
      ASSERT_EQ(e.mel, spoken.mel);
      ASSERT_EQ(e.input, spoken.input);
      continue;
    }
    ++silent;
    ASSERT_THAT(e.target, ElementsAre(kNoLoss, kNoLoss, kNoLoss, end));
    ASSERT_EQ(e.input.size(), 4u);
    std::vector<float> nothing(e.mel.size());
    LogMel(80).compute(make_silence(u.duration), Mat(nothing.data(), 100, 80));
    digital += e.mel == nothing ? 1 : 0;
    sounds.insert(e.mel);
    Example again;
    again.sample = sample;
    maker.make(u, again);
    ASSERT_EQ(again.mel, e.mel);
  }
  EXPECT_NEAR(static_cast<double>(silent), 250, 5 * std::sqrt(1000 * 0.25 * 0.75));
  EXPECT_NEAR(static_cast<double>(digital), silent / 4.0, 5 * std::sqrt(static_cast<double>(silent) * 0.25 * 0.75));
  EXPECT_GE(sounds.size(), silent - digital) << "no two noises are alike";
}

TEST_F(LoaderTest, DeliversTheSameForTheSameSeed) {
  const MicroBatchOptions options{.seed = 5, .step = 3};
  const auto first = deliver(options, 6);
  EXPECT_EQ(first, deliver(options, 6));
  EXPECT_NE(first, deliver({.seed = 6, .step = 3}, 6));
  ASSERT_EQ(first.size(), 18u);
  for (std::size_t i = 0; i < first.size(); ++i)
    EXPECT_EQ(first[i].first, i);  // epochs follow each other without a gap
}

TEST_F(LoaderTest, DeliversTheSameForEveryBatchSizeAndPrefetch) {
  const auto one = deliver({.seed = 5, .step = 1}, 12, {.prefetch = 1});
  EXPECT_EQ(one, deliver({.seed = 5, .step = 4}, 3, {.prefetch = 3}));
  EXPECT_EQ(one, deliver({.seed = 5, .step = 12}, 1, {.prefetch = 1}));
}

TEST_F(LoaderTest, GoesOnFromAnyNumberOfConsumedSamples) {
  const auto whole = deliver({.seed = 2, .step = 2}, 10);
  for (const std::uint64_t consumed : {2, 6, 8, 14}) {
    const auto rest = deliver({.seed = 2, .step = 2}, 10 - consumed / 2, {.start = consumed});
    EXPECT_EQ(rest, (std::vector(whole.begin() + static_cast<std::ptrdiff_t>(consumed), whole.end()))) << consumed;
  }
}

TEST_F(LoaderTest, EndsWithAShortBatchAndThenWithNone) {
  Loader loader = load({.step = 3}, {.end = 4});
  EXPECT_EQ(loader.next().size(), 3u);
  EXPECT_EQ(loader.next().size(), 1u);
  EXPECT_TRUE(loader.next().empty());
  EXPECT_TRUE(loader.next().empty());
}

TEST_F(LoaderTest, UsesItsBuffersAgain) {
  Loader loader = load({.step = 2}, {.prefetch = 2});
  std::set<const float*> buffers;
  for (int i = 0; i < 40; ++i)
    for (const Example& e : loader.next()) buffers.insert(e.mel.data());
  EXPECT_EQ(buffers.size(), 2u * (2 + 1));  // examples x (made ahead + in use)
}

TEST_F(LoaderTest, GivesTheErrorInPlaceOfItsBatchAndAgain) {
  put(utterances_[3].audio, "x");
  Loader loader = load({.step = 2, .shuffle = false});
  EXPECT_EQ(loader.next().size(), 2u);  // what came before is delivered
  for (int again = 0; again < 2; ++again) {
    const auto error = error_of([&] { loader.next(); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::kInput);
    EXPECT_THAT(error->what(), HasSubstr("utterance u3"));
    EXPECT_THAT(error->what(), HasSubstr(utterances_[3].audio));
  }
}

TEST_F(ExampleMakerTest, RefusesAFileThatIsNotTheOneThatWasPrepared) {
  put_pcm(utterances_[0].audio, 0.09);
  Example e;
  const auto error = error_of([&] { maker_.make(utterances_[0], e); });
  ASSERT_TRUE(error);
  EXPECT_THAT(error->what(), HasSubstr("run sori prepare again"));
}

TEST_F(ExampleMakerTest, RefusesSoundLongerThanTheWindow) {
  put_pcm(utterances_[0].audio, 1.05);
  utterances_[0].duration = 1.05;
  Example e;
  EXPECT_EQ(error_of([&] { maker_.make(utterances_[0], e); })->kind(), ErrorKind::kInput);
  put_pcm(utterances_[1].audio, 1);
  utterances_[1].duration = 1;
  EXPECT_FALSE(error_of([&] { maker_.make(utterances_[1], e); }));
}

TEST_F(ExampleMakerTest, ReadsOnlyThePartOfARow) {
  utterances_[6].cut = true;
  utterances_[6].offset = 0.1;
  utterances_[6].duration = 0.2;
  Example e;
  maker_.make(utterances_[6], e);
  EXPECT_DOUBLE_EQ(e.seconds, 0.2);
  const Audio part = read_audio(utterances_[6].audio, {.start = 0.1, .end = 0.3});
  std::vector<float> mel(100 * 80);
  LogMel(80).compute(part.samples, Mat(mel.data(), 100, 80));
  EXPECT_EQ(e.mel, mel);
}

// Every destructor returns, under ThreadSanitizer too.
TEST_F(LoaderTest, CanBeClosedWhileItLoads) {
  for (int i = 0; i < 20; ++i) {
    Loader loader = load({.seed = static_cast<std::uint64_t>(i), .step = 5}, {.prefetch = 3});
    if (i % 2) {
      EXPECT_EQ(loader.next().size(), 5u);
    }
    if (i % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(i));
  }
}

TEST_F(LoaderTest, MeasuresHowLongItWasWaitedFor) {
  Loader loader = load({.step = 7});
  EXPECT_EQ(loader.waited_seconds(), 0);
  loader.next();
  EXPECT_GT(loader.waited_seconds(), 0);
  EXPECT_GT(loader.cpu_seconds(), 0);
}

TEST_F(ExampleMakerTest, DropsUtterancesWhoseLabelsDoNotFit) {
  const ExampleMaker narrow(tokenizer_, {.frames = 100, .max_labels = 4 + 1 + 5});  // prompt, blank, five letters
  EXPECT_THAT(drop_long_labels(utterances_, narrow), ElementsAre("u5", "u6"));
  ASSERT_EQ(utterances_.size(), 5u);
  EXPECT_EQ(utterances_[4].id, "u4");
  utterances_[0].text = "aaaaaa";
  EXPECT_THAT(drop_long_labels(utterances_, narrow), ElementsAre("u0"));
  EXPECT_EQ(utterances_[0].id, "u1");
  utterances_[0].text = "aaaaaa";
  Example e;
  EXPECT_EQ(error_of([&] { narrow.make(utterances_[0], e); })->kind(), ErrorKind::kInput);
}

TEST_F(ExampleMakerTest, LearnsThePromptToo) {
  const ExampleMaker maker(tokenizer_, {.frames = 100, .loss_on_prompt = true});
  EXPECT_EQ(maker.labels(utterances_[0]).target[0], *tokenizer_.find("<|ko|>"));
}

}  // namespace
}  // namespace sori
