#include "ops/cpu/attention.h"
#include "ops/cpu/attention_parts.h"
#include "ops/cpu/kernels.h"

namespace sori {
namespace {

struct Gradients {
  ConstMat out, lse, dout;
  Mat dq, dk, dv;
};

// Queries and output gradients of one utterance head after head, with what each row's softmax needs.
struct HeadRows {
  AttentionSpan span;
  Mat q, dout;     // [H * padded rows, D] compute
  Mat delta, lse;  // [H, padded rows] f32; delta = out . dout
  HeadRows(const AttentionSpan& s, std::int64_t heads, std::int64_t width, DType type, Scratch& scratch)
      : span(s),
        q(scratch.mat(type, heads * round_rows(s.query.count), width)),
        dout(scratch.mat(type, q.rows, width)),
        delta(scratch.mat(DType::kF32, heads, round_rows(s.query.count))),
        lse(scratch.mat(DType::kF32, heads, delta.cols)) {}
  std::int64_t padded() const { return delta.cols; }
};

// Rows [first, first + kTileRows) of some heads.
void fill_rows(const Operands& in, const Gradients& g, const HeadRows& to, std::int64_t head, std::int64_t heads,
               std::int64_t first) {
  const std::int64_t rows = std::min(kTileRows, to.span.query.count - first), query = to.span.query.first + first;
  for (std::int64_t h = head; h < head + heads; ++h) {
    const std::int64_t place = h * to.padded() + first;
    const ConstMat dout = head_of(g.dout, query, rows, h, in.width);
    copy_padded(head_of(in.q, query, rows, h, in.width), to.q.row_range(place, kTileRows));
    copy_padded(dout, to.dout.row_range(place, kTileRows));
    std::fill_n(to.delta.row<float>(h) + first, kTileRows, 0.0f);
    std::fill_n(to.lse.row<float>(h) + first, kTileRows, 0.0f);
    kernels::row_dots(head_of(g.out, query, rows, h, in.width), dout, to.delta.row<float>(h) + first);
    for (std::int64_t i = 0; i < rows; ++i) to.lse.row<float>(h)[first + i] = g.lse.row<float>(query + i)[h];
  }
}

// Utterances with the same keys: dk and dv have one owner and are summed in f32.
struct Family {
  RowSpan keys;
  std::vector<HeadRows> members;
};

struct BackwardTile {
  Mat scores, dp, p, ds, dk, dv;
  std::int64_t* counts;
  BackwardTile(const TileShapes& s, Scratch& scratch)
      : scores(scratch.mat(DType::kF32, s.tile, kKeyBlock)),
        dp(scratch.mat(DType::kF32, s.tile, kKeyBlock)),
        p(scratch.mat(s.type, s.tile, kKeyBlock)),
        ds(scratch.mat(s.type, s.tile, kKeyBlock)),
        dk(scratch.mat(DType::kF32, kKeyBlock, s.width)),
        dv(scratch.mat(DType::kF32, kKeyBlock, s.width)),
        counts(scratch.array<std::int64_t>(s.tile)) {}
};

Mat narrowed(Mat m, std::int64_t cols) { return {m.data, m.type, m.rows, cols}; }
void zero(Mat m) { std::fill_n(m.row<float>(0), m.size(), 0.0f); }

// One head of a family, which one thread owns.
class HeadBackward {
 public:
  HeadBackward(CpuContext& c, const Operands& in, const Family& family, std::size_t f, std::int64_t head,
               const PackedHeads& keys, const PackedHeads& values, int thread)
      : c_(c),
        in_(in),
        family_(family),
        f_(f),
        h_(head),
        keys_(keys),
        values_(values),
        thread_(thread),
        blocks_{family.keys.count},
        s_(kTileRows, in.width, c.compute),
        t_(s_, c.own[thread]) {}

