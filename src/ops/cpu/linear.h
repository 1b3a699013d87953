// Products of activations with weights: decode a panel of the weight, bring it into the blocked order, then share out
// tiles of 64 rows, each with its epilogue.
#pragma once

#include "ops/cpu/context.h"

namespace sori {

void linear(CpuContext& c, ConstMat x, const BaseWeight& w, const Epilogue& epilogue, Mat y);
void linear_backward(CpuContext& c, ConstMat dy, const BaseWeight& w, bool add, Mat dx);
void weight_gradient(CpuContext& c, ConstMat dy, ConstMat x, float scale, Mat dw, float* dbias);

// linear() by codes (Compute::int8): any number of rows, so that a row's result does not depend on how many there are.
void linear_int8(CpuContext& c, ConstMat x, const BaseWeight& w, const Epilogue& epilogue, Mat y);

// Scratch of the four, for widths up to `width`.
void carve_weight_gradient(Scratch& shared, Scratch& own, DType compute, std::int64_t rows, std::int64_t width);
void carve_linear_backward(Scratch& shared, Scratch& own, DType compute, std::int64_t rows, std::int64_t width);
void carve_linear(Scratch& shared, Scratch& own, DType compute, std::int64_t rows, std::int64_t width);
void carve_linear_int8(Scratch& shared, Scratch& own, std::int64_t rows,
                       std::int64_t width);  // besides that of carve_linear()
// Numbers of a tile's operands, where these are widened for the product; 0 where they are not.
std::int64_t widened_by_linear(DType compute, std::int64_t width);
std::int64_t widened_by_weight_gradient(std::int64_t width);

}  // namespace sori
