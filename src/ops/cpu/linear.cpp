#include "ops/cpu/linear.h"

#include "ops/cpu/kernels.h"
#include "ops/cpu/panels.h"

namespace sori {
namespace {

constexpr std::int64_t kFewRows = 16;                 // up to here dot products beat packing the weight (decoding)
constexpr std::int64_t kFewOutputs = 64;              // of one piece of such a product
constexpr std::int64_t kCodeRows = 1536;              // whose codes exist at one time
constexpr std::int64_t kCodeBlockValues = 256 << 10;  // of one block of codes: a quarter of L2

// The end of a tile t f32 that lies at (row, col) of y: * gain, + bias, keep, gelu, + add.
void finish_tile(const Epilogue& e, Mat t, std::int64_t row, std::int64_t col, Mat y) {
  const auto part = [&](auto m) { return m.row_range(row, t.rows).col_range(col, t.cols); };
  if (e.gain) kernels::scale_columns(e.gain + col, t);
  if (e.bias) kernels::add_vector(e.bias + col, t);
  if (!e.saved.empty()) kernels::convert(t, 1, part(e.saved));
  if (e.gelu) kernels::gelu(t);
  if (!e.add.empty()) kernels::add_to(part(e.add), t);
  kernels::convert(t, 1, part(y));
}

// LoRA's second half for the outputs of a panel.
struct LowRankTiles {
  LowRankTiles(CpuContext& c, const LowRank& l, std::int64_t first, std::int64_t cols, std::int64_t block)
      : panel(make_panel(c, {l.b, true, 0, l.h.cols, first, cols}, block)), tiles(c, panel, l.h, true, l.scale) {}
  Panel panel;
  PanelTiles tiles;
};

void linear_panel(CpuContext& c, ConstMat x, const BaseWeight& w, const Epilogue& e, std::int64_t first,
                  std::int64_t cols, Mat y) {
  const Scratch::Frame frame(c.shared);
  const Panel panel = make_panel(c, {w, true, 0, x.cols, first, cols}, block_cols(x.cols, c.compute));
  const PanelTiles product(c, panel, x, false, 1);
  std::optional<LowRankTiles> low;
  if (e.low_rank) low.emplace(c, *e.low_rank, first, cols, panel.block);
  c.for_each(product.row_tiles() * panel.blocks(), [&](std::int64_t i, int thread) {
    Scratch& own = c.own[thread];
    const Scratch::Frame own_frame(own);
    const std::int64_t row = i / panel.blocks(), block = i % panel.blocks();
    const Mat t = product.tile(row, block, own);
    product.run(thread, row, block, t, own);
    if (low) low->tiles.run(thread, row, block, t, own);
    finish_tile(e, t, row * kTileRows, first + block * panel.block, y);
  });
}

// Activations as codes.
struct CodedRows {
  Mat codes;  // [N, in] u8
  float* steps;
};

CodedRows take_codes(Scratch& shared, std::int64_t rows, std::int64_t width) {
  rows = std::min(rows, kCodeRows);
  const Mat codes = shared.mat(DType::kU8, rows, width);
  return {codes, shared.array<float>(rows)};
}

CodedOutputs take_outputs(Scratch& shared, std::int64_t outputs) {
  float* const steps = shared.array<float>(outputs);
  return {steps, shared.array<std::int32_t>(outputs)};
}

void encode(CpuContext& c, ConstMat x, const CodedRows& to) {
  c.for_rows(x.rows, kTileRows, [&](std::int64_t first, std::int64_t rows) {
    kernels::encode_rows(x.row_range(first, rows), to.codes.row<std::uint8_t>(first), to.steps + first);
  });
}

std::int64_t code_block_cols(std::int64_t depth) {
  return std::clamp<std::int64_t>(kCodeBlockValues / depth / 64 * 64, 64, kBlockCols);
}

// e, y: of these rows alone.
void multiply_codes(CpuContext& c, const CodedRows& x, const Panel& panel, const CodedOutputs& out, const Epilogue& e,
                    std::int64_t first, Mat y) {
  const Scratch::Frame frame(c.shared);
  const PanelTiles product(c, panel, x.codes.top(y.rows), false, 1);
  std::optional<LowRankTiles> low;
  if (e.low_rank) low.emplace(c, *e.low_rank, first, panel.cols, panel.block);
  c.for_each(product.row_tiles() * panel.blocks(), [&](std::int64_t i, int thread) {
    Scratch& own = c.own[thread];
    const Scratch::Frame own_frame(own);
    const std::int64_t row = i / panel.blocks(), block = i % panel.blocks(), col = block * panel.block;
    const Mat t = product.tile(row, block, own);
    product.run(thread, row, block, t, own);
    kernels::scale_codes(x.steps + row * kTileRows, out.steps + col, out.sums + col, t);
    if (low) low->tiles.run(thread, row, block, t, own);
    finish_tile(e, t, row * kTileRows, first + col, y);
  });
}

Epilogue part_of(const Epilogue& e, std::int64_t first, std::int64_t rows, LowRank& low_rank) {
  const auto part = [&](auto m) { return m.empty() ? m : m.row_range(first, rows); };
  Epilogue of = e;
  of.saved = part(e.saved), of.add = part(e.add);
  if (e.low_rank) {
    low_rank = {part(e.low_rank->h), e.low_rank->b, e.low_rank->scale};
    of.low_rank = &low_rank;
  }
  return of;
}

// A few rows in the order in which weights are read.
ConstMat few_operand(CpuContext& c, ConstMat x) {
  const Mat operand = c.shared.mat(DType::kF32, x.rows, kernels::few_width(x.cols));
  kernels::few_operand(x, operand);
  return operand;
}

void linear_few(CpuContext& c, ConstMat x, const BaseWeight& w, const Epilogue& e, Mat y) {
  const Scratch::Frame shared_frame(c.shared);
  const ConstMat operand = few_operand(c, x);
  const ConstMat low_operand = e.low_rank ? few_operand(c, e.low_rank->h) : ConstMat();
  c.for_each(pieces(y.cols, kFewOutputs), [&](std::int64_t i, int thread) {
    Scratch& own = c.own[thread];
    const Scratch::Frame frame(own);
    const std::int64_t first = i * kFewOutputs, cols = std::min(kFewOutputs, y.cols - first);
    const Mat t = own.mat(DType::kF32, y.rows, cols);
    kernels::few_products(operand, w, first, c.compute, t);
    if (e.low_rank) {
      const Mat low = own.mat(DType::kF32, y.rows, cols);
      kernels::few_products(low_operand, e.low_rank->b, first, c.compute, low);
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

void linear_int8(CpuContext& c, ConstMat x, const BaseWeight& w, const Epilogue& e, Mat y) {
  const Scratch::Frame frame(c.shared);
  const CodedRows coded = take_codes(c.shared, x.rows, x.cols);
  const std::int64_t block = code_block_cols(x.cols),
                     step = std::max<std::int64_t>(1, kPanelBytes / (x.cols * block)) * block;
  const CodedOutputs out = take_outputs(c.shared, std::min(step, y.cols));
  for (std::int64_t first = 0; first < y.cols; first += step) {
    const Scratch::Frame panel_frame(c.shared);
    const std::int64_t cols = std::min(step, y.cols - first);
    const Panel panel = make_code_panel(c, w, first, cols, block, out);
    for (std::int64_t row = 0; row < x.rows; row += kCodeRows) {
      const std::int64_t rows = std::min(kCodeRows, x.rows - row);
      if (first == 0 || x.rows > kCodeRows) encode(c, x.row_range(row, rows), coded);
      LowRank low_rank;
      multiply_codes(c, coded, panel, out, part_of(e, row, rows, low_rank), first, y.row_range(row, rows));
    }
  }
}

void carve_linear_int8(Scratch& shared, Scratch& own, std::int64_t rows, std::int64_t width) {
  const Scratch::Frame frame(shared), own_frame(own);
  take_codes(shared, rows, width);
  take_outputs(shared, width);
  shared.take(static_cast<std::size_t>(2 * std::max(kPanelBytes, width * 64)));  // and of LoRA's second half
  own.mat(DType::kF32, 1, width);
  own.mat(DType::kI8, 1, std::max(kCodeBlockValues, 64 * width));
}

void carve_linear(Scratch& shared, Scratch& own, DType compute, std::int64_t rows, std::int64_t width) {
  {
    const Scratch::Frame frame(shared), own_frame(own);
    carve_panels(shared, own, compute, width);
    own.mat(DType::kF32, kTileRows, kBlockCols);
    own.mat(compute, kTileRows, width);  // a strided operand, made dense
  }
  carve_linear_backward(shared, own, compute, rows, width);
}

}  // namespace sori
