// The definitions as a backend. Values are read into double (exact), everything between is double, and a result is
// rounded where it is stored and nowhere else. So the reference's error is one rounding of the result's type: it is the
// truth that other backends' tolerances are measured from. Weights that enter a product are rounded to the compute type
// first, since the product's operands have that type.
#include <algorithm>

#include "ops/backend.h"
#include "ops/reference/attention.h"
#include "ops/reference/cross_entropy.h"
#include "ops/reference/dropout.h"
#include "ops/reference/gelu.h"
#include "ops/reference/layer_norm.h"
#include "ops/reference/linear.h"
#include "ops/reference/optimizer.h"
#include "ops/reference/rows.h"

namespace sori {
namespace {

using namespace reference;
using Values = Matrix<double>;

// dx f32 += or = ...: what a gradient starts from.
Values start_of(Mat m, bool add) { return add ? read(m) : Values(m.rows, m.cols); }

void write_vector(const Values& from, float* to) {
  if (to) write(from, Mat(to, from.rows, from.cols));
}

bool inside_rows(const RowSpan& s, std::int64_t rows) {
  return s.first >= 0 && s.count >= 0 && s.first <= rows && s.count <= rows - s.first;
}

class ReferenceBackend final : public Backend {
 public:
  explicit ReferenceBackend(Compute compute) : compute_(compute.type), int8_(compute.int8) {
    require(compute_ == DType::kF32 || compute_ == DType::kBF16, "the compute type is f32 or bf16");
  }
  DType compute() const override { return compute_; }
  const char* name() const override { return "reference"; }
  void carve_scratch(Carver&, const Limits&) override {}  // allocates as it goes: truth, not speed

  void linear(ConstMat x, const BaseWeight& w, const Epilogue& e, Mat y) override {
    require(x.cols == cols_of(w) && y.rows == x.rows && y.cols == rows_of(w),
            "linear: x [N, in], w [out, in], y [N, out]");
    require(e.add.empty() || e.add.same_shape(y), "linear: what is added has the shape of y");
    require_compute(x);
    LinearInput<double> in;
    if (int8_ && e.int8 && dense(w).empty()) {
      in.x = read_coded(x);
      in.w = read_coded(w);
    } else {
      in.x = read(x);
      in.w = read(w, compute_);
    }
    in.bias = read(e.bias, y.cols);
    in.gain = read(e.gain, y.cols);
    in.gelu = e.gelu;
    in.add = read(e.add);
    if (e.low_rank) {
      const LowRank& low = *e.low_rank;
      require(low.h.rows == x.rows && low.h.cols == cols_of(low.b) && rows_of(low.b) == y.cols,
              "linear: h [N, R], b [out, R]");
      require_compute(low.h);
      in.h = read(low.h);
      in.b = read(low.b, compute_);
      in.scale = low.scale;
    }
    const LinearOutput<double> out = reference::linear(in);
    if (!e.saved.empty()) write(out.pre, e.saved);
    write(out.y, y);
  }

  void linear_backward(ConstMat dy, const BaseWeight& w, bool add, Mat dx) override {
    require(dy.cols == rows_of(w) && dx.rows == dy.rows && dx.cols == cols_of(w),
            "linear_backward: dy [N, out], w [out, in], dx [N, in]");
    require_compute(dy);
    Values sum = start_of(dx, add);
    add_dy_w(read(dy), read(w, compute_), 1, sum);
    write(sum, dx);
  }

  void weight_gradient(ConstMat dy, ConstMat x, float scale, Mat dw, float* dbias) override {
    require(dy.rows == x.rows && (dw.empty() || (dw.rows == dy.cols && dw.cols == x.cols)),
            "weight_gradient: dy [N, out], x [N, in], dw [out, in]");
    require_compute(dy);
    require_compute(x);
    const Values d = read(dy);
    Values sum = read(dw), bias = read(dbias, dy.cols);
    if (!dw.empty()) add_dyt_x(d, read(x), scale, sum);
    if (dbias) add_column_sums(d, scale, bias);
    write(sum, dw);
    write_vector(bias, dbias);
  }

