// Greedy decoding against the definition: read the whole text anew for every token, take the likeliest.
#include "decode/recognizer.h"

#include <gtest/gtest.h>

#include <set>

#include "model/learn.h"
#include "support/temporary.h"
#include "support/tiny_recognizer.h"

namespace sori::test {
namespace {

constexpr std::int64_t kMost = 12;
const DecodeRules kRules{.suppress = {5, 17, 80}, .begin_suppress = {256, 32}};

// Windows of several lengths; 24 audio states are 0.48 s.
std::vector<std::vector<float>> windows(std::size_t n) {
  std::vector<std::vector<float>> all;
  for (std::size_t i = 0; i < n; ++i) all.push_back(noise(i, 7680 - 900 * (i % 5) - i));
  return all;
}

// No cache, no batch.
class Definition {
 public:
  explicit Definition(TinyWhisper& tiny) : tiny_(tiny) {
    Carver count = Carver::counting();
    carve_learning(count, tiny_.model, *backend_, kLimits, Keep::kNothing);
    arena_ = std::make_unique<Arena>(count.bytes());
    Carver carver(*arena_);
    memory_ = carve_learning(carver, tiny_.model, *backend_, kLimits, Keep::kNothing);
  }

  std::vector<int> decode(std::span<const float> samples, const DecodeRules& rules, std::int64_t most) {
    std::vector<int> tokens = prompt_tokens(tokenizer_, "ko", "transcribe");
    const std::size_t prompt = tokens.size();
    LogMel(8).compute(samples, memory_.mel.top(48));
    while (std::ssize(tokens) < static_cast<std::int64_t>(prompt) + most) {
      const int next = likeliest(predict(tokens), rules, std::span(tokens).subspan(prompt));
      if (next == special_tokens(tokenizer_).end_of_text) break;
      tokens.push_back(next);
    }
    return {tokens.begin() + static_cast<std::ptrdiff_t>(prompt), tokens.end()};
  }

  std::vector<int> search(std::span<const float> samples, const DecodeRules& rules, std::int64_t most,
                          std::size_t beams) {
    const std::vector<int> prompt = prompt_tokens(tokenizer_, "ko", "transcribe");
    LogMel(8).compute(samples, memory_.mel.top(48));
    BeamSearch search(beams, special_tokens(tokenizer_).end_of_text, most);
    std::vector<std::vector<TokenScore>> next;
    do {
      next.clear();
      for (const BeamSearch::Text& t : search.running()) {
        std::vector<int> tokens = prompt;
        tokens.insert(tokens.end(), t.ids.begin(), t.ids.end());
        std::vector<float> logits = predict(tokens);
        next.push_back(sori::likeliest(logits, rules, t.ids, search.candidates()));
      }
    } while (!search.advance(next).empty());
    return search.best().ids;
  }

 private:
  static constexpr BatchLimits kLimits{1, 48, 40};

  std::vector<float> predict(const std::vector<int>& tokens) {
    Batch batch;
    batch.assign(std::array{BatchItem{0, 48, tokens, {}}});
    Whisper& w = tiny_.model;
    encoder_forward({*backend_}, w.encoder, batch, memory_.mel.top(batch.frames.total), memory_.encoder, {});
    decoder_forward({*backend_}, w.decoder, batch, memory_.encoder.norm.y.top(batch.audio.total), memory_.decoder, {});
    std::vector<float> logits(kTinyVocabulary);
    backend_->linear(memory_.decoder.norm.y.row_range(std::ssize(tokens) - 1, 1), w.decoder.embed_tokens.weight.weight,
                     {}, Mat(logits.data(), 1, kTinyVocabulary));
    return logits;
  }

