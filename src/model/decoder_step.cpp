#include "model/decoder_step.h"

#include <bit>

#include "model/layer_pages.h"
#include "model/lora.h"

namespace sori {
namespace {

void copy_row(ConstMat from, std::int64_t r, Mat to, std::int64_t s) {
  std::memcpy(to.row_range(s, 1).data, from.row_range(r, 1).data,
              static_cast<std::size_t>(from.cols) * size_of(from.type));
}

// Which row is which token of which utterance, where its keys go, and what it may see.
void lay_out(std::span<const StepItem> items, const KvCache& cache, StepMemory& m) {
  m.tokens.clear(), m.places.clear(), m.cache_rows.clear(), m.last.clear(), m.self.clear(), m.cross.clear();
  for (const StepItem& item : items) {
    const auto first = std::ssize(m.tokens), count = std::ssize(item.tokens);
    require(count > 0 && item.before + count <= cache.limits.tokens, "an item brings tokens that fit its slot");
    require(item.text < cache.limits.texts() && item.slot < cache.limits.slots && item.states <= cache.limits.states,
            "an item has a slot that its audio fits");
    m.tokens.insert(m.tokens.end(), item.tokens.begin(), item.tokens.end());
    for (std::int64_t i = 0; i < count; ++i) {
      m.places.push_back(static_cast<int>(item.before + i));
      m.cache_rows.push_back(cache.token_row(item.text, item.before + i));
    }
    m.self.push_back({{first, count}, {cache.token_row(item.text, 0), item.before + count}});
    m.cross.push_back({{first, count}, {cache.state_row(item.slot), item.states}});
    m.last.push_back(first + count - 1);
  }
  const auto rows = static_cast<std::size_t>(step_rows(std::ssize(m.tokens)));
  m.tokens.resize(rows, -1);
  m.places.resize(rows, -1);
}

void self_attention(const Pass& p, const DecoderLayer& l, ConstMat x, KvCache::Layer& cache, StepMemory& m, Mat y) {
  const std::int64_t n = x.rows;
  const Mat normed = m.norm.y.top(n), q = m.q.top(n), k = m.k.top(n), v = m.v.top(n), attended = m.attended.top(n);
  const Attention& a = l.self_attn;
  norm_forward(p, l.self_attn_layer_norm, x, m.norm);
  linear_forward(p, a.q_proj, normed, m.names, {}, m.adapter, {}, q);
  linear_forward(p, a.k_proj, normed, m.names, {}, m.adapter, {}, k);
  linear_forward(p, a.v_proj, normed, m.names, {}, m.adapter, {}, v);
  for (std::size_t i = 0; i < m.cache_rows.size(); ++i) {
    copy_row(k, static_cast<std::int64_t>(i), cache.self_k, m.cache_rows[i]);
    copy_row(v, static_cast<std::int64_t>(i), cache.self_v, m.cache_rows[i]);
  }
  p.backend.attention(q, cache.self_k, cache.self_v, m.self, a.heads, /*causal=*/true, attended, m.lse.top(n));
  linear_forward(p, a.out_proj, attended, m.names, {.add = x}, m.adapter, {}, y);
}

// A matrix [S, C] as rows of one head each, [S H, D].
template <class M>
M by_head(M m, std::int64_t heads) {
  return {m.data, m.type, m.rows * heads, m.cols / heads};
}

void encode(const Pass& p, ConstMat from, std::int64_t first, std::int64_t heads, const KvCache::Coded& to) {
  const ConstMat rows = by_head(from, heads);
  p.backend.quantise_rows(rows, to.codes.data() + first * heads * rows.cols, to.absmax.data() + first * heads);
}

void decode(const Pass& p, const KvCache::Coded& from, std::int64_t first, std::int64_t heads, Mat to) {
  const Mat rows = by_head(to, heads);
  const Int8 all{from.codes.data(), from.absmax.data(), std::ssize(from.absmax), rows.cols};
  p.backend.decode_rows(all, first * heads, rows);
}

// A slot's keys and values are decoded when its queries come: one slot's at a time.
void attend_coded(const Pass& p, const Attention& a, const KvCache::Layer& cache, const StepMemory& m, ConstMat q,
                  Mat attended) {
  set_zero(attended);
  for (const AttentionSpan& s : m.cross) {
    const Mat k = m.cross_k.top(s.key.count), v = m.cross_v.top(s.key.count);
    decode(p, cache.coded_k, s.key.first, a.heads, k);
    decode(p, cache.coded_v, s.key.first, a.heads, v);
    const AttentionSpan alone{{0, s.query.count}, {0, s.key.count}};
    p.backend.attention(q.row_range(s.query.first, s.query.count), k, v, {&alone, 1}, a.heads, /*causal=*/false,
                        attended.row_range(s.query.first, s.query.count), m.lse.top(s.query.count));
  }
}

void cross_attention(const Pass& p, const DecoderLayer& l, ConstMat x, const KvCache::Layer& cache, StepMemory& m,
                     Mat y) {
  const std::int64_t n = x.rows;
  const Mat normed = m.norm.y.top(n), q = m.q.top(n), attended = m.attended.top(n);
  const Attention& a = l.encoder_attn;
  norm_forward(p, l.encoder_attn_layer_norm, x, m.norm);
  linear_forward(p, a.q_proj, normed, m.names, {}, m.adapter, {}, q);
  if (cache.cross_k.empty())
    attend_coded(p, a, cache, m, q, attended);
  else
    p.backend.attention(q, cache.cross_k, cache.cross_v, m.cross, a.heads, /*causal=*/false, attended, m.lse.top(n));
  linear_forward(p, a.out_proj, attended, m.names, {.add = x}, m.adapter, {}, y);
}

// The states of each item's last token, side by side.
Mat last_states(StepMemory& m) {
  const Mat result = m.result.top(step_rows(std::ssize(m.last)));
  set_zero(result);
  for (std::size_t i = 0; i < m.last.size(); ++i) copy_row(m.norm.y, m.last[i], result, static_cast<std::int64_t>(i));
  return result;
}

}  // namespace

std::int64_t step_rows(std::int64_t rows) {
  return rows > kRowBlock ? round_rows(rows)
                          : static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(rows)));
}