  void gain_backward(ConstMat y, const float* bias, const float* gain, const float* m, Mat dy, float* dm) override {
    require(y.same_shape(dy), "gain_backward: y, dy [N, out]");
    require_compute(y);
    require_compute(dy);
    Values d = read(dy), sum = read(dm, dy.cols);
    reference::gain_backward(read(y), read(bias, dy.cols), read(gain, dy.cols), read(m, dy.cols), d, sum);
    write(d, dy);
    write_vector(sum, dm);
  }

  void layer_norm(ConstMat x, const float* gain, const float* bias, Mat y, Mat stats) override {
    require(x.same_shape(y) && stats.rows == x.rows && stats.cols == 2, "layer_norm: x, y [N, C], stats [N, 2]");
    const auto out = reference::layer_norm(read(x), read(gain, x.cols), read(bias, x.cols));
    write(out.y, y);
    write(out.stats, stats);
  }

  void layer_norm_backward(ConstMat x, ConstMat stats, const float* gain, ConstMat dy, Mat dx, float* dgain,
                           float* dbias) override {
    require(x.same_shape(dy) && x.same_shape(dx) && stats.rows == x.rows && stats.cols == 2,
            "layer_norm_backward: x, dy, dx [N, C], stats [N, 2]");
    Values sum = read(dx), g = read(dgain, x.cols), b = read(dbias, x.cols);
    reference::layer_norm_backward(read(x), read(stats), read(gain, x.cols), read(dy), sum, g, b);
    write(sum, dx);
    write_vector(g, dgain);
    write_vector(b, dbias);
  }

  void gelu_backward(ConstMat pre, ConstMat dy, Mat dx) override {
    require(pre.same_shape(dy) && pre.same_shape(dx), "gelu_backward: pre, dy, dx [N, C]");
    write(reference::gelu_backward(read(pre), read(dy)), dx);
  }

  void attention(ConstMat q, ConstMat k, ConstMat v, std::span<const AttentionSpan> spans, std::int64_t heads,
                 bool causal, Mat out, Mat lse) override {
    require(out.same_shape(q) && lse.rows == q.rows && lse.cols == heads, "attention: out [Nq, C], lse [Nq, H]");
    const auto result = reference::attention(attention_input(q, k, v, spans, heads, causal));
    write(result.out, out);
    write(result.lse, lse);
  }

  void attention_backward(ConstMat q, ConstMat k, ConstMat v, ConstMat out, ConstMat lse, ConstMat dout,
                          std::span<const AttentionSpan> spans, std::int64_t heads, bool causal, Mat dq, Mat dk,
                          Mat dv) override {
    require(out.same_shape(q) && dout.same_shape(q) && dq.same_shape(q) && dk.same_shape(k) && dv.same_shape(v) &&
                lse.rows == q.rows && lse.cols == heads,
            "attention_backward: gradients have the shape of what they belong to");
    const auto g = reference::attention_backward(attention_input(q, k, v, spans, heads, causal), {read(out), read(lse)},
                                                 read(dout));
    write(g.dq, dq);
    write(g.dk, dk);
    write(g.dv, dv);
  }

  void unfold(ConstMat x, std::span<const RowSpan> from, std::span<const RowSpan> to, std::int64_t stride,
              Mat columns) override {
    require_windows(x, from, to, stride, columns);
    write(reference::unfold(read(x), from, to, stride, columns.rows), columns);
  }

  void unfold_backward(ConstMat dcolumns, std::span<const RowSpan> from, std::span<const RowSpan> to,
                       std::int64_t stride, Mat dx) override {
    require_windows(dx, from, to, stride, dcolumns);
    Values sum = read(dx);
    reference::unfold_backward(read(dcolumns), from, to, stride, sum);
    write(sum, dx);
  }

