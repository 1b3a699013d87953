// What attention and its backward share: an utterance's keys in blocks, and rows brought from [N, H D] to head after
// head.
#pragma once

#include "ops/cpu/context.h"

namespace sori {

inline constexpr std::int64_t kKeyBlock = 512;  // keys that are looked at together: their scores stay in L2

struct Operands {
  ConstMat q, k, v;
  std::int64_t heads, width;  // H, D
  bool causal;
  float scale;  // 1 / sqrt(D)
};
Operands operands(ConstMat q, ConstMat k, ConstMat v, std::int64_t heads, bool causal);

// Rows of an utterance in blocks, the last padded to a multiple of 64, so that few shapes of products exist.
struct Blocks {
  std::int64_t count;  // rows
  std::int64_t blocks() const { return pieces(count, kKeyBlock); }
  std::int64_t rows(std::int64_t b) const { return std::min(kKeyBlock, count - b * kKeyBlock); }
  std::int64_t padded(std::int64_t b) const { return round_rows(rows(b)); }
  std::int64_t padded() const { return round_rows(count); }
};

// The products of a tile of queries with a block of keys.
struct TileShapes {
  std::int64_t tile, width;  // rows of a tile, D
  DType type;

  TileShapes(std::int64_t queries, std::int64_t width_, DType type_)
      : tile(std::min(kTileRows, (queries + 15) / 16 * 16)), width(width_), type(type_) {}
  TileShape scores(std::int64_t keys) const { return {.m = tile, .n = keys, .k = width, .type = type}; }
  TileShape weighted(std::int64_t keys, bool add) const {
    return {.m = tile, .n = width, .k = keys, .type = type, .add = add};
  }
  TileShape key_sum(std::int64_t keys) const {
    return {
        .m = keys, .n = width, .k = tile, .type = type, .a_transposed = true, .b = TileShape::B::kRows, .add = true};
  }
};

// The columns of head h in rows [first, first + count).
template <class M>
M head_of(M m, std::int64_t first, std::int64_t count, std::int64_t h, std::int64_t width) {
  return m.row_range(first, count).col_range(h * width, width);
}

// A converted copy with zero rows behind it.
void copy_padded(ConstMat from, Mat to);

// How many of the keys from first_key on each query of a tile sees; none in the rows behind the last query.
void count_keys(const AttentionSpan& span, bool causal, std::int64_t first_query, std::int64_t queries,
                std::int64_t tile, std::int64_t first_key, std::int64_t keys, std::int64_t* counts);

// Keys or values of utterances in the blocked orders that products read, head after head: by_score [D, keys] meets
// queries, by_sum [keys, D] meets probabilities. The rows are read in the order in which they lie in memory.
class PackedHeads {
 public:
  PackedHeads(CpuContext& c, ConstMat m, std::span<const RowSpan> rows, const Operands& in, bool by_score, bool by_sum);
  const std::byte* by_score(std::size_t u, std::int64_t block, std::int64_t head) const {
    return base_[u].score + static_cast<std::size_t>(block * heads_ + head) * score_bytes_;
  }
  const std::byte* by_sum(std::size_t u, std::int64_t block, std::int64_t head) const {
    return base_[u].sum + static_cast<std::size_t>(block * heads_ + head) * sum_bytes_;
  }

 private:
  struct Base {
    std::byte *score = nullptr, *sum = nullptr;
  };
  void pack(CpuContext& c, ConstMat m, const RowSpan& rows, std::size_t u, std::int64_t block, std::int64_t head,
            std::int64_t heads, int thread) const;

  std::int64_t heads_, width_;
  std::size_t score_bytes_, sum_bytes_;  // of a full block of one head
  std::vector<Base> base_;               // one an utterance
};

// What one PackedHeads takes for rows of one utterance; of its thread scratch.
void carve_packed_heads(Scratch& shared, Scratch& own, DType type, std::int64_t rows, std::int64_t heads,
                        std::int64_t width, int orders);

inline constexpr std::int64_t kHeadGroup = 4;  // heads that one thread brings into order together

}  // namespace sori
