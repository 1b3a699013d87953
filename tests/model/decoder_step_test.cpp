// Decoding with a cache against the decoder that reads the whole text at once.
#include "model/decoder_step.h"

#include <gtest/gtest.h>

#include "model/learn.h"
#include "support/bounds.h"
#include "support/tiny_whisper.h"

namespace sori::test {
namespace {

struct Spoken {
  std::int64_t frames;
  std::vector<int> tokens;
};

std::vector<Spoken> spoken() {
  return {{48, {257, 258, 259, 1, 2, 3, 4, 5}}, {31, {257, 9, 8}}, {14, {257, 258, 30, 31, 32, 33, 77}}};
}

// Encodes utterances and reads all of their text at once; decodes them step by step.
class Decoding {
 public:
  Decoding(Backend& backend, Whisper& model, const std::vector<Spoken>& all, double bound, bool int8_cross = false)
      : backend_(backend), model_(model), all_(all), bound_(bound), int8_cross_(int8_cross) {
    std::vector<BatchItem> items;
    for (const Spoken& u : all_) items.push_back({0, u.frames, u.tokens, {}});
    batch.assign(items);
    Carver count = Carver::counting();
    carve(count);
    arena_ = std::make_unique<Arena>(count.bytes());
    Carver carver(*arena_);
    carve(carver);
    EXPECT_EQ(carver.bytes(), count.bytes());
    const Rng rng(3, Draw::kNoise);
    for (std::int64_t i = 0; i < learning.mel.size(); ++i)
      learning.mel.row<float>(0)[i] = static_cast<float>(rng.normal(static_cast<std::uint64_t>(i)));
    measure_base({backend_}, model_, learning.dora);
    refresh_gains({backend_}, model_, learning.dora);
    encoder_forward({backend_}, model_.encoder, batch, learning.mel.top(batch.frames.total), learning.encoder, {});
    decoder_forward({backend_}, model_.decoder, batch, states(), learning.decoder, learning.scratch);
    backend_.linear(learning.decoder.norm.y.top(batch.text.total), model_.decoder.embed_tokens.weight.weight, {},
                    truth_);
  }

  Mat states() const { return learning.encoder.norm.y.top(batch.audio.total); }
  std::int64_t states_of(std::size_t u) const { return batch.audio.spans[u].count; }

  // The audio of utterance u into a slot; its states lie between others', so they are copied to the top of a block.
  void listen(std::size_t u, std::int64_t slot) {
    set_zero(alone_);
    for (std::int64_t r = 0; r < states_of(u); ++r)
      for (std::int64_t c = 0; c < alone_.cols; ++c)
        store(alone_, r, c, states().at(batch.audio.spans[u].first + r, c));
    fill_cross_cache({backend_}, model_.decoder, alone_, slot, cache, step);
  }

  // The next `count` tokens of utterance u.
  StepItem item(std::size_t u, std::int64_t slot, std::int64_t before, std::size_t count) const {
    return {slot, slot, states_of(u), before,
            std::span(all_[u].tokens).subspan(static_cast<std::size_t>(before), count)};
  }

  // Row `row` of the step's logits is what utterance u's token at `place` predicts.
  void expect_row(const Mat& logits, std::int64_t row, std::size_t u, std::int64_t place) const {
    for (std::int64_t v = 0; v < logits.cols; ++v)
      ASSERT_NEAR(logits.at(row, v), truth_.at(batch.text.spans[u].first + place, v), bound_)
          << "utterance " << u << " place " << place;
  }

  Batch batch;
  LearnMemory learning;
  KvCache cache;
  StepMemory step;

 private:
  void carve(Carver& c) {
    const DType compute = backend_.compute();
    learning = carve_learning(c, model_, backend_, {3, 48, 8}, Keep::kNothing);
    cache = carve_cache(c, model_, compute, {4, 8, 24, int8_cross_});
    step = carve_step(c, model_, compute, {3, 9}, cache.limits);
    truth_ = c.mat(DType::kF32, batch.text.total, model_.config.vocab_size);
    alone_ = c.mat(compute, kRowBlock, model_.config.d_model);
  }

