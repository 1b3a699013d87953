// Vector loops over matrices, by one thread, compiled for each instruction set and chosen at run time. Types are f32 or
// bf16 (f16 where it is read); widths and strides are free, and nothing behind a row's end is touched unless it says
// so.
#pragma once

#include "base/rng.h"
#include "ops/backend.h"

namespace sori::kernels {

void convert(ConstMat x, float scale, Mat y);  // y = scale * x in y's type; x may be f16 and of any alignment
void transpose(ConstMat x, Mat y);  // y [C, >= N] = x [N, C] transposed, of one type; columns behind x's rows are zero
// Rows and columns of a weight from (row, col) on, as quant/base_weight.h's decode() defines them, in to's type.
void decode(const BaseWeight& w, std::int64_t row, std::int64_t col, Mat to);
void add_to(ConstMat x, Mat y);                // y f32 += x
void add_vector(const float* bias, Mat y);     // y f32 += bias in each row
void scale_columns(const float* gain, Mat y);  // y f32 *= gain in each row
void gelu(Mat x);                              // x f32, in place
void gelu_backward(ConstMat pre, ConstMat dy, Mat dx);
// sums += column sums of dy * (y - bias), and dy = gain * dy. bias may be null; y has dy's type.
void gain_backward(ConstMat y, const float* bias, const float* gain, Mat dy, float* sums);
void column_sums(ConstMat x, float* sums);  // sums += each column's sum, row after row

// y [N, outputs] f32 = x [N, K] times rows of w from `first` on, whose numbers are rounded to `as` first. Meant for few
// rows: w is read once for eight of them. x is made by few_operand() from f32 or bf16: [N, few_width(K)] f32, in the
// order in which weights are read.
constexpr std::int64_t few_width(std::int64_t width) { return (width + 63) / 64 * 64; }
void few_operand(ConstMat x, Mat to);
void few_products(ConstMat x, const BaseWeight& w, std::int64_t first, DType as, Mat y);

// Products of 8-bit codes (Compute::int8). The CPU multiplies u8 by i8, so rows of x become codes + kCodeOffset, and
// what that adds is taken from the sums again.
inline constexpr std::int32_t kCodeOffset = 128;
// codes [N, C] and steps [N] of x (f32 or bf16): code and scale as quantise_int8() has them. The step of a row with
// NaN or infinity is NaN.
void encode_rows(ConstMat x, std::uint8_t* codes, float* steps);
// The same of one row of a weight's numbers [1, C] f32, without the offset; returns the step.
float encode_weights(ConstMat row, std::int8_t* codes);
void sum_codes(const Int8& w, std::int64_t first, std::int64_t rows, std::int32_t* sums);  // of each row
// t: sums of products, i32, in; (sum - kCodeOffset * column_sums) * (row step * column step), f32, out.
void scale_codes(const float* row_steps, const float* column_steps, const std::int32_t* column_sums, Mat t);

// Products on CPUs for which oneDNN has no kernel of packed weights (matmul.h). A strip is strip_columns() columns of b
// [K, n], row after row, in f32; strips lie one behind the other, columns behind the last are zero.
std::int64_t strip_columns();
// b: f32 or bf16, [K, n] or, transposed, [n, K].
void pack_strips(ConstMat b, bool transposed, float* packed);
// c [m, n] (+=, if add) scale * a b; f32, plain b as above. a: [m, K] or, transposed, [K, m]. In what order a
// number of c is summed, K alone decides.
void multiply_packed(ConstMat a, bool a_transposed, const float* packed, float scale, bool add, Mat c);
void multiply_plain(ConstMat a, bool a_transposed, ConstMat b, bool b_transposed, float scale, bool add, Mat c);

void layer_norm(ConstMat x, const float* gain, const float* bias, Mat y, Mat stats);
// dgain, dbias: of these rows alone, added; may be null.
void layer_norm_backward(ConstMat x, ConstMat stats, const float* gain, ConstMat dy, Mat dx, float* dgain,
                         float* dbias);

// A row in place: x = exp(scale * x - its maximum); its sum, and the log of the sum of exp(scale * x).
void softmax(Mat x, float scale, float* sum, float* lse);
// Rows of scores to rows of p = exp(scale * scores[r][j] - largest[r]) for j < counts[r], and 0 from there to p.cols.
// largest [r] is first raised to the row's maximum, sums[r] is scaled to it and grows by the row's sum; factors[r] is
// that scale.
void online_softmax(ConstMat scores, const std::int64_t* counts, float scale, Mat p, float* largest, float* sums,
                    float* factors);
void scale_rows(const float* factors, Mat x);  // x f32 [r] *= factors[r]
// p = exp(scale * scores - lse) as above, and ds = p * (dp - delta) * scale; both compute.
void softmax_backward(ConstMat scores, ConstMat dp, const std::int64_t* counts, float scale, const float* lse,
                      const float* delta, Mat p, Mat ds);
// y[r] = x[r] / divisors[r], 0 where the divisor is 0. x f32.
void divide_rows(ConstMat x, const float* divisors, Mat y);
// dots[r] = sum over c of a[r][c] * b[r][c]. a: any, b f32.
void row_dots(ConstMat a, ConstMat b, float* dots);
// One query [1, H D] and the keys or values [S, H D] it sees, of scores.rows = H heads, row after row of memory:
// scores[h][j] = q_h . k_h[j], and out_h = sum over j of p[h][j] * v_h[j]. scores, p, out: f32.
void query_scores(ConstMat q, ConstMat k, Mat scores);
void weighted_rows(ConstMat p, ConstMat v, float* out);

// One row of logits (f32, in place): its loss, and dlogits = scale * d loss / d logits in y's type (y empty: loss
// only). y may be the logits' own memory.
float cross_entropy(float* logits, std::int64_t n, std::int64_t target, float scale, float smoothing, Mat y);

// Of elements [first, first + n) of the flattened tensors; first is a multiple of kDynamicBlock.
void adamw(const AdamW& how, Mat gradient, Mat weight, const Moment& m, const Moment& v, std::int64_t first,
           std::int64_t n);
double sum_squares(ConstMat x);
// y (+=, if add) = x where Rng::bits(c) >= threshold, times scale; 0 elsewhere. One row.
void dropout(ConstMat x, const Rng& rng, std::uint64_t threshold, float scale, bool add, Mat y);

const char* instruction_set();

}  // namespace sori::kernels