  void run(const Gradients& g) {
    Scratch& own = c_.own[thread_];
    std::vector<Mat> dqs;
    for (const HeadRows& m : family_.members) zero(dqs.emplace_back(own.mat(DType::kF32, m.padded(), s_.width)));
    for (std::int64_t b = 0; b < blocks_.blocks(); ++b) {
      zero(t_.dk);
      zero(t_.dv);
      for (std::size_t i = 0; i < dqs.size(); ++i)
        for (std::int64_t first = 0; first < family_.members[i].span.query.count; first += s_.tile)
          add_tile(family_.members[i], b, first, dqs[i].row_range(first, s_.tile));
      const std::int64_t first = family_.keys.first + b * kKeyBlock, rows = blocks_.rows(b);
      kernels::convert(t_.dk.row_range(0, rows), 1, head_of(g.dk, first, rows, h_, s_.width));
      kernels::convert(t_.dv.row_range(0, rows), 1, head_of(g.dv, first, rows, h_, s_.width));
    }
    for (std::size_t i = 0; i < dqs.size(); ++i) {
      const RowSpan query = family_.members[i].span.query;
      kernels::convert(dqs[i].row_range(0, query.count), 1, head_of(g.dq, query.first, query.count, h_, s_.width));
    }
  }

 private:
  // p = exp(q k - lse), dp = dout v, ds = p (dp - delta); dv += p^T dout, dk += ds^T q, dq += ds k.
  void add_tile(const HeadRows& m, std::int64_t b, std::int64_t first, Mat dq) {
    const std::int64_t keys = blocks_.padded(b), rows = std::min(s_.tile, m.span.query.count - first);
    count_keys(m.span, in_.causal, first, rows, s_.tile, b * kKeyBlock, blocks_.rows(b), t_.counts);
    if (t_.counts[rows - 1] == 0) return;  // the last query sees most
    const void *const q = m.q.row_range(h_ * m.padded() + first, s_.tile).data,
                      *const dout = m.dout.row_range(h_ * m.padded() + first, s_.tile).data;
    const Mat scores = narrowed(t_.scores, keys), dp = narrowed(t_.dp, keys), p = narrowed(t_.p, keys),
              ds = narrowed(t_.ds, keys);
    TileProduct &to_scores = c_.tiles.product(s_.scores(keys)), &to_keys = c_.tiles.product(s_.key_sum(keys));
    to_scores.run(thread_, q, keys_.by_score(f_, b, h_), scores.row<float>(0));
    to_scores.run(thread_, dout, values_.by_score(f_, b, h_), dp.row<float>(0));
    kernels::softmax_backward(scores, dp, t_.counts, in_.scale, m.lse.row<float>(h_) + first,
                              m.delta.row<float>(h_) + first, p, ds);
    to_keys.run(thread_, p.data, dout, t_.dv.row<float>(0));
    to_keys.run(thread_, ds.data, q, t_.dk.row<float>(0));
    c_.tiles.product(s_.weighted(keys, true)).run(thread_, ds.data, keys_.by_sum(f_, b, h_), dq.row<float>(0));
  }

