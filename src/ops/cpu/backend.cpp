#include "ops/backend.h"

#include <cstring>

#include "base/clock.h"
#include "ops/cpu/attention.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/linear.h"
#include "ops/cpu/rows.h"
#include "ops/cpu/unplanned.h"

namespace sori {
namespace {

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(Compute compute) : c_(compute) {}
  DType compute() const override { return c_.compute; }
  const char* name() const override { return "cpu"; }
  std::size_t unplanned_bytes() const { return c_.unplanned_bytes(); }

  void carve_scratch(Carver& carver, const Limits& limits) override {
    const Carver::In purpose(carver, Purpose::kScratch);
    Scratch shared = Scratch::counting(), own = Scratch::counting();
    carve_linear(shared, own, c_.compute, limits.rows, limits.width);
    if (c_.int8) carve_linear_int8(shared, own, limits.rows, limits.width);
    carve_attention(shared, own, c_.compute, c_.threads, limits);
    carve_rows(shared, own, c_.compute, limits);
    const auto give = [&](std::size_t bytes) { return static_cast<std::byte*>(carver.take(bytes)); };
    const std::int64_t wide =
        std::max(widened_by_linear(c_.compute, limits.width), widened_by_attention(c_.compute, limits.head_width));
    std::byte* const all = give(shared.high());
    std::vector<TileProducts::Room> rooms;
    std::vector<std::byte*> pieces;
    for (int t = 0; t < c_.threads; ++t) {
      TileProducts::Room room{.library = give(TileProducts::kLibraryScratch), .wide_values = wide};
      room.wide = reinterpret_cast<float*>(give(static_cast<std::size_t>(wide) * sizeof(float)));
      rooms.push_back(room);
      pieces.push_back(give(own.high()));
    }
    if (carver.counts_only()) return;
    c_.tiles.set_rooms(std::move(rooms));
    c_.shared = Scratch(all, shared.high());
    for (int t = 0; t < c_.threads; ++t) c_.own[t] = Scratch(pieces[t], own.high());
  }

  void linear(ConstMat x, const BaseWeight& w, const Epilogue& e, Mat y) override {
    require(x.cols == cols_of(w) && y.rows == x.rows && y.cols == rows_of(w) && x.cols > 0,
            "linear: x [N, in > 0], w [out, in], y [N, out]");
    require(e.add.empty() || e.add.same_shape(y), "linear: what is added has the shape of y");
    require(e.saved.empty() || e.saved.same_shape(y), "linear: what is saved has the shape of y");
    require_compute(x);
    if (e.low_rank) {
      require(e.low_rank->h.rows == x.rows && e.low_rank->h.cols == cols_of(e.low_rank->b) &&
                  rows_of(e.low_rank->b) == y.cols,
              "linear: h [N, R], b [out, R]");
      require_compute(e.low_rank->h);
    }
    if (c_.int8 && e.int8 && dense(w).empty() && x.rows > 0) return sori::linear_int8(c_, x, w, e, y);
    sori::linear(c_, x, w, e, y);
  }
  void linear_backward(ConstMat dy, const BaseWeight& w, bool add, Mat dx) override {
    require(dy.cols == rows_of(w) && dx.rows == dy.rows && dx.cols == cols_of(w) && dy.cols > 0,
            "linear_backward: dy [N, out > 0], w [out, in], dx [N, in]");
    require(dx.type == DType::kF32, "linear_backward: dx is f32");
    require_compute(dy);
    sori::linear_backward(c_, dy, w, add, dx);
  }
  void weight_gradient(ConstMat dy, ConstMat x, float scale, Mat dw, float* dbias) override {
    require(dy.rows == x.rows && (dw.empty() || (dw.rows == dy.cols && dw.cols == x.cols)),
            "weight_gradient: dy [N, out], x [N, in], dw [out, in]");
    require(dw.empty() || dw.type == DType::kF32, "weight_gradient: dw is f32");
    require_compute(dy);
    require_compute(x);
    sori::weight_gradient(c_, dy, x, scale, dw, dbias);
  }

  void gain_backward(ConstMat y, const float* bias, const float* gain, const float* m, Mat dy, float* dm) override {
    require(y.same_shape(dy), "gain_backward: y, dy [N, out]");
    require_compute(y);
    require_compute(dy);
    sori::gain_backward(c_, y, bias, gain, m, dy, dm);
  }