KvCache carve_cache(Carver& c, const Whisper& model, DType compute, const CacheLimits& limits) {
  const Carver::In purpose(c, Purpose::kCache);
  const std::int64_t width = model.config.d_model;
  KvCache cache;
  cache.limits = limits;
  for (std::size_t i = 0; i < model.decoder.layers.size(); ++i) {
    KvCache::Layer l;
    for (Mat* m : {&l.self_k, &l.self_v}) *m = c.mat(compute, limits.texts() * limits.tokens, width);
    const std::int64_t states = limits.slots * round_rows(limits.states);
    if (limits.int8_cross) {
      for (KvCache::Coded* m : {&l.coded_k, &l.coded_v}) {
        m->codes = c.array<std::int8_t>(static_cast<std::size_t>(states * width));
        m->absmax = c.array<float>(static_cast<std::size_t>(states * model.config.decoder_heads));
      }
    } else {
      for (Mat* m : {&l.cross_k, &l.cross_v}) *m = c.mat(compute, states, width);
    }
    cache.layers.push_back(l);
  }
  return cache;
}

StepMemory carve_step(Carver& c, Whisper& model, DType compute, const StepLimits& step, const CacheLimits& cache) {
  const WhisperConfig& config = model.config;
  const std::int64_t rows = step_rows(step.tokens), items = step_rows(step.items), width = config.d_model;
  const SideLimits d{compute, rows, width, config.decoder_ffn, config.decoder_heads};
  StepMemory m;
  for (Mat* x : {&m.x[0], &m.x[1], &m.q, &m.k, &m.v, &m.attended}) *x = c.mat(compute, rows, width);
  m.norm = carve_norm_saved(c, d);
  m.lse = c.mat(DType::kF32, rows, d.heads);
  for (Mat* x : {&m.after_self, &m.after_cross}) *x = c.mat(DType::kF32, rows, width);
  const std::int64_t rank = adapter_limits(model).rank;
  if (rank > 0) m.adapter.h = c.mat(compute, std::max(rows, round_rows(cache.states)), rank);
  if (cache.int8_cross)
    for (Mat* x : {&m.cross_k, &m.cross_v}) *x = c.mat(compute, round_rows(cache.states), width);
  m.mlp = {m.norm, {}, c.mat(compute, rows, config.decoder_ffn), m.adapter, m.adapter};
  m.result = c.mat(compute, items, width);
  m.logits = c.mat(DType::kF32, items, config.vocab_size);
  for (auto* v : {&m.tokens, &m.places}) v->reserve(static_cast<std::size_t>(rows));
  m.cache_rows.reserve(static_cast<std::size_t>(rows));
  for (auto* v : {&m.self, &m.cross}) v->reserve(static_cast<std::size_t>(step.items));
  m.last.reserve(static_cast<std::size_t>(step.items));
  return m;
}

