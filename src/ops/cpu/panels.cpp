#include "ops/cpu/panels.h"

#include "ops/cpu/kernels.h"

namespace sori {
namespace {

constexpr std::int64_t kStaggered = 32;           // elements between decoded rows, so that they do not share cache sets
constexpr std::int64_t kBlockValues = 128 << 10;  // of one block [K, columns]: a quarter of L2 in bf16
// Strips look at 256 rows of a block at a time, so it need not stay in L2; wide ones are worth it where tiles of the
// other operand are widened for each block.
constexpr std::int64_t kWideBlockValues = 320 << 10, kWideBlockCols = 128;

bool widens(DType compute) { return product_type(compute) != compute; }
bool has_wide_blocks(DType compute) { return widens(compute) && fastest_kernels() == TileKernels::kStrips; }

std::int64_t block_values(DType compute, std::int64_t width) {  // at most
  return has_wide_blocks(compute) ? std::max(width * kWideBlockCols, kWideBlockValues)
                                  : std::max(width * 64, kBlockValues);
}

bool lies_in(const BaseWeight& w, DType type) {
  const ConstMat m = dense(w);
  return !m.empty() && m.type == type && reinterpret_cast<std::uintptr_t>(m.data) % size_of(type) == 0;
}

// Rows and columns of a weight in the compute type: where they lie if they have it, else decoded into scratch.
ConstMat numbers(const BaseWeight& w, std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols,
                 bool in_place, DType type, Scratch& scratch) {
  if (in_place) return dense(w).row_range(row, rows).col_range(col, cols);
  const Mat to(scratch.mat(type, rows, cols + kStaggered).data, type, rows, cols, cols + kStaggered);
  kernels::decode(w, row, col, to);
  return to;
}

// Rows [first, first + rows) of w as 8-bit codes, and their steps.
Int8 coded(const BaseWeight& w, std::int64_t first, std::int64_t rows, float* steps, Scratch& scratch) {
  const std::int64_t width = cols_of(w);
  if (const auto* int8 = std::get_if<Int8>(&w)) {
    for (std::int64_t r = 0; r < rows; ++r) steps[r] = step_of(*int8, first + r);
    return {int8->codes + first * width, nullptr, rows, width};
  }
  const Mat codes = scratch.mat(DType::kI8, rows, width), row = scratch.mat(DType::kF32, 1, width);
  for (std::int64_t r = 0; r < rows; ++r) {
    kernels::decode(w, first + r, 0, row);
    steps[r] = kernels::encode_weights(row, codes.row<std::int8_t>(r));
  }
  return {codes.row<std::int8_t>(0), nullptr, rows, width};
}

}  // namespace

std::int64_t block_cols(std::int64_t depth, DType compute) {
  const auto cols = [&](std::int64_t values, std::int64_t least) {
    return std::clamp<std::int64_t>(values / depth / 64 * 64, least, kBlockCols);
  };
  return has_wide_blocks(compute) ? cols(kWideBlockValues, kWideBlockCols) : cols(kBlockValues, 64);
}

std::int64_t panel_cols(std::int64_t depth, DType compute) {
  const std::int64_t values = kPanelBytes / static_cast<std::int64_t>(size_of(product_type(compute)));
  return std::max<std::int64_t>(1, values / (depth * block_cols(depth, compute))) * block_cols(depth, compute);
}

Panel make_panel(CpuContext& c, const Part& part, std::int64_t block) {
  Panel panel{nullptr, part.depth, part.cols, block, 0};
  panel.block_bytes = c.tiles.packed_bytes(part.depth, panel.width(0), c.compute);
  panel.data = static_cast<std::byte*>(c.shared.take(panel.block_bytes * static_cast<std::size_t>(panel.blocks())));
  // Columns of rows that lie a multiple of 4 KiB apart share cache sets: four times slower to pack than a staggered
  // copy.
  const bool aliased = part.forward && static_cast<std::size_t>(cols_of(part.w)) * size_of(c.compute) % 4096 == 0;
  const bool in_place = lies_in(part.w, c.compute) && !aliased;
  const auto packer = [&](std::int64_t n) {
    const std::int64_t stride = in_place ? cols_of(part.w) : (part.forward ? part.depth : n) + kStaggered;
    return &c.tiles.packer(part.depth, n, c.compute, part.forward ? TileShape::B::kColumns : TileShape::B::kRows,
                           stride);
  };
  TilePacker *const full = packer(panel.width(0)), *const last = packer(panel.width(panel.blocks() - 1));
  c.for_each(panel.blocks(), [&](std::int64_t i, int thread) {
    Scratch& scratch = c.own[thread];
    const Scratch::Frame frame(scratch);
    const std::int64_t n = part.n0 + i * panel.block, width = panel.width(i);
    const ConstMat b = part.forward ? numbers(part.w, n, width, part.k0, part.depth, in_place, c.compute, scratch)
                                    : numbers(part.w, part.k0, part.depth, n, width, in_place, c.compute, scratch);
    (i + 1 < panel.blocks() ? full : last)->run(thread, b.data, const_cast<std::byte*>(panel.at(i)));
  });
  return panel;
}

Panel make_code_panel(CpuContext& c, const BaseWeight& w, std::int64_t first, std::int64_t cols, std::int64_t block,
                      const CodedOutputs& out) {
  const std::int64_t depth = cols_of(w);
  Panel panel{nullptr, depth, cols, block, 0};
  panel.block_bytes = c.tiles.packed_bytes(depth, panel.width(0), DType::kI8);
  panel.data = static_cast<std::byte*>(c.shared.take(panel.block_bytes * static_cast<std::size_t>(panel.blocks())));
  const auto packer = [&](std::int64_t n) {
    return &c.tiles.packer(depth, n, DType::kI8, TileShape::B::kColumns, depth);
  };
  TilePacker *const full = packer(panel.width(0)), *const last = packer(panel.width(panel.blocks() - 1));
  c.for_each(panel.blocks(), [&](std::int64_t i, int thread) {
    Scratch& own = c.own[thread];
    const Scratch::Frame frame(own);
    const std::int64_t o = i * block;
    const Int8 codes = coded(w, first + o, panel.width(i), out.steps + o, own);
    kernels::sum_codes(codes, 0, codes.rows, out.sums + o);
    (i + 1 < panel.blocks() ? full : last)->run(thread, codes.codes, const_cast<std::byte*>(panel.at(i)));
  });
  return panel;
}

// Rows of an operand without gaps: where they lie, or copied.
ConstMat without_gaps(ConstMat m, Scratch& scratch) {
  if (m.contiguous()) return m;
  const Mat copy = scratch.mat(m.type, m.rows, m.cols);
  kernels::convert(m, 1, copy);
  return copy;
}

PanelTiles::PanelTiles(CpuContext& c, const Panel& panel, ConstMat a, bool add, float scale) : panel_(panel), a_(a) {
  for (int last_row = 0; last_row < 2; ++last_row)
    for (int last_col = 0; last_col < 2; ++last_col)
      tiles_[last_row][last_col] = &c.tiles.product({.m = rows(last_row ? row_tiles() - 1 : 0),
                                                     .n = panel.width(last_col ? panel.blocks() - 1 : 0),
                                                     .k = panel.depth,
                                                     .type = a.type == DType::kU8 ? DType::kI8 : a.type,
                                                     .add = add,
                                                     .scale = scale});
}

void PanelTiles::run(int thread, std::int64_t row_tile, std::int64_t block, Mat to, Scratch& own) const {
  const Scratch::Frame frame(own);
  const ConstMat a = without_gaps(a_.row_range(row_tile * kTileRows, rows(row_tile)), own);
  tiles_[row_tile == row_tiles() - 1][block == panel_.blocks() - 1]->run(thread, a.data, panel_.at(block),
                                                                         to.row<float>(0));
}

void carve_panels(Scratch& shared, Scratch& own, DType compute, std::int64_t width) {
  const std::int64_t block = block_values(compute, width), bytes = size_of(product_type(compute));
  // A panel of the weight and one of LoRA's second half, whose depth is far smaller but rounded up to 64.
  shared.take(static_cast<std::size_t>(2 * std::max(kPanelBytes, block * bytes)));
  const Scratch::Frame frame(own);
  own.mat(compute, 1, block + (width + kBlockCols) * kStaggered);
}

std::int64_t widened_by_panels(DType compute, std::int64_t width) {
  const bool by_strips = fastest_kernels() == TileKernels::kStrips;  // which are filled from bf16 as it lies
  return widens(compute) && !by_strips ? block_values(compute, width) : 0;
}

}  // namespace sori
