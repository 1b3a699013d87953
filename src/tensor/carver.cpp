#include "tensor/carver.h"

#include <sys/mman.h>

#include <fmt/format.h>

namespace sori {
namespace {

constexpr std::size_t kAlignment = 64;  // a cache line, and the widest vector
constexpr std::size_t kPage = 4096;     // the smallest page there is

}  // namespace

const char* name_of(Purpose purpose) {
  constexpr const char* kNames[] = {"weights", "gradients", "optimizer", "activations", "cache", "scratch"};
  return kNames[static_cast<std::size_t>(purpose)];
}

Arena::Arena(std::size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  void* p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED)
    throw Error{ErrorKind::kMemory, fmt::format("the system does not give {} MiB of memory", bytes >> 20), "",
                "close other programs, or choose a smaller batch or --method lora"};
  ::madvise(p, bytes, MADV_HUGEPAGE);  // before the first touch: a page that is there stays small
  data_ = static_cast<std::byte*>(p);
  for (std::size_t at = 0; at < bytes; at += kPage) data_[at] = std::byte{0};
}

Arena::~Arena() {
  if (data_) ::munmap(data_, bytes_);
}

void* Carver::take(std::size_t bytes) {
  require(bytes <= SIZE_MAX - kAlignment, "a size fits the address space");
  const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  require(rounded <= capacity_ - used_, "what is handed out was planned");
  std::byte* p = base_ ? base_ + used_ : nullptr;
  used_ += rounded;
  by_purpose_[static_cast<std::size_t>(purpose_)] += rounded;
  if (used_ > high_) {
    high_ = used_;
    at_high_ = by_purpose_;
  }
  return p;
}

Mat Carver::mat(DType type, std::int64_t rows, std::int64_t cols) {
  require(rows >= 0 && cols >= 0, "a matrix has no negative size");
  std::size_t bytes = 0;
  const bool overflow =
      __builtin_mul_overflow(rows, cols, &bytes) || __builtin_mul_overflow(bytes, size_of(type), &bytes);
  require(!overflow, "a matrix fits the address space");
  return {take(bytes), type, rows, cols};
}

}  // namespace sori
