// A matrix: pointer, type, rows, columns, stride. No ownership, no arithmetic. The notation used everywhere:
//
//   B utterances of a batch          C width (d_model)        F feed-forward width (4 C)     V vocabulary
//   S audio states of an utterance   H heads, D = C / H       R LoRA rank                    M mel bins
//   T text tokens of an utterance    N rows of a ragged batch: the sum of S (or T), rounded up to a multiple of 64
//
// Gradients: parameter gradients add, activation gradients overwrite unless the name says "add". A prefix d marks a
// gradient.
#pragma once

#include <cstdint>
#include <type_traits>

#include "base/error.h"
#include "tensor/dtype.h"

namespace sori {

template <bool kConst>
struct BasicMat {
  template <class T>
  using Of = std::conditional_t<kConst, const T, T>;

  Of<void>* data = nullptr;
  DType type = DType::kF32;
  std::int64_t rows = 0, cols = 0, stride = 0;  // stride in elements between rows

  BasicMat() = default;
  BasicMat(Of<void>* data_, DType type_, std::int64_t rows_, std::int64_t cols_, std::int64_t stride_)
      : data(data_), type(type_), rows(rows_), cols(cols_), stride(stride_) {}
  BasicMat(Of<void>* data_, DType type_, std::int64_t rows_, std::int64_t cols_)
      : BasicMat(data_, type_, rows_, cols_, cols_) {}
  template <class T>
  BasicMat(T* data_, std::int64_t rows_, std::int64_t cols_)
      : BasicMat(data_, dtype_of<std::remove_const_t<T>>, rows_, cols_, cols_) {}
  template <bool kOther>
  requires(kConst && !kOther) BasicMat(const BasicMat<kOther>& m)
      : BasicMat(m.data, m.type, m.rows, m.cols, m.stride) {}

  bool empty() const { return rows == 0 || cols == 0; }  // an absent operand
  std::int64_t size() const { return rows * cols; }
  bool same_shape(const BasicMat<true>& m) const { return rows == m.rows && cols == m.cols; }
  bool contiguous() const { return stride == cols || rows <= 1; }

  template <class T>
  Of<T>* row(std::int64_t r) const {
    return static_cast<Of<T>*>(data) + r * stride;
  }
  float at(std::int64_t r, std::int64_t c) const {  // for tests and slow paths
    switch (type) {
      case DType::kF32:
        return row<float>(r)[c];
      case DType::kF16:
        return to_float(row<f16>(r)[c]);
      case DType::kBF16:
        return to_float(row<bf16>(r)[c]);
      default:
        require(false, "a matrix of numbers is f32, f16 or bf16");
        return 0;
    }
  }

  BasicMat row_range(std::int64_t first, std::int64_t count) const {
    require(first >= 0 && count >= 0 && first + count <= rows, "row range lies inside the matrix");
    return {offset(first * stride), type, count, cols, stride};
  }
  // What was planned for the largest batch, cut to the rows of this one; an absent operand stays absent.
  BasicMat top(std::int64_t count) const { return empty() ? *this : row_range(0, count); }
  BasicMat col_range(std::int64_t first, std::int64_t count) const {
    require(first >= 0 && count >= 0 && first + count <= cols, "column range lies inside the matrix");
    return {offset(first), type, rows, count, stride};
  }

 private:
  Of<void>* offset(std::int64_t elements) const {
    if (!data) return nullptr;  // a counted matrix has a shape and no bytes
    return static_cast<Of<char>*>(data) + elements * static_cast<std::int64_t>(size_of(type));
  }
};

using Mat = BasicMat<false>;
using ConstMat = BasicMat<true>;

inline void store(Mat m, std::int64_t r, std::int64_t c, float x) {  // for tests and slow paths
  switch (m.type) {
    case DType::kF32:
      m.row<float>(r)[c] = x;
      break;
    case DType::kF16:
      m.row<f16>(r)[c] = from_float<f16>(x);
      break;
    case DType::kBF16:
      m.row<bf16>(r)[c] = from_float<bf16>(x);
      break;
    default:
      require(false, "a matrix of numbers is f32, f16 or bf16");
  }
}

// Row counts of products are multiples of this, so that the set of primitives stays small; the rows added are dead
// (zero).
inline constexpr std::int64_t kRowBlock = 64;
constexpr std::int64_t round_rows(std::int64_t rows) { return (rows + kRowBlock - 1) / kRowBlock * kRowBlock; }

}  // namespace sori
