// The optimizer's operations on a tensor, and how it keeps what it learns in few bits.
#pragma once

#include <cmath>
#include <numeric>

#include "base/rng.h"
#include "ops/backend.h"
#include "ops/reference/matrix.h"

namespace sori::reference {

// One element: decay, moments, step (Loshchilov & Hutter, 2019, algorithm 2, in the order of torch.optim.AdamW).
template <class T>
void adamw_step(const AdamW& how, const T& gradient, T& weight, T& m, T& v) {
  using std::sqrt;
  const double step = static_cast<double>(how.step);
  const double correct1 = 1 - std::pow(how.beta1, step), correct2 = 1 - std::pow(how.beta2, step);
  const T g = how.gradient_scale * gradient;
  weight -= how.learning_rate * how.weight_decay * weight;
  m = how.beta1 * m + (1 - how.beta1) * g;
  v = how.beta2 * v + (1 - how.beta2) * g * g;
  weight -= how.learning_rate * (m / correct1) / (sqrt(v / correct2) + how.epsilon);
}

// One of x's two neighbours in bf16, the nearer one more often, so that their mean is x: `bits`, uniform below 2^16,
// are added behind the last bit that stays.
inline bf16 round_by_chance(float x, std::uint32_t bits) {
  if (std::isnan(x)) return from_float<bf16>(x);
  return {static_cast<std::uint16_t>((std::bit_cast<std::uint32_t>(x) + bits) >> 16)};
}

// What element i of a weight is rounded by: half a word of this stream each, the lower half first.
inline std::uint32_t rounding_bits(const AdamW& how, std::uint64_t i) {
  const Rng rng(how.seed, Draw::kRounding, static_cast<std::uint64_t>(how.step), how.tensor);
  return (rng.bits(i / 2) >> (16 * (i % 2))) & 0xffff;
}

// A new weight, rounded by chance where it is bf16.
inline void write_weight(const Matrix<double>& from, const AdamW& how, Mat weight) {
  if (weight.type != DType::kBF16) return write(from, weight);
  for (std::size_t i = 0; i < from.data.size(); ++i)
    weight.row<bf16>(static_cast<std::int64_t>(i) / weight.cols)[static_cast<std::int64_t>(i) % weight.cols] =
        round_by_chance(static_cast<float>(from.data[i]), rounding_bits(how, i));
}

inline Matrix<double> read(const Moment& moment, const DynamicMap& map) {
  const Mat& values = moment.values;
  if (values.type != DType::kU8) return read(values);
  Matrix<double> out(values.rows, values.cols);
  for (std::size_t i = 0; i < out.data.size(); ++i)
    out.data[i] = double{map.numbers[values.row<std::uint8_t>(0)[i]]} * moment.absmax[i / kDynamicBlock];
  return out;
}

inline void write(const Matrix<double>& from, const DynamicMap& map, const Moment& moment) {
  if (moment.values.type != DType::kU8) return write(from, moment.values);
  const std::vector<float> numbers(from.data.begin(), from.data.end());
  const std::span<std::uint8_t> codes(moment.values.row<std::uint8_t>(0), numbers.size());
  for (std::size_t b = 0; b < numbers.size(); b += kDynamicBlock) {
    const std::size_t n = std::min<std::size_t>(kDynamicBlock, numbers.size() - b);
    moment.absmax[b / kDynamicBlock] = quantise_block(map, std::span(numbers).subspan(b, n), codes.subspan(b, n));
  }
}

template <class T>
T sum_squares(const Matrix<T>& x) {
  T sum{};
  for (const T& v : x.data) sum += v * v;
  return sum;
}

}  // namespace sori::reference
