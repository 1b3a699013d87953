// Live heap bytes of chosen threads. Includes a malloc of its own, in front of glibc's, so that what oneDNN, libgomp
// and libstdc++ take is counted too: for one file of a test program. Sanitizers have a malloc already: nothing is
// counted then, and kCounts is false.
#pragma once

#include <malloc.h>
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/threads.h"

namespace sori::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kCounts = false;
#else
inline constexpr bool kCounts = true;
#endif

struct HeapCounts {
  std::int64_t live = 0, peak = 0;  // bytes since counting began; peak: since the last restart()
  std::int64_t calls = 0;           // blocks handed out
};

namespace heap {

inline std::atomic<std::int64_t> live{0}, peak{0}, calls{0};
inline thread_local bool counted = false;

inline void took(void* p) {
  if (!counted || p == nullptr) return;
  const std::int64_t now = live += static_cast<std::int64_t>(::malloc_usable_size(p));
  ++calls;
  for (std::int64_t most = peak; now > most && !peak.compare_exchange_weak(most, now);) {
  }
}
inline void gives(void* p) {
  if (counted && p != nullptr) live -= static_cast<std::int64_t>(::malloc_usable_size(p));
}

}  // namespace heap

// Counts what this thread and the pool's threads take and give back while it lives. Other threads, the loader's among
// them, are not looked at.
class CountedHeap {
 public:
  CountedHeap() {
    heap::live = heap::peak = heap::calls = 0;
    set(true);
  }
  ~CountedHeap() { set(false); }
  CountedHeap(const CountedHeap&) = delete;
  CountedHeap& operator=(const CountedHeap&) = delete;

  HeapCounts counts() const { return {heap::live, heap::peak, heap::calls}; }
  static void restart() { heap::peak = heap::live.load(), heap::calls = 0; }

 private:
  static void set(bool counted) {
#pragma omp parallel num_threads(thread_count())
    heap::counted = counted;
  }
};

}  // namespace sori::test

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern "C" {

// glibc's own, under the names that programs with a malloc of their own call.
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t n, std::size_t bytes);
void* __libc_realloc(void* p, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
void __libc_free(void* p);

void* malloc(std::size_t bytes) noexcept {
  void* p = __libc_malloc(bytes);
  sori::test::heap::took(p);
  return p;
}
void* calloc(std::size_t n, std::size_t bytes) noexcept {
  void* p = __libc_calloc(n, bytes);
  sori::test::heap::took(p);
  return p;
}
void* realloc(void* old, std::size_t bytes) noexcept {
  sori::test::heap::gives(old);
  void* p = __libc_realloc(old, bytes);
  sori::test::heap::took(p != nullptr || bytes == 0 ? p : old);
  return p;
}
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
  void* p = __libc_memalign(alignment, bytes);
  sori::test::heap::took(p);
  return p;
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept { return memalign(alignment, bytes); }
int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) noexcept {
  *out = memalign(alignment, bytes);
  return *out != nullptr ? 0 : 12;  // ENOMEM
}
void free(void* p) noexcept {
  sori::test::heap::gives(p);
  __libc_free(p);
}

}  // extern "C"
#endif
