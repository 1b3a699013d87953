#include "ops/cpu/attention_parts.h"

#include <cstring>

#include "ops/cpu/kernels.h"

namespace sori {

Operands operands(ConstMat q, ConstMat k, ConstMat v, std::int64_t heads, bool causal) {
  const std::int64_t width = q.cols / heads;
  return {q, k, v, heads, width, causal, static_cast<float>(1 / std::sqrt(static_cast<double>(width)))};
}

void copy_padded(ConstMat from, Mat to) {
  kernels::convert(from, 1, to.row_range(0, from.rows));
  const Mat rest = to.row_range(from.rows, to.rows - from.rows);
  if (!rest.empty()) std::memset(rest.data, 0, static_cast<std::size_t>(rest.size()) * size_of(rest.type));
}

void count_keys(const AttentionSpan& span, bool causal, std::int64_t first_query, std::int64_t queries,
                std::int64_t tile, std::int64_t first_key, std::int64_t keys, std::int64_t* counts) {
  for (std::int64_t i = 0; i < tile; ++i) {
    const std::int64_t seen = causal ? span.key.count - span.query.count + first_query + i + 1 : span.key.count;
    counts[i] = i < queries ? std::clamp<std::int64_t>(seen - first_key, 0, keys) : 0;
  }
}

PackedHeads::PackedHeads(CpuContext& c, ConstMat m, std::span<const RowSpan> rows, const Operands& in, bool by_score,
                         bool by_sum)
    : heads_(in.heads), width_(in.width), score_bytes_(0), sum_bytes_(0) {
  struct Task {
    std::size_t u;
    std::int64_t block, head;
  };
  std::vector<Task> tasks;
  for (const RowSpan& r : rows)  // what packers there will be, and the room for their results
    for (std::int64_t b = 0; b < Blocks{r.count}.blocks(); ++b) {
      const std::int64_t padded = Blocks{r.count}.padded(b);
      if (by_score) c.tiles.packer(width_, padded, c.compute, TileShape::B::kColumns, width_);
      if (by_sum) c.tiles.packer(padded, width_, c.compute, TileShape::B::kRows, width_);
      if (by_score) score_bytes_ = std::max(score_bytes_, c.tiles.packed_bytes(width_, padded, c.compute));
      if (by_sum) sum_bytes_ = std::max(sum_bytes_, c.tiles.packed_bytes(padded, width_, c.compute));
    }
  for (std::size_t u = 0; u < rows.size(); ++u) {
    const std::int64_t blocks = Blocks{rows[u].count}.blocks();
    const auto room = [&](std::size_t bytes) {
      return static_cast<std::byte*>(c.shared.take(bytes * static_cast<std::size_t>(blocks * heads_)));
    };
    base_.push_back({room(score_bytes_), room(sum_bytes_)});
    for (std::int64_t b = 0; b < blocks; ++b)
      for (std::int64_t h = 0; h < heads_; h += kHeadGroup) tasks.push_back({u, b, h});
  }
  c.for_each(std::ssize(tasks), [&](std::int64_t i, int thread) {
    const Task& t = tasks[static_cast<std::size_t>(i)];
    pack(c, m, rows[t.u], t.u, t.block, t.head, std::min(kHeadGroup, heads_ - t.head), thread);
  });
}

void PackedHeads::pack(CpuContext& c, ConstMat m, const RowSpan& rows, std::size_t u, std::int64_t block,
                       std::int64_t head, std::int64_t heads, int thread) const {
  constexpr std::int64_t kStrip = 16;  // rows that stay in L1 until each head has its part
  Scratch& own = c.own[thread];
  const Scratch::Frame frame(own);
  const std::int64_t count = Blocks{rows.count}.rows(block), padded = Blocks{rows.count}.padded(block);
  const Mat dense = own.mat(m.type, heads * padded, width_);
  for (std::int64_t first = 0; first < padded; first += kStrip)
    for (std::int64_t h = 0; h < heads; ++h) {
      const std::int64_t here = std::clamp<std::int64_t>(count - first, 0, kStrip);
      copy_padded(head_of(m, rows.first + block * kKeyBlock + std::min(first, count), here, head + h, width_),
                  dense.row_range(h * padded + first, kStrip));
    }
  for (std::int64_t h = 0; h < heads; ++h) {
    const void* from = dense.row_range(h * padded, padded).data;
    if (score_bytes_ > 0)
      c.tiles.packer(width_, padded, c.compute, TileShape::B::kColumns, width_)
          .run(thread, from, const_cast<std::byte*>(by_score(u, block, head + h)));
    if (sum_bytes_ > 0)
      c.tiles.packer(padded, width_, c.compute, TileShape::B::kRows, width_)
          .run(thread, from, const_cast<std::byte*>(by_sum(u, block, head + h)));
  }
}

void carve_packed_heads(Scratch& shared, Scratch& own, DType type, std::int64_t rows, std::int64_t heads,
                        std::int64_t width, int orders) {
  const std::int64_t wide = (width + 63) / 64 * 64;  // blocked orders round up
  for (int order = 0; order < orders; ++order)
    shared.mat(product_type(type), pieces(rows, kKeyBlock) * kKeyBlock * heads, wide);
  const Scratch::Frame frame(own);
  own.mat(type, kHeadGroup * kKeyBlock, width);
}

}  // namespace sori
