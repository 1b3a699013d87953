#include "model/decoder_step.h"

#include <bit>

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
    require(item.slot < cache.limits.slots && item.states <= cache.limits.states,
            "an item has a slot that its audio fits");
    m.tokens.insert(m.tokens.end(), item.tokens.begin(), item.tokens.end());
    for (std::int64_t i = 0; i < count; ++i) {
      m.places.push_back(static_cast<int>(item.before + i));
      m.cache_rows.push_back(cache.token_row(item.slot, item.before + i));
    }
    m.self.push_back({{first, count}, {cache.token_row(item.slot, 0), item.before + count}});
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

void cross_attention(const Pass& p, const DecoderLayer& l, ConstMat x, const KvCache::Layer& cache, StepMemory& m,
                     Mat y) {
  const std::int64_t n = x.rows;
  const Mat normed = m.norm.y.top(n), q = m.q.top(n), attended = m.attended.top(n);
  const Attention& a = l.encoder_attn;
  norm_forward(p, l.encoder_attn_layer_norm, x, m.norm);
  linear_forward(p, a.q_proj, normed, m.names, {}, m.adapter, {}, q);
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
    for (Mat* m : {&l.self_k, &l.self_v}) *m = c.mat(compute, limits.slots * limits.tokens, width);
    for (Mat* m : {&l.cross_k, &l.cross_v}) *m = c.mat(compute, limits.slots * round_rows(limits.states), width);
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
    linear_forward(p, a.k_proj, states, m.names, {}, m.adapter, {}, l.cross_k.row_range(first, states.rows));
    linear_forward(p, a.v_proj, states, m.names, {}, m.adapter, {}, l.cross_v.row_range(first, states.rows));
  }
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
  }
  norm_forward(p, d.layer_norm, m.x[d.layers.size() % 2].top(n), m.norm);
  const Mat result = last_states(m), logits = m.logits.top(result.rows);
  p.backend.linear(result, d.embed_tokens.weight.weight, {}, logits);
  return logits;
}

}  // namespace sori
