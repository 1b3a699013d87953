#include "ops/cpu/kernels.h"
#include "ops/cpu/linear.h"
#include "ops/cpu/panels.h"

namespace sori {
namespace {

// Up to so many numbers a gradient is a small one, summed over at most so many parts of the rows, each of at least so
// many, in steps of fewer; of fewer still where operands are widened first.
constexpr std::int64_t kSmall = 128 << 10, kParts = 8, kPartRows = 1024, kSmallDepth = 256, kWidenedDepth = 64;

// A large one is made of tiles of 64 outputs and so many inputs, each summed in steps of so many rows: what a step
// reads and its sum stay in L2. The last step is filled up with zeros, so a handful of products serves any number of
// rows.
constexpr std::int64_t kTileIn = 256, kDepth = 512, kFilled = 32;
constexpr std::int64_t kPassSteps = 3, kPassRows = kPassSteps * kDepth;  // whose operands are ready at one time

constexpr std::int64_t kSumRows = 256;  // rows of one partial column sum

std::int64_t piece(std::int64_t i, std::int64_t n, std::int64_t size) { return std::min(size, n - i * size); }
std::int64_t last_piece(std::int64_t n, std::int64_t size) { return piece(pieces(n, size) - 1, n, size); }

void zero(Mat m) { std::fill_n(m.row<float>(0), m.size(), 0.0f); }

void add_scaled(Mat sum, float scale, Mat dw) {
  if (scale != 1) kernels::convert(sum, scale, sum);
  kernels::add_to(sum, dw);
}

// dbias += scale * column sums, in partial sums of a fixed number of rows.
void add_column_sums(CpuContext& c, ConstMat dy, float scale, float* dbias) {
  const Scratch::Frame frame(c.shared);
  const Mat sums = c.shared.mat(DType::kF32, pieces(dy.rows, kSumRows) + 1, dy.cols);
  zero(sums);
  c.for_rows(dy.rows, kSumRows, [&](std::int64_t first, std::int64_t rows) {
    kernels::column_sums(dy.row_range(first, rows), sums.row<float>(first / kSumRows + 1));
  });
  kernels::column_sums(sums.row_range(1, sums.rows - 1), sums.row<float>(0));
  const Mat total = sums.row_range(0, 1);
  add_scaled(total, scale, Mat(dbias, 1, dy.cols));
}

// Rows of dy [N, out] and x [N, in] that are multiplied in one go, step after step.
struct Pass {
  ConstMat dy, x;

  std::int64_t steps() const { return pieces(x.rows, kDepth); }
  std::int64_t depth(std::int64_t step) const { return pieces(piece(step, x.rows, kDepth), kFilled) * kFilled; }
  static ConstMat rows(ConstMat m, std::int64_t step) {
    return m.row_range(step * kDepth, piece(step, m.rows, kDepth));
  }
};

// Columns of dy or x that are ready at one time.
std::int64_t ready_cols(DType compute) {
  const auto bytes = static_cast<std::int64_t>(size_of(product_type(compute)));
  return kPanelBytes / (kPassRows * bytes * kTileIn) * kTileIn;
}

// Columns of dy as rows of the products: for 64 of them and each step a matrix [64, depth] without gaps.
class TurnedOutputs {
 public:
  TurnedOutputs(CpuContext& c, const Pass& pass, std::int64_t first_, std::int64_t cols)
      : first(first_),
        pass_(pass),
        cols_(cols),
        room_(c.shared.mat(c.compute, tiles() * pass.steps(), kTileRows * kDepth)) {
    c.for_each(room_.rows, [&](std::int64_t i, int) {
      const std::int64_t t = i / pass.steps(), step = i % pass.steps();
      kernels::transpose(Pass::rows(pass.dy, step).col_range(first + t * kTileRows, width(t)), tile(t, step));
    });
  }
  const std::int64_t first;
  std::int64_t tiles() const { return pieces(cols_, kTileRows); }
  std::int64_t width(std::int64_t t) const { return piece(t, cols_, kTileRows); }
  Mat tile(std::int64_t t, std::int64_t step) const {
    return {room_.row_range(t * pass_.steps() + step, 1).data, room_.type, width(t), pass_.depth(step)};
  }