  CpuContext& c_;
  const Operands& in_;
  const Family& family_;
  std::size_t f_;
  std::int64_t h_;
  const PackedHeads &keys_, &values_;
  int thread_;
  Blocks blocks_;
  TileShapes s_;
  BackwardTile t_;
};

// Spans share their keys wholly or not at all.
std::vector<std::vector<AttentionSpan>> families_of(std::span<const AttentionSpan> spans) {
  std::vector<std::vector<AttentionSpan>> families;
  for (const AttentionSpan& s : spans) {
    const auto same = std::ranges::find_if(families, [&](const auto& family) {
      const RowSpan a = family[0].key, b = s.key;
      const bool equal = a.first == b.first && a.count == b.count;
      require(equal || a.first + a.count <= b.first || b.first + b.count <= a.first,
              "spans share their keys wholly or not at all");
      return equal;
    });
    if (same == families.end())
      families.push_back({s});
    else
      same->push_back(s);
  }
  return families;
}

void prepare_products(CpuContext& c, const Operands& in, std::int64_t keys) {  // built here, found by the threads
  const TileShapes s(kTileRows, in.width, c.compute);
  for (std::int64_t b = 0; b < Blocks{keys}.blocks(); ++b) {
    const std::int64_t padded = Blocks{keys}.padded(b);
    for (const TileShape& shape : {s.scores(padded), s.weighted(padded, true), s.key_sum(padded)})
      c.tiles.product(shape);
  }
}

void backward_of_families(CpuContext& c, const Operands& in, std::span<const std::vector<AttentionSpan>> group,
                          const Gradients& g) {
  const Scratch::Frame frame(c.shared);
  std::vector<Family> families;
  std::vector<RowSpan> keys;
  struct Task {
    const HeadRows* rows;
    std::int64_t head, first;
  };
  for (const auto& spans : group) {
    prepare_products(c, in, spans[0].key.count);
    keys.push_back(spans[0].key);
    families.push_back({spans[0].key, {}});
    for (const AttentionSpan& s : spans)
      families.back().members.emplace_back(s, in.heads, in.width, c.compute, c.shared);
  }
  std::vector<Task> tasks;
  for (const Family& family : families)
    for (const HeadRows& m : family.members)
      for (std::int64_t first = 0; first < m.span.query.count; first += kTileRows)
        for (std::int64_t h = 0; h < in.heads; h += kHeadGroup) tasks.push_back({&m, h, first});
  c.for_each(std::ssize(tasks), [&](std::int64_t i, int) {
    const Task& t = tasks[static_cast<std::size_t>(i)];
    fill_rows(in, g, *t.rows, t.head, std::min(kHeadGroup, in.heads - t.head), t.first);
  });
  const PackedHeads k(c, in.k, keys, in, true, true), v(c, in.v, keys, in, true, false);
  c.for_each(std::ssize(families) * in.heads, [&](std::int64_t i, int thread) {
    const auto f = static_cast<std::size_t>(i / in.heads);
    const Scratch::Frame own(c.own[thread]);
    HeadBackward(c, in, families[f], f, i % in.heads, k, v, thread).run(g);
  });
}

// Heads whose packed rows are in memory at one time: all of them would take 20 MiB of large-v3's step for nothing.
std::int64_t heads_at_once(int threads, std::int64_t heads) {
  return std::min(heads, pieces(std::max<std::int64_t>(threads, 2 * kHeadGroup), kHeadGroup) * kHeadGroup);
}

// Families worked on at one time: enough heads for the threads.
std::int64_t families_at_once(int threads, std::int64_t heads) { return std::max<std::int64_t>(1, threads / heads); }

// The same for some of the heads.
Operands of_heads(const Operands& in, std::int64_t first, std::int64_t heads) {
  const auto part = [&](ConstMat m) { return m.col_range(first * in.width, heads * in.width); };
  return {part(in.q), part(in.k), part(in.v), heads, in.width, in.causal, in.scale};
}
Gradients of_heads(const Gradients& g, std::int64_t first, std::int64_t heads, std::int64_t width) {
  const auto part = [&](auto m) { return m.col_range(first * width, heads * width); };
  return {part(g.out), g.lse.col_range(first, heads), part(g.dout), part(g.dq), part(g.dk), part(g.dv)};
}

}  // namespace

void attention_backward(CpuContext& c, ConstMat q, ConstMat k, ConstMat v, ConstMat out, ConstMat lse, ConstMat dout,
                        std::span<const AttentionSpan> spans, std::int64_t heads, bool causal, Mat dq, Mat dk, Mat dv) {
  const Operands in = operands(q, k, v, heads, causal);
  const Gradients g{out, lse, dout, dq, dk, dv};
  std::vector<RowSpan> queries, keys;
  for (const AttentionSpan& s : spans) {
    queries.push_back(s.query);
    keys.push_back(s.key);
  }
  zero_outside(c, queries, dq);
  zero_outside(c, keys, dk);
  zero_outside(c, keys, dv);
  const auto families = families_of(spans);
  const auto step = static_cast<std::size_t>(families_at_once(c.threads, heads));
  const std::int64_t some = heads_at_once(c.threads, heads);
  for (std::size_t first = 0; first < families.size(); first += step)
    for (std::int64_t head = 0; head < heads; head += some) {
      const std::int64_t count = std::min(some, heads - head);
      backward_of_families(c, of_heads(in, head, count),
                           std::span(families).subspan(first, std::min(step, families.size() - first)),
                           of_heads(g, head, count, in.width));
    }
}

void carve_attention_backward(Scratch& shared, Scratch& own, DType compute, int threads, const Limits& limits) {
  const Scratch::Frame frame(shared), own_frame(own);
  const std::int64_t width = std::max<std::int64_t>(limits.head_width, 1),
                     heads = heads_at_once(threads, std::max<std::int64_t>(limits.heads, 1));
  const AttentionSpan longest{{0, limits.query_rows}, {0, limits.key_rows}};
  for (std::int64_t family = 0; family < families_at_once(threads, heads); ++family) {
    const HeadRows rows(longest, heads, width, compute, shared);
    carve_packed_heads(shared, own, compute, limits.key_rows, heads, width, 3);
  }
  const BackwardTile tile(TileShapes(kTileRows, width, compute), own);
  own.mat(DType::kF32, round_rows(limits.query_rows), width);
}

}  // namespace sori