  void layer_norm(ConstMat x, const float* gain, const float* bias, Mat y, Mat stats) override {
    require(x.same_shape(y) && stats.rows == x.rows && stats.cols == 2, "layer_norm: x, y [N, C], stats [N, 2]");
    c_.for_rows(x.rows, kTileRows, [&](std::int64_t first, std::int64_t rows) {
      kernels::layer_norm(x.row_range(first, rows), gain, bias, y.row_range(first, rows), stats.row_range(first, rows));
    });
  }
  void layer_norm_backward(ConstMat x, ConstMat stats, const float* gain, ConstMat dy, Mat dx, float* dgain,
                           float* dbias) override {
    require(x.same_shape(dy) && x.same_shape(dx) && stats.rows == x.rows && stats.cols == 2,
            "layer_norm_backward: x, dy, dx [N, C], stats [N, 2]");
    sori::layer_norm_backward(c_, x, stats, gain, dy, dx, dgain, dbias);
  }
  void gelu_backward(ConstMat pre, ConstMat dy, Mat dx) override {
    require(pre.same_shape(dy) && pre.same_shape(dx), "gelu_backward: pre, dy, dx [N, C]");
    c_.for_rows(pre.rows, kTileRows, [&](std::int64_t first, std::int64_t rows) {
      kernels::gelu_backward(pre.row_range(first, rows), dy.row_range(first, rows), dx.row_range(first, rows));
    });
  }

  void attention(ConstMat q, ConstMat k, ConstMat v, std::span<const AttentionSpan> spans, std::int64_t heads,
                 bool causal, Mat out, Mat lse) override {
    require_attention(q, k, v, spans, heads, causal);
    require(out.same_shape(q) && lse.rows == q.rows && lse.cols == heads, "attention: out [Nq, C], lse [Nq, H]");
    sori::attention(c_, q, k, v, spans, heads, causal, out, lse);
  }
  void attention_backward(ConstMat q, ConstMat k, ConstMat v, ConstMat out, ConstMat lse, ConstMat dout,
                          std::span<const AttentionSpan> spans, std::int64_t heads, bool causal, Mat dq, Mat dk,
                          Mat dv) override {
    require_attention(q, k, v, spans, heads, causal);
    require(out.same_shape(q) && dout.same_shape(q) && dq.same_shape(q) && dk.same_shape(k) && dv.same_shape(v) &&
                lse.rows == q.rows && lse.cols == heads,
            "attention_backward: gradients have the shape of what they belong to");
    sori::attention_backward(c_, q, k, v, out, lse, dout, spans, heads, causal, dq, dk, dv);
  }