  static int likeliest(const std::vector<float>& logits, const DecodeRules& rules, std::span<const int> text) {
    std::set<int> forbidden(rules.suppress.begin(), rules.suppress.end());
    if (text.empty()) forbidden.insert(rules.begin_suppress.begin(), rules.begin_suppress.end());
    const auto repeats = [&, size = rules.no_repeat_ngram_size](int id) {
      std::vector<int> longer(text.begin(), text.end());
      longer.push_back(id);
      if (size == 0 || std::ssize(longer) <= size) return false;
      return !std::ranges::search(text, std::span(longer).last(static_cast<std::size_t>(size))).empty();
    };
    int best = -1;
    for (int id = 0; id < kTinyVocabulary; ++id)
      if (!forbidden.contains(id) && !repeats(id) &&
          (best < 0 || logits[static_cast<std::size_t>(id)] > logits[static_cast<std::size_t>(best)]))
        best = id;
    return best;
  }

  TinyWhisper& tiny_;
  std::unique_ptr<Backend> backend_ = make_reference_backend(DType::kF32);
  Tokenizer tokenizer_ = tiny_tokenizer();
  std::unique_ptr<Arena> arena_;
  LearnMemory memory_;
};

// A random model repeats itself. Strong positions and cross-attention make it go on; an end with large logits, of
// either sign, is then reached sooner or later.
void make_talkative(TinyWhisper& tiny) {
  const auto enlarge = [](Mat m, float factor) {
    for (std::int64_t i = 0; i < m.size(); ++i) m.row<float>(0)[i] *= factor;
  };
  Decoder& d = tiny.model.decoder;
  enlarge(d.embed_tokens.weight.value.row_range(256, 1), 4);
  enlarge(d.embed_positions.weight.value, 4);
  for (DecoderLayer& l : d.layers) enlarge(l.encoder_attn.out_proj.weight.value, 2);
}

std::vector<std::vector<int>> ids_of(const std::vector<Decoded>& all) {
  std::vector<std::vector<int>> ids;
  for (const Decoded& d : all) ids.push_back(d.ids);
  return ids;
}

struct Case {
  const char* name;
  std::vector<std::string> adapters;  // target modules
  std::uint64_t seed = 1;             // of weights that write several texts
};

class RecognizerTest : public ::testing::TestWithParam<Case> {
 protected:
  RecognizerTest()
      : tiny(tiny_config(), GetParam().seed, [](Whisper& w) {
          if (!GetParam().adapters.empty()) add_lora(w, {.rank = 3, .alpha = 6, .target_modules = GetParam().adapters});
        }) {
    make_talkative(tiny);
  }
  TinyWhisper tiny;
};

TEST_P(RecognizerTest, OnTheCpuWritesTheSame) {
  const auto sounds = windows(6);
  const std::vector<Decoded> expected = TinyRecognizer(tiny, 4, kMost)(sounds);
  for (const std::int64_t batch : {1, 4}) {
    const auto written = TinyRecognizer(tiny, batch, kMost, {}, make_cpu_backend(DType::kF32))(sounds);
    int sure = 0;
    for (std::size_t i = 0; i < sounds.size(); ++i) {
      if (expected[i].smallest_margin < 2 * 5e-4f) continue;  // a near tie: each logit may differ by 5e-4
      EXPECT_EQ(written[i].ids, expected[i].ids) << "window " << i << ", batch " << batch;
      ++sure;
    }
    EXPECT_GE(sure, 3);
  }
}

TEST_P(RecognizerTest, WritesWhatTheDefinitionWrites) {
  const auto sounds = windows(6);
  const DecodeRules rules = kRules;
  Definition definition(tiny);
  std::vector<std::vector<int>> expected;
  for (const auto& w : sounds) expected.push_back(definition.decode(w, rules, kMost));
  EXPECT_GE(std::set(expected.begin(), expected.end()).size(), 3u) << "the test has several texts";
  // Batching never changes a text: alone, with slots that are taken again, and all at once with a slot to spare.
  for (const std::int64_t batch : {1, 2, 4, 7}) {
    TinyRecognizer r(tiny, batch, kMost, rules);
    EXPECT_EQ(ids_of(r(sounds)), expected) << "batch " << batch;
    EXPECT_EQ(ids_of(r(sounds)), expected) << "batch " << batch << ", for the second time";
  }
}

// A random model repeats itself unless it may not.
TEST_P(RecognizerTest, WritesNothingTwiceWhereItMayNot) {
  const auto sounds = windows(6);
  Definition definition(tiny);
  for (const int size : {1, 2, 3}) {
    DecodeRules rules{.suppress = {256}};  // no end
    std::vector<std::vector<int>> free, expected;
    for (const auto& w : sounds) {
      rules.no_repeat_ngram_size = 0;
      free.push_back(definition.decode(w, rules, kMost));
      rules.no_repeat_ngram_size = size;
      expected.push_back(definition.decode(w, rules, kMost));
    }
    EXPECT_NE(expected, free) << size;
    TinyRecognizer r(tiny, 4, kMost, rules);
    EXPECT_EQ(ids_of(r(sounds)), expected) << size;
  }
}

// Several windows side by side, each with several texts whose places in the cache are taken again and again: the same
// as one window and one text at a time, read anew for every token.
TEST_P(RecognizerTest, SearchesAsTheDefinitionDoes) {
  const auto sounds = windows(6);
  Definition definition(tiny);
  for (const std::int64_t beams : {2, 3}) {
    DecodeRules rules = kRules;
    rules.no_repeat_ngram_size = beams == 3 ? 2 : 0;
    std::vector<std::vector<int>> expected;
    for (const auto& w : sounds)
      expected.push_back(definition.search(w, rules, kMost, static_cast<std::size_t>(beams)));
    EXPECT_GE(std::set(expected.begin(), expected.end()).size(), 2u) << "the test has several texts";
    for (const std::int64_t batch : {1, 4}) {
      TinyRecognizer r(tiny, batch, kMost, rules, make_reference_backend(DType::kF32),
                       [&](RecognizerLimits& l) { l.beams = beams; });
      EXPECT_EQ(ids_of(r(sounds)), expected) << beams << " beams, batch " << batch;
      EXPECT_EQ(ids_of(r(sounds)), expected) << beams << " beams, batch " << batch << ", for the second time";
    }
  }
}

// Of each window the encoder reads what its sound asks for: as a model would whose windows are so long.
TEST(RecognizerContext, AShortContextIsAShortWindow) {
  WhisperConfig config = tiny_config();
  config.max_source_positions = 200;
  TinyWhisper tiny(config);
  make_talkative(tiny);
  std::vector<std::vector<float>> sounds;
  for (std::size_t i = 0; i < 5; ++i) sounds.push_back(noise(i, 8000 + 9000 * ((3 * i) % 5)));
  for (const AudioContext context : {AudioContext::kExact, AudioContext::kBucket}) {
    std::vector<std::vector<int>> expected;
    std::set<std::int64_t> lengths;
    for (const auto& sound : sounds) {
      const std::int64_t frames = context_frames(context, static_cast<double>(sound.size()) / kSampleRate, 400);
      lengths.insert(frames);
      TinyRecognizer alone(tiny, 1, kMost, {}, make_reference_backend(DType::kF32),
                           [&](RecognizerLimits& l) { l.frames = frames; });
      expected.push_back(alone({sound})[0].ids);
    }
    EXPECT_GE(lengths.size(), context == AudioContext::kExact ? 3u : 1u);
    for (const std::int64_t batch : {1, 2, 5}) {
      TinyRecognizer together(tiny, batch, kMost, {}, make_reference_backend(DType::kF32),
                              [&](RecognizerLimits& l) { l.context = context; });
      EXPECT_EQ(ids_of(together(sounds)), expected) << name_of(context) << ", batch " << batch;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Reference, RecognizerTest,
                         ::testing::Values(Case{"Plain", {}}, Case{"WithAdapters", {"q_proj", "v_proj", "fc1"}},
                                           Case{"WithAdaptersInTheLastLayers",
                                                {"model.encoder.layers.1.fc1", "model.decoder.layers.1.fc2",
                                                 "model.decoder.layers.1.encoder_attn.v_proj"},
                                                2}),
                         [](const auto& i) { return i.param.name; });

class Recognition : public ::testing::Test {
 protected:
  Recognition() { make_talkative(tiny); }
  TinyWhisper tiny;
};

TEST_F(Recognition, StopsAtTheEndOrAtMaxNewTokens) {
  TinyRecognizer r(tiny, 4, 2, kRules);
  int ended = 0, cut = 0;
  for (const Decoded& d : r(windows(8))) {
    EXPECT_LE(d.ids.size(), 2u);
    if (!d.ended) {
      EXPECT_EQ(d.ids.size(), 2u);
    }
    (d.ended ? ended : cut)++;
    EXPECT_EQ(std::ranges::count(d.ids, 256), 0);
  }
  EXPECT_GT(ended, 0);
  EXPECT_GT(cut, 0);
}

TEST_F(Recognition, NeverOutgrowsTheModelsPositions) {
  const RecognizerLimits limits = recognizer_limits(tiny.model.config, 2, 4, 444);
  EXPECT_EQ(limits.new_tokens, 36);  // 40 positions, 4 of them the prompt's
  EXPECT_EQ(recognizer_limits(tiny.model.config, 2, 4, 9).new_tokens, 9);
  TinyRecognizer r(tiny, 2, 444, {.suppress = {256}});  // no end
  for (const Decoded& d : r(windows(3))) {
    EXPECT_EQ(d.ids.size(), 36u);
    EXPECT_FALSE(d.ended);
  }
}

TEST_F(Recognition, WhoHasEndedTakesNoRowAndGivesItsSlotAway) {
  TinyRecognizer r(tiny, 2, kMost);
  const auto all = r(windows(6));
  std::int64_t tokens = 0, longest = 0;
  for (const Decoded& d : all) {
    const std::int64_t steps = std::ssize(d.ids) + (d.ended ? 1 : 0);
    tokens += steps;
    longest = std::max(longest, steps);
  }
  const RecognizerWork& work = r.recognizer->work();
  EXPECT_EQ(work.windows, 6);
  EXPECT_EQ(work.tokens, tokens);
  // Two slots are busy until the last windows: fewer steps than three rounds of pairs that wait for each other would
  // be.
  EXPECT_LE(work.steps, (tokens + longest + 1) / 2);
  EXPECT_GE(work.steps, (tokens + 1) / 2);
}

TEST_F(Recognition, TellsTokensAsTheyComeAndTheSmallestMargin) {
  TinyRecognizer r(tiny, 3, kMost);
  std::vector<std::vector<int>> heard(5), said(5);
  std::vector<float> margins(5);
  const auto sounds = windows(5);
  std::size_t next = 0;
  r.recognizer->recognise(
      [&](std::vector<float>& samples) {
        if (next == sounds.size()) return false;
        samples = sounds[next++];
        return true;
      },
      [&](std::size_t window, Decoded d) { said[window] = d.ids, margins[window] = d.smallest_margin; },
      [&](std::size_t window, int id) { heard[window].push_back(id); });
  EXPECT_EQ(heard, said);
  for (const float m : margins) EXPECT_TRUE(m > 0 && std::isfinite(m));
}

TEST_F(Recognition, OfNothingIsNothing) {
  TinyRecognizer r(tiny, 3, kMost);
  EXPECT_TRUE(r({}).empty());
}

TEST_F(Recognition, RefusesAWindowThatDoesNotFit) {
  TinyRecognizer r(tiny, 1, kMost);
  EXPECT_THROW(r({std::vector<float>(7681)}), Bug);
  EXPECT_THROW(r({std::vector<float>()}), Bug);
  EXPECT_DOUBLE_EQ(r.recognizer->window_seconds(), 0.48);
}

TEST_F(Recognition, RefusesATokenizerOfAnotherModel) {
  WhisperConfig config = tiny_config();
  config.vocab_size = 265;  // one less than <|notimestamps|> needs
  TinyWhisper small(config);
  const auto error = sori::testing::error_of([&] { TinyRecognizer(small, 1, 4); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kInput);
}

TEST_F(Recognition, StopsWhenPredictionsAreNoNumbers) {
  TinyRecognizer r(tiny, 2, kMost);
  tiny.model.decoder.layer_norm.bias.value.row<float>(0)[3] = std::numeric_limits<float>::quiet_NaN();
  const auto error = sori::testing::error_of([&] { r(windows(2)); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kNumeric);
}

}  // namespace
}  // namespace sori::test
