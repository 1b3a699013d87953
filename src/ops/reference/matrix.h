// What the definitions compute on: an owned matrix of T, where T is double (the reference backend), float or a dual
// number (the tests). An empty matrix is an absent operand. A vector is a matrix of one row.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "quant/base_weight.h"
#include "tensor/mat.h"

namespace sori::reference {

template <class T>
struct Matrix {
  std::int64_t rows = 0, cols = 0;
  std::vector<T> data;  // row by row

  Matrix() = default;
  Matrix(std::int64_t rows_, std::int64_t cols_)
      : rows(rows_), cols(cols_), data(static_cast<std::size_t>(rows_ * cols_), T{}) {}

  bool empty() const { return rows == 0 || cols == 0; }
  T& operator()(std::int64_t r, std::int64_t c) { return data[static_cast<std::size_t>(r * cols + c)]; }
  const T& operator()(std::int64_t r, std::int64_t c) const { return data[static_cast<std::size_t>(r * cols + c)]; }
};

// f32, f16 and bf16 are exact in double.
inline Matrix<double> read(ConstMat m) {
  Matrix<double> out(m.rows, m.cols);
  for (std::int64_t r = 0; r < m.rows; ++r)
    for (std::int64_t c = 0; c < m.cols; ++c) out(r, c) = m.at(r, c);
  return out;
}

// A vector that may be absent.
inline Matrix<double> read(const float* p, std::int64_t n) { return p ? read(ConstMat(p, 1, n)) : Matrix<double>{}; }

// A weight as it enters an operation of this type: decoded, and rounded where the type is bf16.
inline Matrix<double> read(const BaseWeight& w, DType as) {
  std::vector<float> numbers(static_cast<std::size_t>(rows_of(w) * cols_of(w)));  // room for either type
  const Mat decoded(numbers.data(), as, rows_of(w), cols_of(w));
  decode_rows(w, 0, decoded);
  return read(ConstMat(decoded));
}

// Codes of 8 bits and their step, whose product is not rounded.
inline Matrix<double> read_codes(const Int8& w) {
  Matrix<double> out(w.rows, w.cols);
  for (std::int64_t r = 0; r < w.rows; ++r)
    for (std::int64_t c = 0; c < w.cols; ++c) out(r, c) = static_cast<double>(w.codes[r * w.cols + c]) * step_of(w, r);
  return out;
}

// x as codes of its rows.
inline Matrix<double> read_coded(ConstMat x) {
  const auto n = static_cast<std::size_t>(x.cols);
  std::vector<std::int8_t> codes(static_cast<std::size_t>(x.rows) * n);
  std::vector<float> absmax(static_cast<std::size_t>(x.rows)), row(n);
  for (std::int64_t r = 0; r < x.rows; ++r) {
    for (std::int64_t c = 0; c < x.cols; ++c) row[static_cast<std::size_t>(c)] = x.at(r, c);
    absmax[static_cast<std::size_t>(r)] = quantise_int8(row, {codes.data() + static_cast<std::size_t>(r) * n, n});
  }
  return read_codes({codes.data(), absmax.data(), x.rows, x.cols});
}

// A quantised weight as codes of 8 bits: its own, or those of its numbers' rows.
inline Matrix<double> read_coded(const BaseWeight& w) {
  if (const auto* int8 = std::get_if<Int8>(&w)) return read_codes(*int8);
  std::vector<float> numbers(static_cast<std::size_t>(rows_of(w) * cols_of(w)));
  const Mat all(numbers.data(), DType::kF32, rows_of(w), cols_of(w));
  decode_rows(w, 0, all);
  return read_coded(all);
}

// The only place where a result is rounded: once to f32, and from there once more where m is bf16 (as hardware does,
// which accumulates in f32).
inline void write(const Matrix<double>& from, Mat m) {
  require(from.rows == m.rows && from.cols == m.cols, "a result has the shape of its place");
  for (std::int64_t r = 0; r < m.rows; ++r)
    for (std::int64_t c = 0; c < m.cols; ++c) store(m, r, c, static_cast<float>(from(r, c)));
}

}  // namespace sori::reference
