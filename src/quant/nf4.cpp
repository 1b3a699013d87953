#include "quant/nf4.h"

#include <cmath>

#include "base/threads.h"
#include "quant/absmax.h"

namespace sori {
namespace {

constexpr float kLeastAbsmax = 1e-38f;  // bitsandbytes divides by no less

constexpr std::array<float, 15> kMidpoints = [] {
  std::array<float, 15> m{};
  for (std::size_t i = 0; i < m.size(); ++i) m[i] = (kNf4Map[i] + kNf4Map[i + 1]) / 2;
  return m;
}();

// As many midpoints as lie below: the nearest code, and of two the lower one.
int nf4_code(float x) {
  int code = 0;
  for (const float m : kMidpoints) code += m < x;
  return code;
}

// A full block is multiplied by 1 / absmax, a shorter last one divided by absmax, as in bitsandbytes.
void scale_block(std::span<const float> numbers, float absmax, std::span<float> out) {
  const bool full = std::ssize(numbers) == kNf4Block;
  const float divisor = std::max(absmax, kLeastAbsmax), factor = 1.0f / divisor;
  for (std::size_t i = 0; i < numbers.size(); ++i)
    out[i] = std::clamp(full ? numbers[i] * factor : numbers[i] / divisor, -1.0f, 1.0f);
}

}  // namespace

void decode(const Nf4& w, std::int64_t row, std::int64_t first, std::span<float> out) {
  const std::int64_t begin = row * w.cols + first, end = begin + std::ssize(out);
  for (std::int64_t at = begin; at < end;) {
    const float absmax = decode_absmax(w, at / kNf4Block);
    for (const std::int64_t block_end = std::min(end, (at / kNf4Block + 1) * kNf4Block); at < block_end; ++at) {
      const std::uint8_t pair = w.codes[at / 2];
      out[static_cast<std::size_t>(at - begin)] = kNf4Map[at % 2 == 0 ? pair >> 4 : pair & 15] * absmax;
    }
  }
}

void quantise_nf4(std::span<const float> numbers, std::span<std::uint8_t> codes, std::span<float> absmax) {
  const auto n = std::ssize(numbers);
  require(std::ssize(codes) == nf4_bytes(n) && std::ssize(absmax) == nf4_blocks(n),
          "two codes a byte, and an absmax for each block");
  std::array<float, kNf4Block> scaled;
  std::array<int, kNf4Block> code;  // as wide as what is compared, so that the compiler can use vectors
  for (std::int64_t first = 0; first < n; first += kNf4Block) {
    const auto count = static_cast<std::size_t>(std::min(kNf4Block, n - first));
    const auto block = numbers.subspan(static_cast<std::size_t>(first), count);
    if (count % 2 != 0) scaled[count] = 0;  // the odd element's neighbour
    float& here = absmax[static_cast<std::size_t>(first / kNf4Block)];
    here = largest_magnitude(block);
    scale_block(block, here, scaled);
    if (std::ssize(block) < kNf4Block) here = std::max(here, kLeastAbsmax);
    for (std::size_t i = 0; i < count + count % 2; ++i) code[i] = nf4_code(scaled[i]);
    for (std::size_t i = 0; i < count; i += 2)
      codes[static_cast<std::size_t>(first) / 2 + i / 2] = static_cast<std::uint8_t>(code[i] << 4 | code[i + 1]);
  }
}

float quantise_nf4_absmax(std::span<const float> absmax, std::span<std::uint8_t> codes,
                          std::span<float> nested_absmax) {
  require(codes.size() == absmax.size() && nested_absmax.size() == (absmax.size() + kDynamicBlock - 1) / kDynamicBlock,
          "a code for each absmax, and a nested absmax for each block of them");
  double sum = 0;
  for (const float a : absmax) sum += a;
  const auto offset = static_cast<float>(sum / static_cast<double>(absmax.size()));
  parallel_for(std::ssize(nested_absmax), [&](std::int64_t block) {
    std::array<float, kDynamicBlock> centred;
    const std::size_t first = static_cast<std::size_t>(block) * kDynamicBlock;
    const std::size_t count = std::min<std::size_t>(kDynamicBlock, absmax.size() - first);
    for (std::size_t i = 0; i < count; ++i) centred[i] = absmax[first + i] - offset;
    const auto here = codes.subspan(first, count);
    const float largest_here = quantise_block(kSignedDynamicMap, std::span(centred).first(count), here);
    if (largest_here == 0) std::fill(here.begin(), here.end(), std::uint8_t{0});  // bitsandbytes' code of nothing
    nested_absmax[static_cast<std::size_t>(block)] = largest_here;
  });
  return offset;
}

}  // namespace sori
