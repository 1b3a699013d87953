#include "quant/int8.h"

#include <cmath>

namespace sori {

void decode(const Int8& w, std::int64_t row, std::int64_t first, std::span<float> out) {
  const std::int8_t* codes = w.codes + row * w.cols + first;
  const float step = w.absmax[row] * (1.0f / 127.0f);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(codes[i]) * step;
}

float quantise_int8(std::span<const float> row, std::span<std::int8_t> codes) {
  require(row.size() == codes.size(), "a code for each number of a row");
  float absmax = 0;
  for (const float x : row) absmax = std::max(absmax, std::abs(x));
  // Of a magnitude so small that 127 / absmax overflows, nothing is left.
  const float factor = absmax > 0 && std::isfinite(127.0f / absmax) ? 127.0f / absmax : 0.0f;
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::int8_t>(std::nearbyint(row[i] * factor));
  return factor > 0 ? absmax : 0.0f;
}

}  // namespace sori
