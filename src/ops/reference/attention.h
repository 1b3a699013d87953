// Scaled dot-product attention of several heads (Vaswani et al., "Attention is all you need", 2017), utterance by
// utterance. Head h owns the columns [h D, h D + D) of q, k, v and out.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "base/threads.h"
#include "ops/backend.h"
#include "ops/reference/matrix.h"

namespace sori::reference {

// How many keys, counted from the span's first, query i of the span sees.
inline std::int64_t visible_keys(const AttentionSpan& span, bool causal, std::int64_t i) {
  return causal ? span.key.count - span.query.count + i + 1 : span.key.count;
}

template <class T>
struct AttentionInput {
  Matrix<T> q, k, v;  // [Nq, C], [Nk, C], [Nk, C]
  std::span<const AttentionSpan> spans;
  std::int64_t heads = 1;
  bool causal = false;
};

template <class T>
struct AttentionOutput {
  Matrix<T> out, lse;  // [Nq, C], [Nq, H]: log of the row's sum of exponentials
};

// score = q . k / sqrt(D) of one query and one key in one head.
template <class T>
T score(const AttentionInput<T>& in, std::int64_t query, std::int64_t key, std::int64_t head) {
  const std::int64_t width = in.q.cols / in.heads;
  T sum{};
  for (std::int64_t c = head * width; c < (head + 1) * width; ++c) sum += in.q(query, c) * in.k(key, c);
  return sum / std::sqrt(static_cast<double>(width));
}

template <class T>
void attend(const AttentionInput<T>& in, const AttentionSpan& span, std::int64_t i, std::int64_t head,
            AttentionOutput<T>& to) {
  using std::exp, std::log;
  const std::int64_t width = in.q.cols / in.heads, query = span.query.first + i, n = visible_keys(span, in.causal, i);
  std::vector<T> s(static_cast<std::size_t>(n));
  for (std::int64_t j = 0; j < n; ++j) s[j] = score(in, query, span.key.first + j, head);
  const T largest = *std::max_element(s.begin(), s.end());  // subtracted so that exp cannot overflow
  T sum{};
  for (const T& x : s) sum += exp(x - largest);
  const T lse = largest + log(sum);
  to.lse(query, head) = lse;
  for (std::int64_t j = 0; j < n; ++j) {
    const T p = exp(s[j] - lse);
    for (std::int64_t c = head * width; c < (head + 1) * width; ++c)
      to.out(query, c) += p * in.v(span.key.first + j, c);
  }
}

template <class T>
AttentionOutput<T> attention(const AttentionInput<T>& in) {
  AttentionOutput<T> out{Matrix<T>(in.q.rows, in.q.cols), Matrix<T>(in.q.rows, in.heads)};
  for (const AttentionSpan& span : in.spans)
    parallel_for(span.query.count * in.heads,
                 [&](std::int64_t n) { attend(in, span, n / in.heads, n % in.heads, out); });
  return out;
}

template <class T>
struct AttentionGradients {
  Matrix<T> dq, dk, dv;
};

// With p = exp(score - lse) and ds = p (dout . v - dout . out): dv += p dout, dq += ds k / sqrt(D), dk += ds q /
// sqrt(D). (sum over keys of p (dout . v) is dout . out: Dao et al., "FlashAttention", 2022, appendix B.2.)
template <class T>
void attend_backward(const AttentionInput<T>& in, const AttentionOutput<T>& saved, const Matrix<T>& dout,
                     const AttentionSpan& span, std::int64_t i, std::int64_t head, AttentionGradients<T>& g) {
  using std::exp;
  const std::int64_t width = in.q.cols / in.heads, query = span.query.first + i, n = visible_keys(span, in.causal, i);
  const std::int64_t begin = head * width, end = begin + width;
  const double root = std::sqrt(static_cast<double>(width));
  T dout_out{};
  for (std::int64_t c = begin; c < end; ++c) dout_out += dout(query, c) * saved.out(query, c);
  for (std::int64_t key = span.key.first; key < span.key.first + n; ++key) {
    const T p = exp(score(in, query, key, head) - saved.lse(query, head));
    T dout_v{};
    for (std::int64_t c = begin; c < end; ++c) dout_v += dout(query, c) * in.v(key, c);
    const T ds = p * (dout_v - dout_out) / root;
    for (std::int64_t c = begin; c < end; ++c) {
      g.dv(key, c) += p * dout(query, c);
      g.dq(query, c) += ds * in.k(key, c);
      g.dk(key, c) += ds * in.q(query, c);
    }
  }
}

template <class T>
AttentionGradients<T> attention_backward(const AttentionInput<T>& in, const AttentionOutput<T>& saved,
                                         const Matrix<T>& dout) {
  AttentionGradients<T> g{Matrix<T>(in.q.rows, in.q.cols), Matrix<T>(in.k.rows, in.k.cols),
                          Matrix<T>(in.v.rows, in.v.cols)};
  parallel_for(in.heads, [&](std::int64_t head) {  // a head's columns are its own; spans may share keys
    for (const AttentionSpan& span : in.spans)
      for (std::int64_t i = 0; i < span.query.count; ++i) attend_backward(in, saved, dout, span, i, head, g);
  });
  return g;
}

}  // namespace sori::reference