  void unfold(ConstMat x, std::span<const RowSpan> from, std::span<const RowSpan> to, std::int64_t stride,
              Mat columns) override {
    require_windows(x, from, to, stride, columns);
    sori::unfold(c_, x, from, to, stride, columns);
  }
  void unfold_backward(ConstMat dcolumns, std::span<const RowSpan> from, std::span<const RowSpan> to,
                       std::int64_t stride, Mat dx) override {
    require_windows(dx, from, to, stride, dcolumns);
    sori::unfold_backward(c_, dcolumns, from, to, stride, dx);
  }
  void add_rows(ConstMat x, const BaseWeight& table, std::span<const int> index, Mat y) override {
    require((x.empty() || x.same_shape(y)) && cols_of(table) == y.cols, "add_rows: x, y [N, C], table [rows, C]");
    require_index(index, y.rows, rows_of(table));
    sori::add_rows(c_, x, table, index, y);
  }
  void embed(const BaseWeight& tokens, std::span<const int> ids, const BaseWeight& positions,
             std::span<const int> places, Mat y) override {
    require(cols_of(tokens) == y.cols && cols_of(positions) == y.cols, "embed: tokens, positions [.., C], y [N, C]");
    require_index(ids, y.rows, rows_of(tokens));
    require_index(places, y.rows, rows_of(positions));
    sori::embed(c_, tokens, ids, positions, places, y);
  }
  void quantise_rows(ConstMat x, std::int8_t* codes, float* absmax) override {
    sori::quantise_rows(c_, x, codes, absmax);
  }
  void decode_rows(const BaseWeight& w, std::int64_t first, Mat y) override {
    require(cols_of(w) == y.cols, "decode_rows: y is rows of w");
    require_inside({first, y.rows}, rows_of(w));
    c_.for_rows(y.rows, kTileRows, [&](std::int64_t row, std::int64_t rows) {
      kernels::decode(w, first + row, 0, y.row_range(row, rows));
    });
  }
  void add_rows_backward(ConstMat dy, std::span<const int> index, Mat dtable) override {
    require(dy.cols == dtable.cols, "add_rows_backward: dy [N, C], dtable [rows, C]");
    require_index(index, dy.rows, dtable.rows);
    sori::add_rows_backward(c_, dy, index, dtable);
  }
  void cross_entropy(ConstMat x, const BaseWeight& e, std::span<const int> targets, float scale, float smoothing,
                     std::span<float> losses, Mat dx, Mat de) override {
    require(x.cols == cols_of(e) && (dx.empty() || dx.same_shape(x)) &&
                (de.empty() || (de.rows == rows_of(e) && de.cols == x.cols)),
            "cross_entropy: x, dx [N, C], e, de [V, C]");
    require(std::ssize(losses) == x.rows, "cross_entropy: losses [N]");
    require_index(targets, x.rows, rows_of(e));
    require_compute(x);
    sori::cross_entropy(c_, x, e, targets, scale, smoothing, losses, dx, de);
  }

  void cast(ConstMat x, float scale, Mat y) override {
    require(x.same_shape(y), "cast: x, y [N, C]");
    for_elements(x.rows, x.cols, x.contiguous() && y.contiguous(),
                 [&](auto part) { kernels::convert(part(x), scale, part(y)); });
  }
  void dropout(ConstMat x, const DropoutMask& mask, Mat y) override {
    require(x.same_shape(y) && x.type == y.type, "dropout: x, y [N, C] of one type");
    dropout_rows(x, mask, false, y);
  }
  void dropout_backward(ConstMat dy, const DropoutMask& mask, Mat dx) override {
    require(dy.same_shape(dx) && dy.type == DType::kF32 && dx.type == DType::kF32,
            "dropout_backward: dy, dx [N, C] f32");
    dropout_rows(dy, mask, true, dx);
  }
  void adamw_step(const AdamW& how, Mat g, Mat w, const Moment& m, const Moment& v) override {
    require(g.same_shape(w) && m.values.same_shape(w) && v.values.same_shape(w),
            "adamw_step: everything has the shape of the weight");
    require(g.contiguous() && m.values.contiguous() && v.values.contiguous(), "adamw_step: no gaps between rows");
    require(m.values.type == v.values.type, "adamw_step: moments of one type");
    constexpr std::int64_t kPiece = 64 * kDynamicBlock;
    c_.for_rows(w.size(), kPiece,
                [&](std::int64_t first, std::int64_t n) { kernels::adamw(how, g, w, m, v, first, n); });
  }
  double sum_squares(ConstMat x) override { return sori::sum_squares(c_, x); }

 private:
  void require_compute(ConstMat m) const {
    require(m.type == c_.compute, "what enters a product has the compute type");
  }
  static void require_index(std::span<const int> index, std::int64_t rows, std::int64_t bound) {
    require(std::ssize(index) == rows, "an index names a row of a table for each row");
    for (const int i : index) require(i >= -1 && i < bound, "an index lies inside its table");
  }
  static void require_windows(ConstMat x, std::span<const RowSpan> from, std::span<const RowSpan> to,
                              std::int64_t stride, ConstMat columns) {
    require(from.size() == to.size() && stride > 0 && columns.cols == 3 * x.cols, "unfold: columns [N', in * 3]");
    for (std::size_t u = 0; u < from.size(); ++u) {
      require_inside(from[u], x.rows);
      require_inside(to[u], columns.rows);
      require(to[u].count == (from[u].count + stride - 1) / stride, "unfold: to.count = ceil(from.count / stride)");
    }
  }
  static void require_inside(const RowSpan& s, std::int64_t rows) {
    require(s.first >= 0 && s.count >= 0 && s.first + s.count <= rows, "a span lies inside its matrix");
  }
  void require_attention(ConstMat q, ConstMat k, ConstMat v, std::span<const AttentionSpan> spans, std::int64_t heads,
                         bool causal) const {
    require(heads > 0 && q.cols % heads == 0 && k.cols == q.cols && v.same_shape(k),
            "attention: q [Nq, C], k, v [Nk, C], C = H D");
    for (const ConstMat& m : {q, k, v}) require_compute(m);
    for (const AttentionSpan& s : spans) {
      require_inside(s.query, q.rows);
      require_inside(s.key, k.rows);
      require(s.query.count == 0 || s.key.count >= (causal ? s.query.count : 1), "attention: every query sees a key");
    }
  }