 private:
  const Pass& pass_;
  std::int64_t cols_;
  Mat room_;
};

// Columns of x in the order that the products read.
class PackedInputs {
 public:
  PackedInputs(CpuContext& c, const Pass& pass, std::int64_t first_, std::int64_t cols)
      : first(first_), pass_(pass), cols_(cols), tile_bytes_(c.tiles.packed_bytes(kDepth, kTileIn, c.compute)) {
    const std::int64_t n = tiles() * pass.steps();
    data_ = static_cast<std::byte*>(c.shared.take(static_cast<std::size_t>(n) * tile_bytes_));
    const auto packer = [&](std::int64_t t, std::int64_t step) -> TilePacker& {
      const bool filled = pass.depth(step) != Pass::rows(pass.x, step).rows;
      return c.tiles.packer(pass.depth(step), width(t), c.compute, TileShape::B::kRows,
                            filled ? width(t) : pass.x.stride);
    };
    for (const std::int64_t t : {std::int64_t{0}, tiles() - 1})
      for (std::int64_t step = 0; step < pass.steps(); ++step) packer(t, step);  // built here, found by the threads
    c.for_each(n, [&](std::int64_t i, int thread) {
      const Scratch::Frame frame(c.own[thread]);
      const std::int64_t t = i / pass.steps(), step = i % pass.steps();
      const ConstMat part = Pass::rows(pass.x, step).col_range(first + t * kTileIn, width(t));
      packer(t, step).run(thread, filled_up(part, pass.depth(step), c.own[thread]).data, at(t, step));
    });
  }
  const std::int64_t first;
  std::int64_t tiles() const { return pieces(cols_, kTileIn); }
  std::int64_t width(std::int64_t t) const { return piece(t, cols_, kTileIn); }
  std::byte* at(std::int64_t t, std::int64_t step) const {
    return data_ + static_cast<std::size_t>(t * pass_.steps() + step) * tile_bytes_;
  }

 private:
  static ConstMat filled_up(ConstMat m, std::int64_t rows, Scratch& own) {
    if (m.rows == rows) return m;
    const Mat copy = own.mat(m.type, rows, m.cols);
    kernels::convert(m, 1, copy.row_range(0, m.rows));
    std::memset(copy.row_range(m.rows, 1).data, 0,
                static_cast<std::size_t>((rows - m.rows) * m.cols) * size_of(m.type));
    return copy;
  }

