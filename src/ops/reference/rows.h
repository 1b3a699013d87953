// What moves rows: unfold (a convolution's windows) and the tables of positions and tokens.
#pragma once

#include <span>

#include "ops/backend.h"
#include "ops/reference/matrix.h"

namespace sori::reference {

inline constexpr std::int64_t kTaps = 3;  // the width of Whisper's convolutions; padding is 1

// visit(row of columns, column of columns, row of x, column of x) for every element of columns that is not padding.
template <class Visit>
void visit_windows(std::span<const RowSpan> from, std::span<const RowSpan> to, std::int64_t stride, std::int64_t in,
                   Visit&& visit) {
  for (std::size_t u = 0; u < to.size(); ++u)
    for (std::int64_t t = 0; t < to[u].count; ++t)
      for (std::int64_t tap = 0; tap < kTaps; ++tap) {
        const std::int64_t place = t * stride + tap - 1;
        if (place < 0 || place >= from[u].count) continue;
        for (std::int64_t c = 0; c < in; ++c) visit(to[u].first + t, c * kTaps + tap, from[u].first + place, c);
      }
}

// columns [rows, in * 3], column c * 3 + tap: torch's weight [out, in, 3] seen as [out, in * 3] fits it.
template <class T>
Matrix<T> unfold(const Matrix<T>& x, std::span<const RowSpan> from, std::span<const RowSpan> to, std::int64_t stride,
                 std::int64_t rows) {
  Matrix<T> columns(rows, x.cols * kTaps);
  visit_windows(from, to, stride, x.cols, [&](auto r, auto k, auto place, auto c) { columns(r, k) = x(place, c); });
  return columns;
}

template <class T>
void unfold_backward(const Matrix<T>& dcolumns, std::span<const RowSpan> from, std::span<const RowSpan> to,
                     std::int64_t stride, Matrix<T>& dx) {
  visit_windows(from, to, stride, dx.cols, [&](auto r, auto k, auto place, auto c) { dx(place, c) += dcolumns(r, k); });
}

// y[r] = x[r] + table[index[r]]; x may be empty; index -1 is a dead row: zero.
template <class T>
Matrix<T> add_rows(const Matrix<T>& x, const Matrix<T>& table, std::span<const int> index) {
  Matrix<T> y(static_cast<std::int64_t>(index.size()), table.cols);
  for (std::int64_t r = 0; r < y.rows; ++r) {
    if (index[r] < 0) continue;
    for (std::int64_t c = 0; c < y.cols; ++c) y(r, c) = x.empty() ? table(index[r], c) : x(r, c) + table(index[r], c);
  }
  return y;
}

// y[r] = tokens[ids[r]] + positions[places[r]]; -1 in either is a dead row: zero.
template <class T>
Matrix<T> embed(const Matrix<T>& tokens, std::span<const int> ids, const Matrix<T>& positions,
                std::span<const int> places) {
  Matrix<T> y(static_cast<std::int64_t>(ids.size()), tokens.cols);
  for (std::int64_t r = 0; r < y.rows; ++r) {
    if (ids[r] < 0 || places[r] < 0) continue;
    for (std::int64_t c = 0; c < y.cols; ++c) y(r, c) = tokens(ids[r], c) + positions(places[r], c);
  }
  return y;
}

// Linear, so the gradient of a table's row is the sum of the gradients of the rows that took it.
template <class T>
void add_rows_backward(const Matrix<T>& dy, std::span<const int> index, Matrix<T>& dtable) {
  for (std::int64_t r = 0; r < dy.rows; ++r) {
    if (index[r] < 0) continue;
    for (std::int64_t c = 0; c < dy.cols; ++c) dtable(index[r], c) += dy(r, c);
  }
}

}  // namespace sori::reference
