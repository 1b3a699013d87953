// Weights made ready for products: decoded, in blocks of the order that tiles read.
#pragma once

#include "ops/cpu/context.h"

namespace sori {

inline constexpr std::int64_t kPanelBytes = 4 << 20;  // of the blocks that are ready at one time

inline constexpr std::int64_t kBlockCols = 256;  // of one block, at most

// Columns of a block, and of what is ready at one time.
std::int64_t block_cols(std::int64_t depth, DType compute);
std::int64_t panel_cols(std::int64_t depth, DType compute);

// The part of a weight that is a product's b: [k, n] with k along the weight's columns (forward) or rows (backward).
struct Part {
  const BaseWeight& w;
  bool forward;
  std::int64_t k0, depth, n0, cols;  // k from k0, n from n0
};

// Blocks of b in the order that tiles read, side by side.
struct Panel {
  std::byte* data;
  std::int64_t depth, cols, block;
  std::size_t block_bytes;  // of a full block

  std::int64_t blocks() const { return pieces(cols, block); }
  std::int64_t width(std::int64_t i) const { return std::min(block, cols - i * block); }
  const std::byte* at(std::int64_t i) const { return data + static_cast<std::size_t>(i) * block_bytes; }
};

Panel make_panel(CpuContext& c, const Part& part, std::int64_t block);
// What belongs to the outputs of a panel of codes.
struct CodedOutputs {
  float* steps;
  std::int32_t* sums;
};

// Rows [first, first + cols) of w as codes, for products by codes: an int8 weight's own, or those of its numbers.
Panel make_code_panel(CpuContext& c, const BaseWeight& w, std::int64_t first, std::int64_t cols, std::int64_t block,
                      const CodedOutputs& out);

// Rows of an operand without gaps: where they lie, or copied.
ConstMat without_gaps(ConstMat m, Scratch& scratch);

// Tiles [64, block] of a product of one panel: full or last in rows and in columns.
class PanelTiles {
 public:
  PanelTiles(CpuContext& c, const Panel& panel, ConstMat a, bool add, float scale);  // a u8: of codes
  std::int64_t row_tiles() const { return pieces(a_.rows, kTileRows); }
  std::int64_t rows(std::int64_t i) const { return std::min(kTileRows, a_.rows - i * kTileRows); }
  Mat tile(std::int64_t row_tile, std::int64_t block, Scratch& own) const {
    return own.mat(DType::kF32, rows(row_tile), panel_.width(block));
  }
  void run(int thread, std::int64_t row_tile, std::int64_t block, Mat to, Scratch& own) const;

 private:
  const Panel& panel_;
  ConstMat a_;
  TileProduct* tiles_[2][2];
};

// Scratch memory of panels for weights up to `width` in both directions.
void carve_panels(Scratch& shared, Scratch& own, DType compute, std::int64_t width);
// Numbers that a thread widens to pack one block of such a weight.
std::int64_t widened_by_panels(DType compute, std::int64_t width);

}  // namespace sori