  // body(part) for pieces of matrices of one shape; part(m) is the piece of m. Flat: rows without gaps between them.
  template <class Body>
  void for_elements(std::int64_t rows, std::int64_t cols, bool flat, Body&& body) {
    constexpr std::int64_t kPiece = 16384;
    const std::int64_t lines = flat ? 1 : rows, length = flat ? rows * cols : cols;
    c_.for_rows(lines * length, flat ? kPiece : length, [&](std::int64_t first, std::int64_t n) {
      body([&](auto m) {
        if (flat) return decltype(m)(m.data, m.type, 1, length).col_range(first, n);
        return m.row_range(first / length, 1);
      });
    });
  }
  void dropout_rows(ConstMat x, const DropoutMask& mask, bool add, Mat y) {
    require(std::ssize(mask.rows) == x.rows && mask.rate >= 0 && mask.rate < 1,
            "dropout: a name for each row, 0 <= rate < 1");
    const auto threshold = static_cast<std::uint64_t>(std::ceil(mask.rate * 0x1p32));
    const auto scale = static_cast<float>(1 / (1 - mask.rate));
    c_.for_rows(x.rows, kTileRows, [&](std::int64_t first, std::int64_t rows) {
      for (std::int64_t r = first; r < first + rows; ++r) {
        const Rng rng(mask.seed, Draw::kDropout, mask.step,
                      mask.rows[static_cast<std::size_t>(r)] ^ (mask.module << 48));
        kernels::dropout(x.row_range(r, 1), rng, threshold, scale, add, y.row_range(r, 1));
      }
    });
  }

  CpuContext c_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(Compute compute) {
  require(compute.type == DType::kF32 || compute.type == DType::kBF16, "the compute type is f32 or bf16");
  require(!compute.int8 || has_int8_products(), "int8 products are asked for where the CPU has them");
  return std::make_unique<CpuBackend>(compute);
}

std::size_t unplanned_bytes(const Backend& cpu) { return dynamic_cast<const CpuBackend&>(cpu).unplanned_bytes(); }

namespace {

// One tile of a product of zeros, to be timed.
class TimedTile {
 public:
  TimedTile(TileProducts& tiles, DType type, std::int64_t rows, std::int64_t width)
      : product_(tiles.product({.m = rows, .n = width, .k = width, .type = type})),
        a_(static_cast<std::size_t>(rows * width) * size_of(type)),
        b_(tiles.packed_bytes(width, width, type)),
        c_(static_cast<std::size_t>(rows * width)) {}
  void run() {
    const auto start = Clock::now();
    product_.run(0, a_.data(), b_.data(), c_.data());
    best = std::min(best, seconds_since(start));
  }
  double best = 1e30;  // seconds

 private:
  TileProduct& product_;
  std::vector<std::byte> a_, b_;
  std::vector<float> c_;
};

}  // namespace

// The shortest of several short runs by one thread, in turn: what else the machine does disturbs neither type.
bool bf16_is_faster(std::int64_t rows, std::int64_t width) {
  if (product_type(DType::kBF16) == DType::kF32) return false;
  TileProducts tiles(1);
  const std::int64_t m = std::clamp<std::int64_t>(rows, 1, kTileRows);
  TimedTile f32(tiles, DType::kF32, m, width), bf16(tiles, DType::kBF16, m, width);
  for (int run = 0; run < 10; ++run) {
    f32.run();
    bf16.run();
  }
  return bf16.best < f32.best;
}

}  // namespace sori
