// Tiles of products by strips.
#pragma once

#include "ops/cpu/widener.h"

namespace sori {

inline std::size_t strip_bytes(std::int64_t k, std::int64_t n) {
  const std::int64_t strip = kernels::strip_columns();
  return static_cast<std::size_t>((n + strip - 1) / strip * strip * k) * sizeof(float);
}

class StripProduct final : public TileProduct {
 public:
  StripProduct(const TileShape& shape, const std::vector<TileProducts::Room>& rooms, std::size_t threads)
      : shape_(shape),
        a_values_(shape.m * shape.k),
        b_values_(shape.b == TileShape::B::kPacked ? 0 : shape.k * shape.n),
        widener_(shape.type, a_values_ + b_values_, rooms, threads) {}

  void run(int thread, const void* a, const void* b, float* c) override {
    const bool columns = shape_.b == TileShape::B::kColumns;
    const ConstMat wide_a =
        operand(widener_.widen(thread, a, 1, a_values_, a_values_), shape_.a_transposed, shape_.m, shape_.k);
    const Mat to(c, shape_.m, shape_.n);
    if (shape_.b == TileShape::B::kPacked)
      return kernels::multiply_packed(wide_a, shape_.a_transposed, static_cast<const float*>(b), shape_.scale,
                                      shape_.add, to);
    const ConstMat wide_b =
        operand(widener_.widen(thread, b, 1, b_values_, b_values_, a_values_), columns, shape_.k, shape_.n);
    kernels::multiply_plain(wide_a, shape_.a_transposed, wide_b, columns, shape_.scale, shape_.add, to);
  }
  const char* implementation() const override { return "strips"; }
  std::size_t heap_bytes() const override { return widener_.heap_bytes(); }

 private:
  static ConstMat operand(const void* data, bool transposed, std::int64_t rows, std::int64_t cols) {
    return {data, DType::kF32, transposed ? cols : rows, transposed ? rows : cols};
  }

  TileShape shape_;
  std::int64_t a_values_, b_values_;  // of the operands that are not packed
  Widener widener_;
};

class StripPacker final : public TilePacker {
 public:
  // from: how b lies, [k, n] or, transposed, [n, k].
  StripPacker(const ConstMat& from, bool transposed) : from_(from), transposed_(transposed) {}

  void run(int, const void* b, void* packed) override {
    kernels::pack_strips({b, from_.type, from_.rows, from_.cols, from_.stride}, transposed_,
                         static_cast<float*>(packed));
  }
  std::size_t heap_bytes() const override { return 0; }

 private:
  ConstMat from_;
  bool transposed_;
};

}  // namespace sori
