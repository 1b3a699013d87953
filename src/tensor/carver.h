// Planned memory. A Carver either counts bytes or hands them out of an Arena: the same code does both, so what was
// planned is what is used. Every byte has an owner's name (Purpose).
//
//   Saved carve_saved(Carver& c, ...) { Saved s; s.normed = c.mat(DType::kF32, rows, cols); return s; }
//   Carver count = Carver::counting();  carve_saved(count, ...);  Arena arena(count.bytes());
//   Carver carver(arena);               Saved saved = carve_saved(carver, ...);
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/mat.h"

namespace sori {

enum class Purpose : std::uint8_t { kWeights, kGradients, kOptimizer, kActivations, kCache, kScratch, kCount };
const char* name_of(Purpose purpose);

// One block of anonymous memory, zeroed and touched at once, so that the run cannot fail for memory later.
class Arena {
 public:
  explicit Arena(std::size_t bytes);  // Error kMemory when the system refuses
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

class Carver {
  using ByPurpose = std::array<std::size_t, static_cast<std::size_t>(Purpose::kCount)>;

 public:
  static Carver counting() { return Carver(nullptr, SIZE_MAX); }
  explicit Carver(Arena& arena) : Carver(arena.data(), arena.bytes()) {}

  bool counts_only() const { return base_ == nullptr; }
  std::size_t bytes() const { return high_; }  // the high-water mark
  // Bytes of one purpose when the high-water mark was reached.
  std::size_t bytes(Purpose purpose) const { return at_high_[static_cast<std::size_t>(purpose)]; }

  // 64-byte aligned; contents are unspecified. nullptr when counting.
  void* take(std::size_t bytes);
  Mat mat(DType type, std::int64_t rows, std::int64_t cols);
  template <class T>
  std::span<T> array(std::size_t n) {
    require(n <= SIZE_MAX / sizeof(T), "an array fits the address space");
    void* p = take(n * sizeof(T));
    return p ? std::span<T>(static_cast<T*>(p), n) : std::span<T>();
  }

  // Parts that are never in use at the same time take the same memory: each begins at the same place, and what
  // the largest took stays taken.
  template <class... Parts>
  void take_turns(Parts&&... parts) {
    const std::size_t used = used_;
    const ByPurpose by = by_purpose_;
    std::size_t most = used_;
    ByPurpose by_most = by_purpose_;
    const auto turn = [&](auto&& part) {
      used_ = used, by_purpose_ = by;
      part();
      if (used_ > most) most = used_, by_most = by_purpose_;
    };
    (turn(parts), ...);
    used_ = most, by_purpose_ = by_most;
  }

  // What is taken while an In lives belongs to this purpose.
  class In {
   public:
    In(Carver& carver, Purpose purpose) : carver_(carver), before_(carver.purpose_) { carver.purpose_ = purpose; }
    ~In() { carver_.purpose_ = before_; }
    In(const In&) = delete;
    In& operator=(const In&) = delete;

   private:
    Carver& carver_;
    Purpose before_;
  };

  // What is taken while a Scope lives is free again at its end; the high-water mark stays.
  class Scope {
   public:
    explicit Scope(Carver& carver) : carver_(carver), used_(carver.used_), by_(carver.by_purpose_) {}
    ~Scope() {
      carver_.used_ = used_;
      carver_.by_purpose_ = by_;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Carver& carver_;
    std::size_t used_;
    ByPurpose by_;
  };

 private:
  Carver(std::byte* base, std::size_t capacity) : base_(base), capacity_(capacity) {}

  std::byte* base_;
  std::size_t capacity_, used_ = 0, high_ = 0;
  Purpose purpose_ = Purpose::kScratch;
  ByPurpose by_purpose_{}, at_high_{};
};

}  // namespace sori
