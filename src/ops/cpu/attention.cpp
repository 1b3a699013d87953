#include "ops/cpu/attention.h"

#include <cstring>
#include <limits>

#include "ops/cpu/attention_parts.h"
#include "ops/cpu/kernels.h"

namespace sori {
namespace {

constexpr std::int64_t kDirectQueries = 4;  // up to here dot products beat packing the keys (decoding)

// The softmax of a tile of queries is built block by block of keys: Milakov & Gimelshein, "Online normalizer
// calculation for softmax", 2018; Dao et al., "FlashAttention", 2022.
struct ForwardTile {
  Mat q, scores, p, out;
  float *largest, *sums, *factors;
  std::int64_t* counts;
  ForwardTile(const TileShapes& s, Scratch& scratch)
      : q(scratch.mat(s.type, s.tile, s.width)),
        scores(scratch.mat(DType::kF32, s.tile, kKeyBlock)),
        p(scratch.mat(s.type, s.tile, kKeyBlock)),
        out(scratch.mat(DType::kF32, s.tile, s.width)),
        largest(scratch.array<float>(s.tile)),
        sums(scratch.array<float>(s.tile)),
        factors(scratch.array<float>(s.tile)),
        counts(scratch.array<std::int64_t>(s.tile)) {}
};

// The same memory as a matrix of fewer columns.
Mat narrowed(Mat m, std::int64_t cols) { return {m.data, m.type, m.rows, cols}; }

struct Result {
  Mat out, lse;
};

// Queries [first, first + s.tile) of utterance u of a group.
void attend_tile(CpuContext& c, const Operands& in, const AttentionSpan& span, std::size_t u, std::int64_t h,
                 std::int64_t first, const PackedHeads& keys, const PackedHeads& values, int thread, const Result& to) {
  Scratch& own = c.own[thread];
  const Scratch::Frame frame(own);
  const TileShapes s(span.query.count, in.width, c.compute);
  const Blocks blocks{span.key.count};
  const std::int64_t rows = std::min(s.tile, span.query.count - first), query = span.query.first + first;
  ForwardTile t(s, own);
  std::fill_n(t.largest, s.tile, -std::numeric_limits<float>::infinity());
  std::fill_n(t.sums, s.tile, 0.0f);
  copy_padded(head_of(in.q, query, rows, h, s.width), t.q);
  for (std::int64_t b = 0; b < blocks.blocks(); ++b) {
    count_keys(span, in.causal, first, rows, s.tile, b * kKeyBlock, blocks.rows(b), t.counts);
    if (b > 0 && t.counts[rows - 1] == 0) break;  // the last query sees most
    const Mat scores = narrowed(t.scores, blocks.padded(b)), p = narrowed(t.p, blocks.padded(b));
    c.tiles.product(s.scores(p.cols)).run(thread, t.q.data, keys.by_score(u, b, h), scores.row<float>(0));
    kernels::online_softmax(scores, t.counts, in.scale, p, t.largest, t.sums, t.factors);
    if (b > 0) kernels::scale_rows(t.factors, t.out);
    c.tiles.product(s.weighted(p.cols, b > 0)).run(thread, p.data, values.by_sum(u, b, h), t.out.row<float>(0));
  }
  kernels::divide_rows(t.out.row_range(0, rows), t.sums, head_of(to.out, query, rows, h, s.width));
  for (std::int64_t i = 0; i < rows; ++i) to.lse.row<float>(query + i)[h] = t.largest[i] + std::log(t.sums[i]);
}

// Utterances whose packed keys fit into scratch memory together.
void attend_group(CpuContext& c, const Operands& in, std::span<const AttentionSpan> group, const Result& to) {
  const Scratch::Frame frame(c.shared);
  struct Task {
    std::size_t u;
    std::int64_t head, first;
  };
  std::vector<Task> tasks;
  std::vector<RowSpan> rows;
  for (std::size_t u = 0; u < group.size(); ++u) {
    const TileShapes s(group[u].query.count, in.width, c.compute);
    const Blocks blocks{group[u].key.count};
    rows.push_back(group[u].key);
    for (std::int64_t b = 0; b < blocks.blocks(); ++b) {  // built here, found by the threads
      c.tiles.product(s.scores(blocks.padded(b)));
      c.tiles.product(s.weighted(blocks.padded(b), b > 0));
    }
    for (std::int64_t h = 0; h < in.heads; ++h)
      for (std::int64_t first = 0; first < group[u].query.count; first += s.tile) tasks.push_back({u, h, first});
  }
  const PackedHeads keys(c, in.k, rows, in, true, false), values(c, in.v, rows, in, false, true);
  c.for_each(std::ssize(tasks), [&](std::int64_t i, int thread) {
    const Task& t = tasks[static_cast<std::size_t>(i)];
    attend_tile(c, in, group[t.u], t.u, t.head, t.first, keys, values, thread, to);
  });
}

// A few queries, as decoding has them, in some heads: dot products, no packing.
void attend_directly(CpuContext& c, const Operands& in, const AttentionSpan& span, std::int64_t head,
                     std::int64_t heads, int thread, const Result& to) {
  Scratch& own = c.own[thread];
  const Scratch::Frame frame(own);
  const Mat room = own.mat(DType::kF32, heads, span.key.count), sum = own.mat(DType::kF32, heads, in.width);
  const auto part = [&](auto m, std::int64_t first, std::int64_t rows) {
    return m.row_range(first, rows).col_range(head * in.width, heads * in.width);
  };
  for (std::int64_t i = 0; i < span.query.count; ++i) {
    const std::int64_t query = span.query.first + i;
    std::int64_t seen;
    float totals[kHeadGroup];
    count_keys(span, in.causal, i, 1, 1, 0, span.key.count, &seen);
    const Mat scores(room.data, DType::kF32, heads, seen);
    kernels::query_scores(part(in.q, query, 1), part(in.k, span.key.first, seen), scores);
    for (std::int64_t h = 0; h < heads; ++h)
      kernels::softmax(scores.row_range(h, 1), in.scale, &totals[h], to.lse.row<float>(query) + head + h);
    kernels::weighted_rows(scores, part(in.v, span.key.first, seen), sum.row<float>(0));
    for (std::int64_t h = 0; h < heads; ++h)
      kernels::divide_rows(sum.row_range(h, 1), &totals[h], head_of(to.out, query, 1, head + h, in.width));
  }
}

std::vector<RowSpan> queries_of(std::span<const AttentionSpan> spans) {
  std::vector<RowSpan> rows;
  for (const AttentionSpan& s : spans) rows.push_back(s.query);
  return rows;
}

}  // namespace

void attention(CpuContext& c, ConstMat q, ConstMat k, ConstMat v, std::span<const AttentionSpan> spans,
               std::int64_t heads, bool causal, Mat out, Mat lse) {
  const Operands in = operands(q, k, v, heads, causal);
  const Result to{out, lse};
  zero_outside(c, queries_of(spans), out);
  zero_outside(c, queries_of(spans), lse);
  const bool few = std::ranges::all_of(spans, [](const AttentionSpan& s) { return s.query.count <= kDirectQueries; });
  if (few) {
    const std::int64_t groups = pieces(heads, kHeadGroup);
    return c.for_each(std::ssize(spans) * groups, [&](std::int64_t i, int thread) {
      const std::int64_t head = i % groups * kHeadGroup;
      attend_directly(c, in, spans[static_cast<std::size_t>(i / groups)], head, std::min(kHeadGroup, heads - head),
                      thread, to);
    });
  }
  std::int64_t room = 0;  // blocks of the longest utterance: what scratch memory was planned for
  for (const AttentionSpan& s : spans) room = std::max(room, Blocks{s.key.count}.blocks());
  for (std::size_t first = 0; first < spans.size();) {
    std::size_t end = first;
    std::int64_t blocks = 0;
    while (end < spans.size() && (end == first || blocks + Blocks{spans[end].key.count}.blocks() <= room))
      blocks += Blocks{spans[end++].key.count}.blocks();
    attend_group(c, in, spans.subspan(first, end - first), to);
    first = end;
  }
}

void zero_outside(CpuContext& c, std::vector<RowSpan> spans, Mat m) {
  std::ranges::sort(spans, {}, &RowSpan::first);
  spans.push_back({m.rows, 0});
  std::int64_t next = 0;
  for (const RowSpan& s : spans) {
    const std::int64_t from = next;
    if (s.first > from)
      c.for_rows(s.first - from, 256, [&](std::int64_t first, std::int64_t rows) {
        for (std::int64_t r = 0; r < rows; ++r)
          std::memset(m.row_range(from + first + r, 1).data, 0, static_cast<std::size_t>(m.cols) * size_of(m.type));
      });
    next = std::max(next, s.first + s.count);
  }
}

std::int64_t widened_by_attention(DType compute, std::int64_t head_width) {
  return product_type(compute) == compute ? 0 : (kKeyBlock + kTileRows) * std::max(head_width, kTileRows);
}

void carve_attention(Scratch& shared, Scratch& own, DType compute, int threads, const Limits& limits) {
  if (limits.key_rows == 0) return;
  const std::int64_t width = std::max<std::int64_t>(limits.head_width, 1),
                     heads = std::max<std::int64_t>(limits.heads, 1);
  {
    const Scratch::Frame frame(shared), own_frame(own);
    carve_packed_heads(shared, own, compute, limits.key_rows, heads, width, 2);
    own.mat(DType::kF32, kHeadGroup, limits.key_rows + width);
    const ForwardTile tile(TileShapes(kTileRows, width, compute), own);
  }
  carve_attention_backward(shared, own, compute, threads, limits);
}

}  // namespace sori
