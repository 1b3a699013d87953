// The linear layer with its epilogue, and the three products that it and its backward are made of.
#pragma once

#include "base/threads.h"
#include "ops/reference/gelu.h"
#include "ops/reference/matrix.h"

namespace sori::reference {

// y [N, out] += scale x [N, in] w^T, w [out, in].
template <class T>
void add_x_wt(const Matrix<T>& x, const Matrix<T>& w, double scale, Matrix<T>& y) {
  parallel_for(x.rows, [&](std::int64_t r) {
    for (std::int64_t o = 0; o < w.rows; ++o) {
      T sum{};
      for (std::int64_t i = 0; i < x.cols; ++i) sum += x(r, i) * w(o, i);
      y(r, o) += scale * sum;
    }
  });
}

// dx [N, in] += scale dy [N, out] w.
template <class T>
void add_dy_w(const Matrix<T>& dy, const Matrix<T>& w, double scale, Matrix<T>& dx) {
  parallel_for(dy.rows, [&](std::int64_t r) {
    for (std::int64_t o = 0; o < w.rows; ++o)
      for (std::int64_t i = 0; i < w.cols; ++i) dx(r, i) += scale * dy(r, o) * w(o, i);
  });
}

// dw [out, in] += scale dy^T x.
template <class T>
void add_dyt_x(const Matrix<T>& dy, const Matrix<T>& x, double scale, Matrix<T>& dw) {
  parallel_for(dy.cols, [&](std::int64_t o) {
    for (std::int64_t r = 0; r < dy.rows; ++r)
      for (std::int64_t i = 0; i < x.cols; ++i) dw(o, i) += scale * dy(r, o) * x(r, i);
  });
}

// dbias [1, out] += scale * column sums of dy.
template <class T>
void add_column_sums(const Matrix<T>& dy, double scale, Matrix<T>& dbias) {
  for (std::int64_t r = 0; r < dy.rows; ++r)
    for (std::int64_t o = 0; o < dy.cols; ++o) dbias(0, o) += scale * dy(r, o);
}

template <class T>
struct LinearInput {
  Matrix<T> x, w;    // [N, in], [out, in]
  Matrix<T> bias;    // [1, out]
  Matrix<T> h, b;    // [N, R], [out, R]: LoRA (Hu et al., 2021), h = x A^T
  double scale = 1;  // alpha / R
  bool gelu = false;
  Matrix<T> add;   // [N, out]
  Matrix<T> gain;  // [1, out]: DoRA (Liu et al., 2024), m / norm
};

template <class T>
struct LinearOutput {
  Matrix<T> y, pre;  // [N, out]; pre is what gelu sees
};

// y = gelu(gain (x w^T + scale h b^T) + bias) + add, what is absent left out.
template <class T>
LinearOutput<T> linear(const LinearInput<T>& in) {
  LinearOutput<T> out{Matrix<T>(in.x.rows, in.w.rows), {}};
  add_x_wt(in.x, in.w, 1, out.y);
  if (!in.h.empty()) add_x_wt(in.h, in.b, in.scale, out.y);
  for (std::int64_t r = 0; r < out.y.rows; ++r)
    for (std::int64_t o = 0; o < out.y.cols; ++o) {
      if (!in.gain.empty()) out.y(r, o) = out.y(r, o) * in.gain(0, o);
      if (!in.bias.empty()) out.y(r, o) += in.bias(0, o);
    }
  out.pre = out.y;
  if (in.gelu)
    for (T& y : out.y.data) y = gelu(y);
  if (!in.add.empty())
    for (std::size_t i = 0; i < out.y.data.size(); ++i) out.y.data[i] += in.add.data[i];
  return out;
}

// Through the gain of linear(), m / norm: dy becomes gain dy, dm [1, out] += column sums of dy (y - bias) / m.
template <class T>
void gain_backward(const Matrix<T>& y, const Matrix<T>& bias, const Matrix<T>& gain, const Matrix<T>& m, Matrix<T>& dy,
                   Matrix<T>& dm) {
  for (std::int64_t o = 0; o < dy.cols; ++o) {
    T sum{};
    for (std::int64_t r = 0; r < dy.rows; ++r) {
      sum += dy(r, o) * (bias.empty() ? y(r, o) : y(r, o) - bias(0, o));
      dy(r, o) = gain(0, o) * dy(r, o);
    }
    if (m(0, o) != 0) dm(0, o) += sum / m(0, o);
  }
}

}  // namespace sori::reference
