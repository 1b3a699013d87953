#include "quant/int8.h"

#include <cmath>

#include "quant/absmax.h"

namespace sori {

namespace {

// Of a magnitude below 2^22, ties to even: 1.5 * 2^23 leaves no bits for a fraction. std::nearbyint is a call a number.
std::int8_t nearest_integer(float x) {
  constexpr float kNoFraction = 0x1.8p23f;
  return static_cast<std::int8_t>(static_cast<int>((x + kNoFraction) - kNoFraction));
}

}  // namespace

void decode(const Int8& w, std::int64_t row, std::int64_t first, std::span<float> out) {
  const std::int8_t* codes = w.codes + row * w.cols + first;
  const float step = step_of(w, row);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(codes[i]) * step;
}

float quantise_int8(std::span<const float> row, std::span<std::int8_t> codes) {
  require(row.size() == codes.size(), "a code for each number of a row");
  const float absmax = largest_magnitude(row);
  // Of a magnitude so small that 127 / absmax overflows, nothing is left.
  const float factor = absmax > 0 && std::isfinite(127.0f / absmax) ? 127.0f / absmax : 0.0f;
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = nearest_integer(row[i] * factor);
  return factor > 0 ? absmax : 0.0f;
}

}  // namespace sori