  Backend& backend_;
  Whisper& model_;
  std::vector<Spoken> all_;
  double bound_;
  bool int8_cross_;
  std::unique_ptr<Arena> arena_;
  Mat truth_, alone_;
};

struct Case {
  const char* name;
  std::unique_ptr<Backend> (*make)(Compute);
  DType compute;
  bool lora;
  double bound;  // between logits read at once and step by step
  bool dora = false;
};

// The reference computes each row on its own and rounds in the same places: equal bits. The CPU adds in an order that
// depends on the number of rows: each of 6 sublayers is off by at most gamma(F + C) of what flows through it, on either
// side, and logits are sums of absolute values up to 32.
const double kOrder = 2 * 6 * gamma(64 + 32, kRoundoffF32) * 32;

class DecoderStep : public testing::TestWithParam<Case> {
 protected:
  DecoderStep()
      : tiny(tiny_config(), 1, [](Whisper& w) {
          if (GetParam().lora)
            add_lora(w, {.rank = 3, .alpha = 6, .target_modules = {"all-linear"}, .dora = GetParam().dora});
        }) {}
  TinyWhisper tiny;
  std::unique_ptr<Backend> backend = GetParam().make(GetParam().compute);
};

TEST_P(DecoderStep, GivesTheLogitsOfReadingTheWholeText) {
  const std::vector<Spoken> all = spoken();
  Decoding d(*backend, tiny.model, all, GetParam().bound);
  const std::int64_t slots[] = {2, 0, 3};
  std::vector<StepItem> items;
  for (std::size_t u = 0; u < 3; ++u) {
    d.listen(u, slots[u]);
    items.push_back(d.item(u, slots[u], 0, u == 0 ? 4 : 2));  // prompts of several lengths: a ragged step
  }
  const Mat first = decoder_step({*backend}, tiny.model.decoder, items, d.cache, d.step);
  EXPECT_EQ(first.rows, 4);  // three items
  EXPECT_EQ(std::ssize(d.step.tokens), 8);
  for (std::size_t u = 0; u < 3; ++u) d.expect_row(first, static_cast<std::int64_t>(u), u, u == 0 ? 3 : 1);
  std::vector<std::int64_t> done{4, 2, 2};
  for (;;) {  // then one token each, while an utterance has any
    items.clear();
    std::vector<std::size_t> who;
    for (std::size_t u = 0; u < 3; ++u)
      if (done[u] < std::ssize(all[u].tokens)) items.push_back(d.item(u, slots[u], done[u], 1)), who.push_back(u);
    if (who.empty()) break;
    const Mat logits = decoder_step({*backend}, tiny.model.decoder, items, d.cache, d.step);
    EXPECT_EQ(std::ssize(d.step.tokens), step_rows(std::ssize(who)));  // who has ended takes no row
    for (std::size_t i = 0; i < who.size(); ++i)
      d.expect_row(logits, static_cast<std::int64_t>(i), who[i], done[who[i]]++);
  }
}

TEST_P(DecoderStep, AUsedSlotRemembersNothing) {
  const std::vector<Spoken> all = spoken();
  Decoding d(*backend, tiny.model, all, GetParam().bound);
  for (const std::size_t u : {0u, 2u}) {  // the second is shorter in text and in audio
    d.listen(u, 1);
    const auto tokens = all[u].tokens.size();
    const Mat logits =
        decoder_step({*backend}, tiny.model.decoder, std::array{d.item(u, 1, 0, tokens)}, d.cache, d.step);
    d.expect_row(logits, 0, u, static_cast<std::int64_t>(tokens) - 1);
  }
}

// What a cache in 8 bits holds, as numbers.
void copy_decoded(Backend& be, const KvCache::Coded& from, std::int64_t heads, Mat to) {
  const Mat rows(to.data, to.type, to.rows * heads, to.cols / heads);
  be.decode_rows(Int8{from.codes.data(), from.absmax.data(), rows.rows, rows.cols}, 0, rows);
}

TEST_P(DecoderStep, ACacheInEightBitsIsACacheOfItsDecodedNumbers) {
  const std::vector<Spoken> all = spoken();
  const std::int64_t heads = tiny.model.config.decoder_heads, slots[] = {2, 0, 3};
  Decoding plain(*backend, tiny.model, all, 0), coded(*backend, tiny.model, all, 0, /*int8_cross=*/true);
  for (std::size_t u = 0; u < 3; ++u) {
    plain.listen(u, slots[u]);
    coded.listen(u, slots[u]);
  }
  double most = 0;
  for (std::size_t i = 0; i < plain.cache.layers.size(); ++i) {
    KvCache::Layer &from = coded.cache.layers[i], &to = plain.cache.layers[i];
    for (std::size_t u = 0; u < 3; ++u)  // half a step of 1 / 127 away from the numbers themselves, and roundings
      for (std::int64_t r = 0; r < plain.states_of(u) * heads; ++r) {
        const std::int64_t row = coded.cache.state_row(slots[u]) * heads + r, width = to.cross_k.cols / heads;
        const Mat numbers(to.cross_k.data, to.cross_k.type, to.cross_k.rows * heads, width);
        const double step = from.coded_k.absmax[static_cast<std::size_t>(row)] / 127.0;
        for (std::int64_t c = 0; c < width; ++c) {
          const double off = from.coded_k.codes[static_cast<std::size_t>(row * width + c)] * step - numbers.at(row, c);
          most = std::max(most, std::abs(off) / step);
        }
      }
    copy_decoded(*backend, from.coded_k, heads, to.cross_k);
    copy_decoded(*backend, from.coded_v, heads, to.cross_v);
  }
  EXPECT_GT(most, 0.25);  // the codes are not the numbers
  EXPECT_LE(most, 0.5 + 127 * 4 * kRoundoffF32);
  const std::vector<StepItem> many{plain.item(0, slots[0], 0, 7), plain.item(2, slots[2], 0, 6)},
      few{plain.item(0, slots[0], 7, 1), plain.item(1, slots[1], 0, 2), plain.item(2, slots[2], 6, 1)};
  for (const auto& items : {many, few}) {
    const Mat wanted = decoder_step({*backend}, tiny.model.decoder, items, plain.cache, plain.step),
              got = decoder_step({*backend}, tiny.model.decoder, items, coded.cache, coded.step);
    for (std::int64_t r = 0; r < std::ssize(items); ++r)
      for (std::int64_t v = 0; v < wanted.cols; ++v) ASSERT_EQ(got.at(r, v), wanted.at(r, v)) << r << ' ' << v;
  }
}

TEST_P(DecoderStep, RefusesWhatDoesNotFitASlot) {
  const std::vector<Spoken> all = spoken();
  Decoding d(*backend, tiny.model, all, GetParam().bound);
  StepItem item = d.item(0, 0, 0, 4);
  item.before = 5;
  EXPECT_THROW(decoder_step({*backend}, tiny.model.decoder, std::array{item}, d.cache, d.step), Bug);
  item = d.item(0, 4, 0, 4);
  EXPECT_THROW(decoder_step({*backend}, tiny.model.decoder, std::array{item}, d.cache, d.step), Bug);
}

INSTANTIATE_TEST_SUITE_P(
    Backends, DecoderStep,
    testing::Values(Case{"ReferenceF32", make_reference_backend, DType::kF32, false, 0},
                    Case{"ReferenceBF16", make_reference_backend, DType::kBF16, false, 0},
                    Case{"ReferenceF32WithAdapters", make_reference_backend, DType::kF32, true, 0},
                    Case{"ReferenceBF16WithAdapters", make_reference_backend, DType::kBF16, true, 0},
                    Case{"ReferenceBF16WithDora", make_reference_backend, DType::kBF16, true, 0, true},
                    Case{"CpuF32WithDora", make_cpu_backend, DType::kF32, true, kOrder, true},
                    Case{"CpuF32", make_cpu_backend, DType::kF32, false, kOrder},
                    Case{"CpuF32WithAdapters", make_cpu_backend, DType::kF32, true, kOrder}),
    [](const auto& i) { return i.param.name; });

TEST(StepRows, ArePowersOfTwoThenMultiplesOf64) {
  EXPECT_EQ(step_rows(1), 1);
  EXPECT_EQ(step_rows(3), 4);
  EXPECT_EQ(step_rows(33), 64);
  EXPECT_EQ(step_rows(64), 64);
  EXPECT_EQ(step_rows(65), 128);
  EXPECT_EQ(step_rows(129), 192);
}

}  // namespace
}  // namespace sori::test
