#include "ops/cpu/kernels.h"
#include "ops/cpu/linear.h"
#include "ops/cpu/panels.h"

namespace sori {
namespace {

constexpr std::int64_t kWholeDepth = 8192;     // rows of a weight that the product takes in one pass;
constexpr std::int64_t kPartDepth = 1024;      // of a weight with more (the vocabulary), so many at a time
constexpr std::int64_t kDepth = 256;           // rows of one step of a weight gradient,
constexpr std::int64_t kWidenedDepth = 64;     // where its operands are widened first: these are its largest
constexpr std::int64_t kOut = 128, kIn = 512;  // a tile of a large one
constexpr std::int64_t kSmall = 128 << 10;     // up to so many elements it is a small one,
constexpr std::int64_t kParts = 8;             // summed over at most so many parts of the rows,
constexpr std::int64_t kPartRows = 1024;       // each of at least so many
constexpr std::int64_t kSumRows = 256;         // rows of one partial column sum

void backward_panel(CpuContext& c, ConstMat dy, const Panel& panel, bool add, Mat dx) {
  const PanelTiles product(c, panel, dy, false, 1);
  c.for_each(product.row_tiles() * panel.blocks(), [&](std::int64_t i, int thread) {
    Scratch& own = c.own[thread];
    const Scratch::Frame own_frame(own);
    const std::int64_t row = i / panel.blocks(), block = i % panel.blocks();
    const Mat t = product.tile(row, block, own),
              to = dx.row_range(row * kTileRows, t.rows).col_range(block * panel.block, t.cols);
    product.run(thread, row, block, t, own);
    add ? kernels::add_to(t, to) : kernels::convert(t, 1, to);
  });
}

// dbias += scale * column sums, in partial sums of a fixed number of rows.
void add_column_sums(CpuContext& c, ConstMat dy, float scale, float* dbias) {
  const Scratch::Frame frame(c.shared);
  const Mat sums = c.shared.mat(DType::kF32, pieces(dy.rows, kSumRows) + 1, dy.cols);
  std::fill_n(sums.row<float>(0), sums.size(), 0.0f);
  c.for_rows(dy.rows, kSumRows, [&](std::int64_t first, std::int64_t rows) {
    kernels::column_sums(dy.row_range(first, rows), sums.row<float>(first / kSumRows + 1));
  });
  kernels::column_sums(sums.row_range(1, sums.rows - 1), sums.row<float>(0));
  const Mat total = sums.row_range(0, 1);
  kernels::convert(total, scale, total);
  kernels::add_to(total, Mat(dbias, 1, dy.cols));
}

std::int64_t depth_of(DType compute) { return product_type(compute) == compute ? kDepth : kWidenedDepth; }

TileShape gradient_shape(DType type, std::int64_t out, std::int64_t in, std::int64_t rows) {
  return {.m = out, .n = in, .k = rows, .type = type, .a_transposed = true, .b = TileShape::B::kRows, .add = true};
}

// Rows of dy and x added to sum [out, in].
void add_products(CpuContext& c, ConstMat dy, ConstMat x, Mat sum, int thread) {
  Scratch& own = c.own[thread];
  const std::int64_t depth = depth_of(c.compute);
  for (std::int64_t row = 0; row < dy.rows; row += depth) {
    const Scratch::Frame step(own);
    const std::int64_t rows = std::min(depth, dy.rows - row);
    const ConstMat a = without_gaps(dy.row_range(row, rows), own), b = without_gaps(x.row_range(row, rows), own);
    c.tiles.product(gradient_shape(c.compute, sum.rows, sum.cols, rows)).run(thread, a.data, b.data, sum.row<float>(0));
  }
}

void zero(Mat m) { std::fill_n(m.row<float>(0), m.size(), 0.0f); }

void add_scaled(Mat sum, float scale, Mat dw) {
  kernels::convert(sum, scale, sum);
  kernels::add_to(sum, dw);
}

std::int64_t last_piece(std::int64_t n, std::int64_t size) { return n - (pieces(n, size) - 1) * size; }

// Built here, found by the threads.
void prepare(CpuContext& c, std::int64_t out, std::int64_t in, std::int64_t rows) {
  const std::int64_t step = depth_of(c.compute);
  for (const std::int64_t depth : {std::min(step, rows), last_piece(rows, step)})
    c.tiles.product(gradient_shape(c.compute, out, in, depth));
}

// A large gradient: tiles of dw, each summed over all rows by one thread.
void gradient_by_tiles(CpuContext& c, ConstMat dy, ConstMat x, float scale, Mat dw) {
  const std::int64_t outs = pieces(dw.rows, kOut), ins = pieces(dw.cols, kIn);
  const auto size = [](std::int64_t i, std::int64_t n, std::int64_t step) { return std::min(step, n - i * step); };
  for (const std::int64_t out : {size(0, dw.rows, kOut), last_piece(dw.rows, kOut)})
    for (const std::int64_t in : {size(0, dw.cols, kIn), last_piece(dw.cols, kIn)}) prepare(c, out, in, dy.rows);
  c.for_each(outs * ins, [&](std::int64_t item, int thread) {
    const Scratch::Frame frame(c.own[thread]);
    const std::int64_t o = item / ins, i = item % ins;
    const Mat part = dw.row_range(o * kOut, size(o, dw.rows, kOut)).col_range(i * kIn, size(i, dw.cols, kIn));
    const Mat sum = c.own[thread].mat(DType::kF32, part.rows, part.cols);
    zero(sum);
    add_products(c, dy.col_range(o * kOut, part.rows), x.col_range(i * kIn, part.cols), sum, thread);
    add_scaled(sum, scale, part);
  });
}

// A small one (LoRA's): whole sums over parts of the rows, as many as the number of rows says, added in their order.
void gradient_by_rows(CpuContext& c, ConstMat dy, ConstMat x, float scale, Mat dw) {
  const Scratch::Frame frame(c.shared);
  const std::int64_t rows = std::max(kPartRows, pieces(pieces(dy.rows, kParts), kDepth) * kDepth),
                     parts = pieces(dy.rows, rows);
  const Mat sums = c.shared.mat(DType::kF32, parts, dw.size());
  const auto sum_of = [&](std::int64_t part) { return Mat(sums.row<float>(part), dw.rows, dw.cols); };
  prepare(c, dw.rows, dw.cols, std::min(rows, dy.rows));
  prepare(c, dw.rows, dw.cols, last_piece(dy.rows, rows));
  c.for_each(parts, [&](std::int64_t part, int thread) {
    const std::int64_t first = part * rows, count = std::min(rows, dy.rows - first);
    zero(sum_of(part));
    add_products(c, dy.row_range(first, count), x.row_range(first, count), sum_of(part), thread);
  });
  for (std::int64_t part = 1; part < parts; ++part) kernels::add_to(sum_of(part), sum_of(0));
  add_scaled(sum_of(0), scale, dw);
}

}  // namespace

void linear_backward(CpuContext& c, ConstMat dy, const BaseWeight& w, bool add, Mat dx) {
  if (dy.rows == 0) return;
  const std::int64_t pass = dy.cols <= kWholeDepth ? dy.cols : kPartDepth;
  for (std::int64_t k0 = 0; k0 < dy.cols; k0 += pass) {
    const std::int64_t depth = std::min(pass, dy.cols - k0), step = panel_cols(depth, c.compute);
    for (std::int64_t first = 0; first < dx.cols; first += step) {
      const Scratch::Frame frame(c.shared);
      const std::int64_t cols = std::min(step, dx.cols - first);
      const Panel panel = make_panel(c, {w, false, k0, depth, first, cols}, block_cols(depth, c.compute));
      backward_panel(c, dy.col_range(k0, depth), panel, add || k0 > 0, dx.col_range(first, cols));
    }
  }
}

void weight_gradient(CpuContext& c, ConstMat dy, ConstMat x, float scale, Mat dw, float* dbias) {
  if (dy.rows == 0) return;
  if (!dw.empty()) dw.size() <= kSmall ? gradient_by_rows(c, dy, x, scale, dw) : gradient_by_tiles(c, dy, x, scale, dw);
  if (dbias) add_column_sums(c, dy, scale, dbias);
}

std::int64_t widened_by_linear(DType compute, std::int64_t width) {
  if (product_type(compute) == compute || width == 0) return 0;
  const std::int64_t wide = std::max(width, kPartDepth), narrow = std::min(width, kSmall / width);
  return std::max(
      {kTileRows * wide, kWidenedDepth * std::max(kOut + kIn, width + narrow), widened_by_panels(compute, wide)});
}

void carve_linear_backward(Scratch& shared, Scratch& own, DType compute, std::int64_t rows, std::int64_t width) {
  const Scratch::Frame frame(shared), own_frame(own);
  {
    const Scratch::Frame sums(shared);
    shared.mat(DType::kF32, pieces(rows, kSumRows) + 1, width);
  }
  {
    const Scratch::Frame parts(shared);
    shared.mat(DType::kF32, kParts, kSmall);
  }
  carve_panels(shared, own, compute, std::max(width, kPartDepth));
  own.mat(DType::kF32, kOut, kIn);
  own.mat(compute, depth_of(compute), std::max(kOut + kIn, width));
  own.mat(compute, kTileRows, std::max(width, kPartDepth));
}

}  // namespace sori