void fill_cross_cache(const Pass& p, const Decoder& d, ConstMat states, std::int64_t slot, KvCache& cache,
                      StepMemory& m) {
  for (std::size_t i = 0; i < d.layers.size(); ++i) {
    const Attention& a = d.layers[i].encoder_attn;
    KvCache::Layer& l = cache.layers[i];
    const std::int64_t first = cache.state_row(slot);
    const auto fill = [&](const Linear& projection, Mat whole, Mat alone, const KvCache::Coded& coded) {
      const Mat to = cache.limits.int8_cross ? alone.top(states.rows) : whole.row_range(first, states.rows);
      linear_forward(p, projection, states, m.names, {}, m.adapter, {}, to);
      if (cache.limits.int8_cross) encode(p, to, first, a.heads, coded);
    };
    fill(a.k_proj, l.cross_k, m.cross_k, l.coded_k);
    fill(a.v_proj, l.cross_v, m.cross_v, l.coded_v);
    if (p.drop) p.drop->drop_decoder(i);
  }
}

void copy_text(KvCache& cache, std::int64_t from, std::int64_t to, std::int64_t tokens) {
  for (KvCache::Layer& l : cache.layers)
    for (const Mat& m : {l.self_k, l.self_v})
      for (std::int64_t t = 0; t < tokens; ++t) copy_row(m, cache.token_row(from, t), m, cache.token_row(to, t));
}

Mat decoder_step(const Pass& p, const Decoder& d, std::span<const StepItem> items, KvCache& cache, StepMemory& m) {
  require(!p.training, "decoding drops nothing");
  lay_out(items, cache, m);
  const auto n = std::ssize(m.tokens);
  const Mat after_self = m.after_self.top(n), after_cross = m.after_cross.top(n);
  p.backend.embed(d.embed_tokens.weight.weight, m.tokens, d.embed_positions.weight.weight, m.places, m.x[0].top(n));
  for (std::size_t i = 0; i < d.layers.size(); ++i) {
    const DecoderLayer& l = d.layers[i];
    self_attention(p, l, m.x[i % 2].top(n), cache.layers[i], m, after_self);
    cross_attention(p, l, after_self, cache.layers[i], m, after_cross);
    mlp_forward(p, l.fc1, l.fc2, l.final_layer_norm, after_cross, m.names, m.mlp, {}, m.x[(i + 1) % 2].top(n));
    if (p.drop) p.drop->drop_decoder(i);
  }
  norm_forward(p, d.layer_norm, m.x[d.layers.size() % 2].top(n), m.norm);
  const Mat result = last_states(m), logits = m.logits.top(result.rows);
  p.backend.linear(result, d.embed_tokens.weight.weight, {}, logits);
  return logits;
}

}  // namespace sori
