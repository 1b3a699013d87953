#include "ops/cpu/rows.h"

#include <cstring>
#include <numeric>

#include "ops/cpu/attention.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/linear.h"

namespace sori {
namespace {

constexpr std::int64_t kSumRows = 256;    // rows of one partial sum of parameter gradients
constexpr std::int64_t kLossRows = 64;    // rows of logits that exist at one time
constexpr std::int64_t kSquares = 65536;  // elements of one partial sum of squares

void zero_row(Mat m, std::int64_t r) {
  std::memset(m.row_range(r, 1).data, 0, static_cast<std::size_t>(m.cols) * size_of(m.type));
}

}  // namespace

void layer_norm_backward(CpuContext& c, ConstMat x, ConstMat stats, const float* gain, ConstMat dy, Mat dx,
                         float* dgain, float* dbias) {
  const Scratch::Frame frame(c.shared);
  const std::int64_t parts = pieces(x.rows, kSumRows), width = x.cols;
  const Mat gains = c.shared.mat(DType::kF32, dgain ? parts : 0, width),
            biases = c.shared.mat(DType::kF32, dbias ? parts : 0, width);
  for (const Mat& m : {gains, biases})
    if (!m.empty()) std::fill_n(m.row<float>(0), m.size(), 0.0f);
  c.for_rows(x.rows, kSumRows, [&](std::int64_t first, std::int64_t rows) {
    const std::int64_t part = first / kSumRows;
    kernels::layer_norm_backward(x.row_range(first, rows), stats.row_range(first, rows), gain,
                                 dy.row_range(first, rows), dx.row_range(first, rows),
                                 dgain ? gains.row<float>(part) : nullptr, dbias ? biases.row<float>(part) : nullptr);
  });
  if (dgain) kernels::column_sums(gains, dgain);
  if (dbias) kernels::column_sums(biases, dbias);
}

void gain_backward(CpuContext& c, ConstMat y, const float* bias, const float* gain, const float* m, Mat dy, float* dm) {
  const Scratch::Frame frame(c.shared);
  const Mat parts = c.shared.mat(DType::kF32, pieces(dy.rows, kSumRows), dy.cols),
            sums = c.shared.mat(DType::kF32, 1, dy.cols);
  for (const Mat& s : {parts, sums}) std::fill_n(s.row<float>(0), s.size(), 0.0f);
  c.for_rows(dy.rows, kSumRows, [&](std::int64_t first, std::int64_t rows) {
    kernels::gain_backward(y.row_range(first, rows), bias, gain, dy.row_range(first, rows),
                           parts.row<float>(first / kSumRows));
  });
  kernels::column_sums(parts, sums.row<float>(0));
  for (std::int64_t o = 0; o < dy.cols; ++o)
    if (m[o] != 0) dm[o] += sums.row<float>(0)[o] / m[o];
}

namespace {

// columns[c * 3 + tap] = x[place(tap)][c]; a null row is padding.
template <class From, class To>
void interleave(const From* const (&x)[3], std::int64_t cols, To* columns) {
  for (int tap = 0; tap < 3; ++tap)
    for (std::int64_t c = 0; c < cols; ++c) columns[c * 3 + tap] = x[tap] ? from_float<To>(to_float(x[tap][c])) : To{};
}

template <class From, class To>
void unfold_rows(CpuContext& c, ConstMat x, const RowSpan& from, const RowSpan& to, std::int64_t stride, Mat columns) {
  c.for_rows(to.count, kTileRows, [&](std::int64_t first, std::int64_t rows) {
    for (std::int64_t t = first; t < first + rows; ++t) {
      const From* window[3] = {};
      for (std::int64_t tap = 0; tap < 3; ++tap) {
        const std::int64_t place = t * stride + tap - 1;
        if (place >= 0 && place < from.count) window[tap] = x.row<From>(from.first + place);
      }
      interleave(window, x.cols, columns.row<To>(to.first + t));
    }
  });
}

}  // namespace

void unfold(CpuContext& c, ConstMat x, std::span<const RowSpan> from, std::span<const RowSpan> to, std::int64_t stride,
            Mat columns) {
  zero_outside(c, {to.begin(), to.end()}, columns);
  const bool wide_x = x.type == DType::kF32, wide = columns.type == DType::kF32;
  for (std::size_t u = 0; u < to.size(); ++u) {
    const auto rows = wide_x ? (wide ? unfold_rows<float, float> : unfold_rows<float, bf16>)
                             : (wide ? unfold_rows<bf16, float> : unfold_rows<bf16, bf16>);
    rows(c, x, from[u], to[u], stride, columns);
  }
}

void unfold_backward(CpuContext& c, ConstMat dcolumns, std::span<const RowSpan> from, std::span<const RowSpan> to,
                     std::int64_t stride, Mat dx) {
  for (std::size_t u = 0; u < to.size(); ++u)
    c.for_rows(from[u].count, kTileRows, [&](std::int64_t first, std::int64_t rows) {
      for (std::int64_t place = first; place < first + rows; ++place)
        for (std::int64_t tap = 0; tap < 3; ++tap) {
          const std::int64_t from_start = place + 1 - tap;  // t * stride
          if (from_start < 0 || from_start % stride != 0 || from_start / stride >= to[u].count) continue;
          const float* d = dcolumns.row<float>(to[u].first + from_start / stride);
          float* row = dx.row<float>(from[u].first + place);
          for (std::int64_t i = 0; i < dx.cols; ++i) row[i] += d[i * 3 + tap];
        }
    });
}

void add_rows(CpuContext& c, ConstMat x, const BaseWeight& table, std::span<const int> index, Mat y) {
  c.for_each(pieces(y.rows, kTileRows), [&](std::int64_t piece, int thread) {
    const Scratch::Frame frame(c.own[thread]);
    const Mat sum = c.own[thread].mat(DType::kF32, 1, y.cols), row = c.own[thread].mat(DType::kF32, 1, y.cols);
    for (std::int64_t r = piece * kTileRows; r < std::min(y.rows, (piece + 1) * kTileRows); ++r) {
      const int place = index[static_cast<std::size_t>(r)];
      if (place < 0) {
        zero_row(y, r);
        continue;
      }
      kernels::decode(table, place, 0, row);
      if (!x.empty()) {
        kernels::convert(x.row_range(r, 1), 1, sum);
        kernels::add_to(sum, row);
      }
      kernels::convert(row, 1, y.row_range(r, 1));
    }
  });
}

void embed(CpuContext& c, const BaseWeight& tokens, std::span<const int> ids, const BaseWeight& positions,
           std::span<const int> places, Mat y) {
  c.for_each(pieces(y.rows, kTileRows), [&](std::int64_t piece, int thread) {
    const Scratch::Frame frame(c.own[thread]);
    const Mat sum = c.own[thread].mat(DType::kF32, 1, y.cols), row = c.own[thread].mat(DType::kF32, 1, y.cols);
    for (std::int64_t r = piece * kTileRows; r < std::min(y.rows, (piece + 1) * kTileRows); ++r) {
      const int id = ids[static_cast<std::size_t>(r)], place = places[static_cast<std::size_t>(r)];
      if (id < 0 || place < 0) {
        zero_row(y, r);
        continue;
      }
      kernels::decode(tokens, id, 0, sum);
      kernels::decode(positions, place, 0, row);
      kernels::add_to(row, sum);
      kernels::convert(sum, 1, y.row_range(r, 1));
    }
  });
}

void quantise_rows(CpuContext& c, ConstMat x, std::int8_t* codes, float* absmax) {
  c.for_each(pieces(x.rows, kTileRows), [&](std::int64_t piece, int thread) {
    const Scratch::Frame frame(c.own[thread]);
    const Mat row = c.own[thread].mat(DType::kF32, 1, x.cols);
    const auto cols = static_cast<std::size_t>(x.cols);
    for (std::int64_t r = piece * kTileRows; r < std::min(x.rows, (piece + 1) * kTileRows); ++r) {
      kernels::convert(x.row_range(r, 1), 1, row);
      absmax[r] = quantise_int8({row.row<float>(0), cols}, {codes + r * x.cols, cols});
    }
  });
}

void add_rows_backward(CpuContext& c, ConstMat dy, std::span<const int> index, Mat dtable) {
  constexpr std::int64_t kCols = 64;  // a thread owns columns, so rows are added in their order
  c.for_rows(dy.cols, kCols, [&](std::int64_t first, std::int64_t cols) {
    for (std::int64_t r = 0; r < dy.rows; ++r) {
      const int place = index[static_cast<std::size_t>(r)];
      if (place >= 0)
        kernels::add_to(dy.row_range(r, 1).col_range(first, cols), dtable.row_range(place, 1).col_range(first, cols));
    }
  });
}

void cross_entropy(CpuContext& c, ConstMat x, const BaseWeight& e, std::span<const int> targets, float scale,
                   float smoothing, std::span<float> losses, Mat dx, Mat de) {
  const std::int64_t classes = rows_of(e);
  for (std::int64_t first = 0; first < x.rows; first += kLossRows) {
    const Scratch::Frame frame(c.shared);
    const std::int64_t rows = std::min(kLossRows, x.rows - first);
    const ConstMat xs = x.row_range(first, rows);
    const Mat logits = c.shared.mat(DType::kF32, rows, classes);
    // The gradient takes the logits' place: a row's bf16 numbers fill the first half of its f32 numbers.
    const Mat dlogits(logits.data, c.compute, rows, classes,
                      classes * static_cast<std::int64_t>(4 / size_of(c.compute)));
    const bool loss_only = dx.empty() && de.empty();
    linear(c, xs, e, {}, logits);
    c.for_each(rows, [&](std::int64_t r, int) {
      const int target = targets[static_cast<std::size_t>(first + r)];
      losses[static_cast<std::size_t>(first + r)] =
          target < 0 ? 0
                     : kernels::cross_entropy(logits.row<float>(r), classes, target, scale, smoothing,
                                              loss_only ? Mat{} : dlogits.row_range(r, 1));
      if (target < 0) zero_row(dlogits, r);
    });
    if (!dx.empty()) linear_backward(c, dlogits, e, false, dx.row_range(first, rows));
    if (!de.empty()) weight_gradient(c, dlogits, xs, 1, de, nullptr);
  }
}

double sum_squares(CpuContext& c, ConstMat x) {
  const Scratch::Frame frame(c.shared);
  const bool flat = x.contiguous();
  const std::int64_t length = flat ? x.size() : x.cols, piece = flat ? kSquares : length,
                     parts = pieces(x.size(), std::max<std::int64_t>(piece, 1));
  double* const sums = c.shared.array<double>(parts);
  c.for_rows(x.size(), std::max<std::int64_t>(piece, 1), [&](std::int64_t first, std::int64_t n) {
    const ConstMat part = flat ? ConstMat(x.row<float>(0) + first, 1, n) : x.row_range(first / length, 1);
    sums[first / piece] = kernels::sum_squares(part);
  });
  return std::accumulate(sums, sums + parts, 0.0);
}

void carve_rows(Scratch& shared, Scratch& own, DType compute, const Limits& limits) {
  {
    const Scratch::Frame frame(shared), own_frame(own);
    if (limits.target_rows > 0) shared.mat(DType::kF32, kLossRows, limits.vocabulary);
    carve_linear(shared, own, compute, std::min(kLossRows, limits.rows), limits.width);
  }
  const Scratch::Frame frame(shared), own_frame(own);
  shared.mat(DType::kF32, 2 * pieces(limits.rows, kSumRows), limits.width);
  own.mat(DType::kF32, 2, limits.width);
}

}  // namespace sori
