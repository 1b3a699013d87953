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
      : shape_(shape), widener_(shape.type, shape.m * shape.k, rooms, threads) {}

  void run(int thread, const void* a, const void* b, void* c) override {
    const std::int64_t values = shape_.m * shape_.k;
    const bool turned = shape_.a_transposed, columns = shape_.b == TileShape::B::kColumns;
    const ConstMat wide =
        operand(widener_.widen(thread, a, 1, values, values), DType::kF32, turned, shape_.m, shape_.k);
    const Mat to(static_cast<float*>(c), shape_.m, shape_.n);
    if (shape_.b == TileShape::B::kPacked)
      return kernels::multiply_packed(wide, turned, static_cast<const float*>(b), shape_.scale, shape_.add, to);
    kernels::multiply_plain(wide, turned, operand(b, shape_.type, columns, shape_.k, shape_.n), columns, shape_.scale,
                            shape_.add, to);
  }
  const char* implementation() const override { return "strips"; }
  std::size_t heap_bytes() const override { return widener_.heap_bytes(); }

 private:
  static ConstMat operand(const void* data, DType type, bool transposed, std::int64_t rows, std::int64_t cols) {
    return {data, type, transposed ? cols : rows, transposed ? rows : cols};
  }

  TileShape shape_;
  Widener widener_;  // of a; strips are filled from b as it lies
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