  void add_rows(ConstMat x, const BaseWeight& table, std::span<const int> index, Mat y) override {
    require((x.empty() || x.same_shape(y)) && cols_of(table) == y.cols, "add_rows: x, y [N, C], table [rows, C]");
    require_index(index, y.rows, rows_of(table));
    write(reference::add_rows(read(x), read(table, DType::kF32), index), y);
  }

  void embed(const BaseWeight& tokens, std::span<const int> ids, const BaseWeight& positions,
             std::span<const int> places, Mat y) override {
    require(cols_of(tokens) == y.cols && cols_of(positions) == y.cols, "embed: tables and y of one width");
    require_index(ids, y.rows, rows_of(tokens));
    require_index(places, y.rows, rows_of(positions));
    write(reference::embed(read(tokens, DType::kF32), ids, read(positions, DType::kF32), places), y);
  }

  void quantise_rows(ConstMat x, std::int8_t* codes, float* absmax) override {
    std::vector<float> row(static_cast<std::size_t>(x.cols));
    for (std::int64_t r = 0; r < x.rows; ++r) {
      for (std::int64_t c = 0; c < x.cols; ++c) row[static_cast<std::size_t>(c)] = x.at(r, c);
      absmax[r] = quantise_int8(row, {codes + r * x.cols, row.size()});
    }
  }
  void decode_rows(const BaseWeight& w, std::int64_t first, Mat y) override {
    require(cols_of(w) == y.cols && inside_rows({first, y.rows}, rows_of(w)), "decode_rows: y is rows of w");
    sori::decode_rows(w, first, y);
  }
  void add_rows_backward(ConstMat dy, std::span<const int> index, Mat dtable) override {
    require(dy.cols == dtable.cols, "add_rows_backward: dy [N, C], dtable [rows, C]");
    require_index(index, dy.rows, dtable.rows);
    Values sum = read(dtable);
    reference::add_rows_backward(read(dy), index, sum);
    write(sum, dtable);
  }

  void cross_entropy(ConstMat x, const BaseWeight& e, std::span<const int> targets, float scale, float smoothing,
                     std::span<float> losses, Mat dx, Mat de) override {
    require(x.cols == cols_of(e) && (dx.empty() || dx.same_shape(x)), "cross_entropy: x, dx [N, C], e [V, C]");
    require(losses.size() == targets.size(), "cross_entropy: losses [N]");
    require(de.empty() || (de.rows == rows_of(e) && de.cols == cols_of(e)), "cross_entropy: de [V, C]");
    require_index(targets, x.rows, rows_of(e));
    require_compute(x);
    const Values in = read(x), weight = read(e, compute_);
    const auto result = reference::cross_entropy(logits_of(in, weight), targets, smoothing);
    std::transform(result.losses.begin(), result.losses.end(), losses.begin(),
                   [](double loss) { return static_cast<float>(loss); });
    if (!dx.empty()) {
      Values sum(dx.rows, dx.cols);
      add_dy_w(result.dlogits, weight, scale, sum);
      write(sum, dx);
    }
    if (!de.empty()) {
      Values sum = read(de);
      add_dyt_x(result.dlogits, live_rows(in, targets), scale, sum);
      write(sum, de);
    }
  }

  void cast(ConstMat x, float scale, Mat y) override {
    require(x.same_shape(y), "cast: x, y of one shape");
    Values values = read(x);
    for (double& v : values.data) v *= scale;
    write(values, y);
  }

  void dropout(ConstMat x, const DropoutMask& mask, Mat y) override {
    require(x.type == y.type, "dropout: y has x's type");
    apply_dropout(x, mask, false, y);
  }
  void dropout_backward(ConstMat dy, const DropoutMask& mask, Mat dx) override { apply_dropout(dy, mask, true, dx); }

