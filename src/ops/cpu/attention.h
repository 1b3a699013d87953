// Attention per utterance and head, a tile of queries at a time: scores, softmax and the weighted sum of a tile stay in
// cache.
#pragma once

#include "ops/cpu/context.h"

namespace sori {

void attention(CpuContext& c, ConstMat q, ConstMat k, ConstMat v, std::span<const AttentionSpan> spans,
               std::int64_t heads, bool causal, Mat out, Mat lse);
void attention_backward(CpuContext& c, ConstMat q, ConstMat k, ConstMat v, ConstMat out, ConstMat lse, ConstMat dout,
                        std::span<const AttentionSpan> spans, std::int64_t heads, bool causal, Mat dq, Mat dk, Mat dv);

void carve_attention(Scratch& shared, Scratch& own, DType compute, int threads, const Limits& limits);
void carve_attention_backward(Scratch& shared, Scratch& own, DType compute, int threads, const Limits& limits);

// Rows of m outside every span become zero.
void zero_outside(CpuContext& c, std::vector<RowSpan> spans, Mat m);
// As widened_by_linear().
std::int64_t widened_by_attention(DType compute, std::int64_t head_width);

}  // namespace sori
