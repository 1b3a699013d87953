#include "ops/cpu/kernels.h"
#include "ops/cpu/linear.h"
#include "ops/cpu/panels.h"

namespace sori {
namespace {

constexpr std::int64_t kWholeDepth = 8192;  // rows of a weight that the product takes in one pass;
constexpr std::int64_t kPartDepth = 1024;   // of a weight with more (the vocabulary), so many at a time

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

std::int64_t widened_by_linear(DType compute, std::int64_t width) {
  if (product_type(compute) == compute || width == 0) return 0;
  const std::int64_t wide = std::max(width, kPartDepth);
  return std::max({kTileRows * wide, widened_by_panels(compute, wide), widened_by_weight_gradient(width)});
}

void carve_linear_backward(Scratch& shared, Scratch& own, DType compute, std::int64_t rows, std::int64_t width) {
  carve_weight_gradient(shared, own, compute, rows, width);
  const Scratch::Frame frame(shared), own_frame(own);
  carve_panels(shared, own, compute, std::max(width, kPartDepth));
  own.mat(DType::kF32, kTileRows, kBlockCols);
  own.mat(compute, kTileRows, std::max(width, kPartDepth));
}

}  // namespace sori