  void adamw_step(const AdamW& how, Mat gradient, Mat weight, const Moment& m, const Moment& v) override {
    require(gradient.same_shape(weight) && m.values.same_shape(weight) && v.values.same_shape(weight),
            "adamw_step: everything has the shape of the weight");
    require(gradient.contiguous() && m.values.contiguous() && v.values.contiguous(),
            "adamw_step: no gaps between rows");
    require(m.values.type == v.values.type, "adamw_step: moments of one type");
    const Values g = read(gradient);
    Values w = read(weight), first = read(m, kSignedDynamicMap), second = read(v, kUnsignedDynamicMap);
    for (std::size_t i = 0; i < g.data.size(); ++i)
      reference::adamw_step(how, g.data[i], w.data[i], first.data[i], second.data[i]);
    write_weight(w, how, weight);
    write(first, kSignedDynamicMap, m);
    write(second, kUnsignedDynamicMap, v);
    write(Values(g.rows, g.cols), gradient);
  }

  double sum_squares(ConstMat x) override { return reference::sum_squares(read(x)); }

 private:
  void require_compute(ConstMat m) const { require(m.type == compute_, "what enters a product has the compute type"); }

  static void require_index(std::span<const int> index, std::int64_t rows, std::int64_t table) {
    require(static_cast<std::int64_t>(index.size()) == rows, "one index a row");
    for (const int i : index) require(i >= -1 && i < table, "an index names a row of the table, or -1");
  }

  static void require_windows(ConstMat x, std::span<const RowSpan> from, std::span<const RowSpan> to,
                              std::int64_t stride, ConstMat columns) {
    require(from.size() == to.size() && stride >= 1 && columns.cols == x.cols * kTaps, "unfold: columns [N', in * 3]");
    for (std::size_t u = 0; u < from.size(); ++u)
      require(inside_rows(from[u], x.rows) && inside_rows(to[u], columns.rows) &&
                  to[u].count == (from[u].count + stride - 1) / stride,
              "unfold: spans lie inside, to.count = ceil(from.count / stride)");
  }

  AttentionInput<double> attention_input(ConstMat q, ConstMat k, ConstMat v, std::span<const AttentionSpan> spans,
                                         std::int64_t heads, bool causal) const {
    require(k.same_shape(v) && q.cols == k.cols && heads >= 1 && q.cols % heads == 0,
            "attention: q [Nq, C], k, v [Nk, C]");
    for (const AttentionSpan& s : spans) {
      require(inside_rows(s.query, q.rows) && inside_rows(s.key, k.rows), "attention: spans lie inside");
      require(s.query.count == 0 || s.key.count >= (causal ? s.query.count : 1), "attention: every query sees a key");
    }
    for (const ConstMat m : {q, k, v}) require_compute(m);
    return {read(q), read(k), read(v), spans, heads, causal};
  }

  // Rows without a target become zero, so that what a dead row holds cannot reach a gradient.
  static Values live_rows(Values m, std::span<const int> targets) {
    for (std::int64_t r = 0; r < m.rows; ++r)
      if (targets[r] < 0) std::fill_n(m.data.begin() + r * m.cols, m.cols, 0.0);
    return m;
  }

  static void apply_dropout(ConstMat x, const DropoutMask& mask, bool add, Mat y) {
    require(x.same_shape(y) && static_cast<std::int64_t>(mask.rows.size()) == x.rows,
            "dropout: x, y [N, C], one key a row");
    require(mask.rate >= 0 && mask.rate < 1, "dropout: the rate is in [0, 1)");
    Values sum = start_of(y, add);
    add_dropout(read(x), mask, sum);
    write(sum, y);
  }

  DType compute_;
  bool int8_;
};

}  // namespace

std::unique_ptr<Backend> make_reference_backend(Compute compute) { return std::make_unique<ReferenceBackend>(compute); }

}  // namespace sori
