// One pool of threads: OpenMP's, which oneDNN uses too. Loops are split in a fixed way, so results do not depend on
// timing.
#pragma once

#include <omp.h>

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <vector>

namespace sori {

inline int thread_count() { return omp_get_max_threads(); }
inline void set_thread_count(int n) { omp_set_num_threads(n); }

// body(i) for i in [0, n), each i once; the first exception is thrown again after the loop.
template <class Body>
void parallel_for(std::int64_t n, Body&& body) {
  std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic, 1)
  for (std::int64_t i = 0; i < n; ++i) {
    try {
      body(i);
    } catch (...) {
#pragma omp critical(sori_parallel_for)
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

// A bounded queue between one loader and one consumer, which allocates nothing once it is there. close() wakes both
// sides: push() then returns false, pop() drains what is left and then returns nothing.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : ring_(capacity) {}

  bool push(T item) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return closed_ || count_ < ring_.size(); });
    if (closed_) return false;
    ring_[(first_ + count_++) % ring_.size()] = std::move(item);
    filled_.notify_one();
    return true;
  }

  std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [&] { return closed_ || count_ > 0; });
    if (count_ == 0) return std::nullopt;
    std::optional<T> item(std::move(ring_[first_]));
    first_ = (first_ + 1) % ring_.size();
    --count_;
    room_.notify_one();
    return item;
  }

  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    room_.notify_all();
    filled_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable room_, filled_;
  std::vector<T> ring_;
  std::size_t first_ = 0, count_ = 0;  // what is in: count_ items from ring_[first_] on
  bool closed_ = false;
};

}  // namespace sori
