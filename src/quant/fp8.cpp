#include "quant/fp8.h"

#include "quant/absmax.h"

namespace sori {

void decode(const Fp8& w, std::int64_t row, std::int64_t first, std::span<float> out) {
  const e4m3* codes = w.codes + row * w.cols + first;
  const float scale = w.scale[row];
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = to_float(codes[i]) * scale;
}

float quantise_fp8(std::span<const float> row, std::span<e4m3> codes) {
  require(row.size() == codes.size(), "a code for each number of a row");
  const float scale = largest_magnitude(row) / kE4m3Largest;
  // Of a magnitude so small that the scale rounds to 0, nothing is left.
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = scale > 0 ? to_e4m3(row[i] / scale) : e4m3{0};
  return scale;
}

}  // namespace sori
