// Decoding a few tokens at a time: the decoder runs over new tokens only; keys and values of earlier tokens and of the
// audio are kept in a cache. The same operations and layers as decoder_forward, so the logits are the same up to
// rounding.
#pragma once

#include "model/decoder.h"

namespace sori {

// The cache is divided into slots, one for the audio of each utterance that is being decoded, and one for each text of
// it: a beam search writes several.
struct CacheLimits {
  std::int64_t slots = 1;      // of audio
  std::int64_t tokens = 448;   // of a slot: prompt and text
  std::int64_t states = 1500;  // of a slot: audio states S
  bool int8_cross = false;     // keys and values of the audio in 8 bits: half the memory
  std::int64_t beams = 1;      // texts of a slot

  std::int64_t texts() const { return slots * beams; }
};

struct KvCache {
  // In 8 bits, with a scale for each state and head: rows of D codes.
  struct Coded {
    std::span<std::int8_t> codes;  // [slots * states rounded to 64 * H, D]
    std::span<float> absmax;       // [slots * states rounded to 64 * H]
  };
  struct Layer {
    Mat self_k, self_v;      // [texts * tokens, C] compute
    Mat cross_k, cross_v;    // [slots * states rounded to 64, C] compute
    Coded coded_k, coded_v;  // instead of these two, if limits.int8_cross
  };
  std::vector<Layer> layers;
  CacheLimits limits;

  std::int64_t token_row(std::int64_t text, std::int64_t token) const { return text * limits.tokens + token; }
  std::int64_t state_row(std::int64_t slot) const { return slot * round_rows(limits.states); }
};

// New tokens of one text.
struct StepItem {
  std::int64_t text = 0, slot = 0;  // where its tokens lie in the cache, and its audio
  std::int64_t states = 0;          // S of its audio
  std::int64_t before = 0;          // tokens of it that are in the cache already
  std::span<const int> tokens{};    // the prompt, or the token chosen last
};

// The rows of one step and the activations of one layer, shared by all layers; linear layers share one adapter's h.
struct StepMemory {
  std::vector<int> tokens, places;         // [N]; dead rows: -1
  Rows names;                              // empty: only dropout asks, and decoding drops nothing
  std::vector<std::int64_t> cache_rows;    // [new tokens] where keys and values go
  std::vector<std::int64_t> last;          // [items] row of an item's last token
  std::vector<AttentionSpan> self, cross;  // [items]
  Mat x[2];                                // [N, C] compute: layers take turns
  NormSaved norm;
  Mat q, k, v, attended;        // [N, C] compute
  Mat lse;                      // [N, H] f32
  Mat after_self, after_cross;  // [N, C] f32: the residual stream
  MlpSaved mlp;
  LinearSaved adapter;   // [max(N, S), R]
  Mat cross_k, cross_v;  // [S rounded, C] compute: one slot's, if the cache has them in 8 bits
  Mat result;            // [items, C] compute: what predicts an item's next token
  Mat logits;            // [items, V] f32
};

struct StepLimits {
  std::int64_t items = 1, tokens = 4;  // of a step, and of all its items together
};

// Row counts of decoding: 1, 2, 4, ... 64, then multiples of 64. Dead rows waste time, but primitives are kept by
// shape.
std::int64_t step_rows(std::int64_t rows);

KvCache carve_cache(Carver& c, const Whisper& model, DType compute, const CacheLimits& limits);
StepMemory carve_step(Carver& c, Whisper& model, DType compute, const StepLimits& step, const CacheLimits& cache);

// Keys and values of the audio of one utterance: states [S rounded to 64, C] compute.
void fill_cross_cache(const Pass& p, const Decoder& d, ConstMat states, std::int64_t slot, KvCache& cache,
                      StepMemory& m);

// Keys and values of a text's first tokens, for another one that begins as it does.
void copy_text(KvCache& cache, std::int64_t from, std::int64_t to, std::int64_t tokens);

// Row i of what is returned, [items rounded, V] f32 in m.logits, predicts the token after the last one of items[i]. The
// new tokens' keys and values are in the cache afterwards.
Mat decoder_step(const Pass& p, const Decoder& d, std::span<const StepItem> items, KvCache& cache, StepMemory& m);

}  // namespace sori
