// Seeded random matrices with everything that real ones may have: any type, a stride, a start that is not aligned. The
// bytes between rows are a pattern that reads as NaN: who reads them spoils its result, who writes them is found out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include "base/rng.h"
#include "ops/reference/matrix.h"
#include "quant/base_weight.h"

namespace sori::test {

using Values = reference::Matrix<double>;

struct Layout {
  std::int64_t gap = 0;     // elements between the end of a row and the next
  std::int64_t offset = 0;  // elements between a 64-byte boundary and the first row
};
inline constexpr Layout kPlain{}, kStrided{7, 3};

class OwnedMat {
 public:
  OwnedMat() = default;
  OwnedMat(DType type, std::int64_t rows, std::int64_t cols, Layout layout = {}) : layout_(layout) {
    const std::size_t elements = static_cast<std::size_t>(layout.offset + rows * (cols + layout.gap));
    blocks_.resize(elements * size_of(type) / sizeof(Block) + 2);
    mat_ = Mat(nullptr, type, rows, cols, cols + layout.gap);
  }

  Mat mat() {
    mat_.data = first();
    return mat_;
  }
  ConstMat mat() const {
    ConstMat m = mat_;
    m.data = const_cast<OwnedMat*>(this)->first();
    return m;
  }
  operator Mat() { return mat(); }
  operator ConstMat() const { return mat(); }
  Values values() const { return reference::read(mat()); }
  std::vector<std::byte> bytes() const { return {begin(), begin() + blocks_.size() * sizeof(Block)}; }

  // True while nothing outside the rows has been written.
  bool gaps_untouched() const {
    std::vector<std::byte> copy = bytes();
    const auto first = copy.begin() + (static_cast<const std::byte*>(mat().data) - begin());
    for (std::int64_t r = 0; r < mat_.rows; ++r)
      std::fill_n(first + r * mat_.stride * size_of(mat_.type), mat_.cols * size_of(mat_.type), kPattern);
    return std::all_of(copy.begin(), copy.end(), [](std::byte b) { return b == kPattern; });
  }

 private:
  static constexpr std::byte kPattern{0xFF};  // NaN in every floating-point type
  struct alignas(64) Block {                  // so that a copy keeps the alignment
    Block() { std::fill_n(bytes, sizeof bytes, kPattern); }
    std::byte bytes[64];
  };

  const std::byte* begin() const { return reinterpret_cast<const std::byte*>(blocks_.data()); }
  void* first() {
    return reinterpret_cast<std::byte*>(blocks_.data()) +
           layout_.offset * static_cast<std::int64_t>(size_of(mat_.type));
  }

  Layout layout_;
  std::vector<Block> blocks_;
  Mat mat_;
};

inline std::vector<std::byte> bits_of(ConstMat m) {  // of the elements alone, row by row
  std::vector<std::byte> out;
  for (std::int64_t r = 0; r < m.rows; ++r) {
    const auto* row = static_cast<const std::byte*>(m.data) + r * m.stride * static_cast<std::int64_t>(size_of(m.type));
    out.insert(out.end(), row, row + m.cols * static_cast<std::int64_t>(size_of(m.type)));
  }
  return out;
}

class Drawn {  // draws one thing after another from a seed
 public:
  explicit Drawn(std::uint64_t seed) : rng_(seed, Draw::kNoise) {}

  double normal() { return rng_.normal(next_++); }
  std::int64_t integer(std::int64_t low, std::int64_t high) {  // [low, high]
    return low + static_cast<std::int64_t>(rng_.below(next_++, static_cast<std::uint64_t>(high - low + 1)));
  }
  OwnedMat mat(DType type, std::int64_t rows, std::int64_t cols, Layout layout = {}, double scale = 1) {
    OwnedMat m(type, rows, cols, layout);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < cols; ++c) store(m.mat(), r, c, static_cast<float>(scale * normal()));
    return m;
  }
  Values values(std::int64_t rows, std::int64_t cols) {
    Values m(rows, cols);
    for (double& x : m.data) x = normal();
    return m;
  }
  std::vector<float> vector(std::int64_t n, double mean = 0) {
    std::vector<float> v(static_cast<std::size_t>(n));
    for (float& x : v) x = static_cast<float>(mean + normal());
    return v;
  }

 private:
  Rng rng_;
  std::uint64_t next_ = 0;
};

}  // namespace sori::test
