// Operands of products in the type that the product runs in.
#pragma once

#include "ops/cpu/kernels.h"
#include "ops/cpu/matmul.h"

namespace sori {

// Where they lie, or widened into a thread's room.
class Widener {
 public:
  // values: of all operands together.
  Widener(DType type, std::int64_t values, const std::vector<TileProducts::Room>& rooms, std::size_t threads)
      : type_(type) {
    if (product_type(type) == type) return;
    for (std::size_t t = 0; t < threads; ++t) {
      const bool fits = t < rooms.size() && values <= rooms[t].wide_values;
      if (!fits) {
        heap_.push_back(std::make_unique<float[]>(static_cast<std::size_t>(values)));
        heap_bytes_ += static_cast<std::size_t>(values) * sizeof(float);
      }
      rooms_.push_back(fits ? rooms[t].wide : heap_.back().get());
    }
  }
  // rows x cols numbers, ld apart, that lie from `from` on: without gaps at `place` of the room.
  const void* widen(int thread, const void* from, std::int64_t rows, std::int64_t cols, std::int64_t ld,
                    std::int64_t place = 0) const {
    if (rooms_.empty()) return from;
    float* const to = rooms_[static_cast<std::size_t>(thread)] + place;
    kernels::convert(ConstMat(from, type_, rows, cols, ld), 1, Mat(to, rows, cols));
    return to;
  }
  bool widens() const { return !rooms_.empty(); }
  std::size_t heap_bytes() const { return heap_bytes_; }

 private:
  DType type_;
  std::vector<float*> rooms_;  // one a thread; none where nothing is widened
  std::vector<std::unique_ptr<float[]>> heap_;
  std::size_t heap_bytes_ = 0;
};

}  // namespace sori
