#include "ops/cpu/linear.h"

#include "ops/cpu/kernels.h"
#include "ops/cpu/panels.h"

namespace sori {
namespace {

constexpr std::int64_t kFewRows = 16;     // up to here dot products beat packing the weight (decoding)
constexpr std::int64_t kFewOutputs = 64;  // of one piece of such a product
constexpr std::int64_t kFewDecoded = 8;   // rows of a quantised weight that are decoded at a time, to stay in cache

// The end of a tile t f32 that lies at (row, col) of y: + bias, keep, gelu, + add.
void finish_tile(const Epilogue& e, Mat t, std::int64_t row, std::int64_t col, Mat y) {
  const auto part = [&](auto m) { return m.row_range(row, t.rows).col_range(col, t.cols); };
  if (e.bias) kernels::add_vector(e.bias + col, t);
  if (!e.saved.empty()) kernels::convert(t, 1, part(e.saved));
  if (e.gelu) kernels::gelu(t);
  if (!e.add.empty()) kernels::add_to(part(e.add), t);
  kernels::convert(t, 1, part(y));
}

void linear_panel(CpuContext& c, ConstMat x, const BaseWeight& w, const Epilogue& e, std::int64_t first,
                  std::int64_t cols, Mat y) {
  const Scratch::Frame frame(c.shared);
  const Panel panel = make_panel(c, {w, true, 0, x.cols, first, cols}, block_cols(x.cols, c.compute));
  const PanelTiles product(c, panel, x, false, 1);
  std::optional<Panel> low_panel;
  std::optional<PanelTiles> low;
  if (e.low_rank) {
    low_panel = make_panel(c, {e.low_rank->b, true, 0, e.low_rank->h.cols, first, cols}, panel.block);
    low.emplace(c, *low_panel, e.low_rank->h, true, e.low_rank->scale);
  }
  c.for_each(product.row_tiles() * panel.blocks(), [&](std::int64_t i, int thread) {
    Scratch& own = c.own[thread];
    const Scratch::Frame own_frame(own);
    const std::int64_t row = i / panel.blocks(), block = i % panel.blocks();
    const Mat t = product.tile(row, block, own);
    product.run(thread, row, block, t, own);
    if (low) low->run(thread, row, block, t, own);
    finish_tile(e, t, row * kTileRows, first + block * panel.block, y);
  });
}

// t [rows, outputs] f32 = products of few rows x with rows of w from `first` on.
void multiply_few(CpuContext& c, ConstMat x, const BaseWeight& w, std::int64_t first, Mat t, Scratch& own) {
  const Scratch::Frame frame(own);
  const Mat wide = own.mat(DType::kF32, x.rows, x.cols);
  kernels::convert(x, 1, wide);
  if (const ConstMat numbers = dense(w); !numbers.empty())
    return kernels::few_products(wide, numbers.row_range(first, t.cols), c.compute, t);
  const Mat decoded = own.mat(c.compute, std::min(kFewDecoded, t.cols), x.cols);
  for (std::int64_t o = 0; o < t.cols; o += decoded.rows) {
    const Mat rows = decoded.top(std::min(decoded.rows, t.cols - o));
    kernels::decode(w, first + o, 0, rows);
    kernels::few_products(wide, rows, c.compute, t.col_range(o, rows.rows));
  }
}

void linear_few(CpuContext& c, ConstMat x, const BaseWeight& w, const Epilogue& e, Mat y) {
  c.for_each(pieces(y.cols, kFewOutputs), [&](std::int64_t i, int thread) {
    Scratch& own = c.own[thread];
    const Scratch::Frame frame(own);
    const std::int64_t first = i * kFewOutputs, cols = std::min(kFewOutputs, y.cols - first);
    const Mat t = own.mat(DType::kF32, y.rows, cols);
    multiply_few(c, x, w, first, t, own);
    if (e.low_rank) {
      const Mat low = own.mat(DType::kF32, y.rows, cols);
      multiply_few(c, e.low_rank->h, e.low_rank->b, first, low, own);
      kernels::convert(low, e.low_rank->scale, low);
      kernels::add_to(low, t);
    }
    finish_tile(e, t, 0, first, y);
  });
}

}  // namespace

void linear(CpuContext& c, ConstMat x, const BaseWeight& w, const Epilogue& e, Mat y) {
  if (x.rows == 0) return;
  if (x.rows <= kFewRows) return linear_few(c, x, w, e, y);
  const std::int64_t step = panel_cols(x.cols, c.compute);
  for (std::int64_t first = 0; first < y.cols; first += step)
    linear_panel(c, x, w, e, first, std::min(step, y.cols - first), y);
}

void carve_linear(Scratch& shared, Scratch& own, DType compute, std::int64_t rows, std::int64_t width) {
  {
    const Scratch::Frame frame(shared), own_frame(own);
    carve_panels(shared, own, compute, width);
    own.mat(DType::kF32, kTileRows, 256);
    own.mat(compute, kTileRows, width);  // a strided operand, made dense
  }
  carve_linear_backward(shared, own, compute, rows, width);
}

}  // namespace sori