  const Pass& pass_;
  std::int64_t cols_;
  std::size_t tile_bytes_;
  std::byte* data_;
};

void add_tiles(CpuContext& c, const Pass& pass, const TurnedOutputs& a, const PackedInputs& b, float scale, Mat dw) {
  const auto product = [&](std::int64_t o, std::int64_t i, std::int64_t step) -> TileProduct& {
    return c.tiles.product({.m = a.width(o), .n = b.width(i), .k = pass.depth(step), .type = c.compute, .add = true});
  };
  for (const std::int64_t o : {std::int64_t{0}, a.tiles() - 1})
    for (const std::int64_t i : {std::int64_t{0}, b.tiles() - 1})
      for (std::int64_t step = 0; step < pass.steps(); ++step) product(o, i, step);
  c.for_each(a.tiles() * b.tiles(), [&](std::int64_t item, int thread) {
    Scratch& own = c.own[thread];
    const Scratch::Frame frame(own);
    const std::int64_t o = item % a.tiles(), i = item / a.tiles();
    const Mat sum = own.mat(DType::kF32, a.width(o), b.width(i));
    zero(sum);
    for (std::int64_t step = 0; step < pass.steps(); ++step)
      product(o, i, step).run(thread, a.tile(o, step).data, b.at(i, step), sum.data);
    add_scaled(sum, scale, dw.row_range(a.first + o * kTileRows, sum.rows).col_range(b.first + i * kTileIn, sum.cols));
  });
}

void large_gradient(CpuContext& c, ConstMat dy, ConstMat x, float scale, Mat dw) {
  const std::int64_t ready = ready_cols(c.compute), outs = pieces(dw.rows, ready), ins = pieces(dw.cols, ready);
  for (std::int64_t row = 0; row < dy.rows; row += kPassRows) {
    const std::int64_t rows = std::min(kPassRows, dy.rows - row);
    const Pass pass{dy.row_range(row, rows), x.row_range(row, rows)};
    const auto outputs = [&](std::int64_t o) { return TurnedOutputs(c, pass, o * ready, piece(o, dw.rows, ready)); };
    const auto inputs = [&](std::int64_t i) { return PackedInputs(c, pass, i * ready, piece(i, dw.cols, ready)); };
    // The operand of fewer pieces is made ready once, the other once for each of them.
    const bool inputs_first = ins <= outs;
    for (std::int64_t first = 0; first < std::min(ins, outs); ++first) {
      const Scratch::Frame kept(c.shared);
      const std::optional<PackedInputs> b = inputs_first ? std::optional(inputs(first)) : std::nullopt;
      const std::optional<TurnedOutputs> a = inputs_first ? std::nullopt : std::optional(outputs(first));
      for (std::int64_t second = 0; second < std::max(ins, outs); ++second) {
        const Scratch::Frame frame(c.shared);
        a ? add_tiles(c, pass, *a, inputs(second), scale, dw) : add_tiles(c, pass, outputs(second), *b, scale, dw);
      }
    }
  }
}

std::int64_t small_depth(DType compute) { return product_type(compute) == compute ? kSmallDepth : kWidenedDepth; }

TileShape small_shape(DType type, std::int64_t out, std::int64_t in, std::int64_t rows) {
  return {.m = out, .n = in, .k = rows, .type = type, .a_transposed = true, .b = TileShape::B::kRows, .add = true};
}

// LoRA's: whole sums over parts of the rows, as many as the number of rows says, added in their order.
void small_gradient(CpuContext& c, ConstMat dy, ConstMat x, float scale, Mat dw) {
  const Scratch::Frame frame(c.shared);
  const std::int64_t rows = std::max(kPartRows, pieces(pieces(dy.rows, kParts), kSmallDepth) * kSmallDepth),
                     parts = pieces(dy.rows, rows), depth = small_depth(c.compute);
  const Mat sums = c.shared.mat(DType::kF32, parts, dw.size());
  const auto sum_of = [&](std::int64_t part) { return Mat(sums.row<float>(part), dw.rows, dw.cols); };
  const auto product = [&](std::int64_t k) -> TileProduct& {
    return c.tiles.product(small_shape(c.compute, dw.rows, dw.cols, k));
  };
  for (const std::int64_t count : {std::min(rows, dy.rows), last_piece(dy.rows, rows)})
    for (const std::int64_t k : {std::min(depth, count), last_piece(count, depth)}) product(k);
  c.for_each(parts, [&](std::int64_t part, int thread) {
    Scratch& own = c.own[thread];
    const std::int64_t first = part * rows, end = first + piece(part, dy.rows, rows);
    zero(sum_of(part));
    for (std::int64_t row = first; row < end; row += depth) {
      const Scratch::Frame step(own);
      const std::int64_t k = std::min(depth, end - row);
      const ConstMat a = without_gaps(dy.row_range(row, k), own), b = without_gaps(x.row_range(row, k), own);
      product(k).run(thread, a.data, b.data, sum_of(part).data);
    }
  });
  for (std::int64_t part = 1; part < parts; ++part) kernels::add_to(sum_of(part), sum_of(0));
  add_scaled(sum_of(0), scale, dw);
}

}  // namespace

void weight_gradient(CpuContext& c, ConstMat dy, ConstMat x, float scale, Mat dw, float* dbias) {
  if (dy.rows == 0) return;
  if (!dw.empty()) dw.size() <= kSmall ? small_gradient(c, dy, x, scale, dw) : large_gradient(c, dy, x, scale, dw);
  if (dbias) add_column_sums(c, dy, scale, dbias);
}

void carve_weight_gradient(Scratch& shared, Scratch& own, DType compute, std::int64_t rows, std::int64_t width) {
  {
    const Scratch::Frame sums(shared);
    shared.mat(DType::kF32, pieces(rows, kSumRows) + 1, width);
  }
  {
    const Scratch::Frame parts(shared);
    shared.mat(DType::kF32, kParts, kSmall);
  }
  {
    const Scratch::Frame operands(shared);
    const std::int64_t cols = ready_cols(compute);
    shared.mat(compute, cols, kPassRows);
    shared.mat(product_type(compute), cols, kPassRows);
  }
  {
    const Scratch::Frame small(own);
    own.mat(compute, small_depth(compute), width + std::min(width, kSmall / std::max<std::int64_t>(1, width)));
  }
  const Scratch::Frame large(own);
  own.mat(compute, kDepth, kTileIn);
  own.mat(DType::kF32, kTileRows, kTileIn);
}

std::int64_t widened_by_weight_gradient(std::int64_t width) {
  const std::int64_t narrow = std::min(width, kSmall / width);
  return std::max({kTileRows * kDepth, kDepth * kTileIn, kWidenedDepth * (width + narrow)});
}

}  // namespace sori
