// What the operations of the CPU backend share: threads, scratch memory and tiles of products.
#pragma once

#include <omp.h>

#include <algorithm>
#include <exception>

#include "base/threads.h"
#include "ops/backend.h"
#include "ops/cpu/matmul.h"
#include "ops/cpu/scratch.h"

namespace sori {

struct CpuContext {
  explicit CpuContext(Compute c) : compute(c.type), int8(c.int8), threads(thread_count()), tiles(threads) {
    for (int t = 0; t < threads; ++t) own.emplace_back(nullptr, 0);
  }

  DType compute;
  bool int8;
  int threads;  // the most that loops will use
  TileProducts tiles;
  Scratch shared{nullptr, 0};
  std::vector<Scratch> own;  // one a thread

  std::size_t unplanned_bytes() const {
    std::size_t bytes = tiles.unplanned_bytes() + shared.unplanned();
    for (const Scratch& s : own) bytes += s.unplanned();
    return bytes;
  }

  // body(i, thread) for i in [0, n). What body computes for i must not depend on the thread.
  template <class Body>
  void for_each(std::int64_t n, Body&& body) {
    std::exception_ptr failure;
    const int team = static_cast<int>(std::min<std::int64_t>({n, threads, thread_count()}));
#pragma omp parallel for schedule(dynamic, 1) num_threads(team) if (team > 1)
    for (std::int64_t i = 0; i < n; ++i) {
      try {
        body(i, omp_get_thread_num());
      } catch (...) {
#pragma omp critical(sori_cpu_context)
        if (!failure) failure = std::current_exception();
      }
    }
    if (failure) std::rethrow_exception(failure);
  }

  // body(first row, rows) for pieces of `piece` rows.
  template <class Body>
  void for_rows(std::int64_t rows, std::int64_t piece, Body&& body) {
    for_each((rows + piece - 1) / piece,
             [&](std::int64_t i, int) { body(i * piece, std::min(piece, rows - i * piece)); });
  }
};

inline std::int64_t pieces(std::int64_t n, std::int64_t size) { return (n + size - 1) / size; }

}  // namespace sori
