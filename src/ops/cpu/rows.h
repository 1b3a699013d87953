// What works row by row: norms' parameters, convolution windows, tables, the loss.
#pragma once

#include "ops/cpu/context.h"

namespace sori {

void layer_norm_backward(CpuContext& c, ConstMat x, ConstMat stats, const float* gain, ConstMat dy, Mat dx,
                         float* dgain, float* dbias);
void gain_backward(CpuContext& c, ConstMat y, const float* bias, const float* gain, const float* m, Mat dy, float* dm);
void unfold(CpuContext& c, ConstMat x, std::span<const RowSpan> from, std::span<const RowSpan> to, std::int64_t stride,
            Mat columns);
void unfold_backward(CpuContext& c, ConstMat dcolumns, std::span<const RowSpan> from, std::span<const RowSpan> to,
                     std::int64_t stride, Mat dx);
void add_rows(CpuContext& c, ConstMat x, const BaseWeight& table, std::span<const int> index, Mat y);
void embed(CpuContext& c, const BaseWeight& tokens, std::span<const int> ids, const BaseWeight& positions,
           std::span<const int> places, Mat y);
void quantise_rows(CpuContext& c, ConstMat x, std::int8_t* codes, float* absmax);
void add_rows_backward(CpuContext& c, ConstMat dy, std::span<const int> index, Mat dtable);
void cross_entropy(CpuContext& c, ConstMat x, const BaseWeight& e, std::span<const int> targets, float scale,
                   float smoothing, std::span<float> losses, Mat dx, Mat de);
double sum_squares(CpuContext& c, ConstMat x);

void carve_rows(Scratch& shared, Scratch& own, DType compute, const Limits& limits);

}  // namespace sori
