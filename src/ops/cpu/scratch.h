// Memory that an operation borrows from the plan and gives back when it ends. One for what threads share, one for each
// thread.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "tensor/mat.h"

namespace sori {

class Scratch {
 public:
  static Scratch counting() {
    Scratch s(nullptr, 0);
    s.counts_ = true;
    return s;
  }
  Scratch(std::byte* base, std::size_t capacity) : base_(base), capacity_(capacity) {}

  // 64-byte aligned; contents are unspecified. Beyond the plan it comes from the heap and is counted as unplanned.
  void* take(std::size_t bytes) {
    const std::size_t rounded = (bytes + kLine - 1) / kLine * kLine;
    used_ += rounded;
    high_ = used_ > high_ ? used_ : high_;
    if (counts_) return nullptr;
    if (used_ <= capacity_) return base_ + used_ - rounded;
    if (used_ > unplanned_ + capacity_) unplanned_ = used_ - capacity_;
    extra_.push_back(std::make_unique<std::byte[]>(rounded + kLine));
    const auto address = reinterpret_cast<std::uintptr_t>(extra_.back().get());
    return extra_.back().get() + (kLine - address % kLine) % kLine;
  }
  Mat mat(DType type, std::int64_t rows, std::int64_t cols) {
    return {take(static_cast<std::size_t>(rows * cols) * size_of(type)), type, rows, cols};
  }
  template <class T>
  T* array(std::int64_t n) {
    return static_cast<T*>(take(static_cast<std::size_t>(n) * sizeof(T)));
  }

  std::size_t high() const { return high_; }            // the high-water mark in bytes
  std::size_t unplanned() const { return unplanned_; }  // the most that came from the heap at one time

  // What is taken while a Frame lives is free again at its end.
  class Frame {
   public:
    explicit Frame(Scratch& scratch) : scratch_(scratch), used_(scratch.used_), extra_(scratch.extra_.size()) {}
    ~Frame() {
      scratch_.used_ = used_;
      scratch_.extra_.resize(extra_);
    }
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

   private:
    Scratch& scratch_;
    std::size_t used_, extra_;
  };

 private:
  static constexpr std::size_t kLine = 64;
  std::byte* base_;
  std::size_t capacity_, used_ = 0, high_ = 0, unplanned_ = 0;
  bool counts_ = false;
  std::vector<std::unique_ptr<std::byte[]>> extra_;
};

}  // namespace sori
