// What the benchmarks share: a backend with its memory, matrices of random numbers, and the counters.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <ctime>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "base/threads.h"
#include "ops/backend.h"
#include "quant/file_format.h"

namespace sori::bench {

// Whisper base, four windows of 30 s.
inline constexpr std::int64_t kBatch = 4, kPositions = 1500, kTokens = 32, kWidth = 512, kHeads = 8, kWide = 2048,
                              kVocabulary = 51865;
inline constexpr std::int64_t kRows = round_rows(kBatch * kPositions);
inline constexpr std::int64_t kQuantised = 100;  // what is added to the number of a quantised format

class Memory {
 public:
  explicit Memory(DType compute, std::int64_t width = kWide) : backend_(make_cpu_backend(compute)) {
    const Limits limits{.rows = kRows,
                        .width = width,
                        .query_rows = kPositions,
                        .key_rows = kPositions,
                        .head_width = 64,
                        .heads = kHeads,
                        .target_rows = kRows,
                        .vocabulary = kVocabulary};
    Carver count = Carver::counting();
    backend_->carve_scratch(count, limits);
    scratch_ = std::make_unique<Arena>(count.bytes());
    Carver carver(*scratch_);
    backend_->carve_scratch(carver, limits);
  }
  Backend& backend() { return *backend_; }
  // Normal numbers of this deviation.
  Mat mat(DType type, std::int64_t rows, std::int64_t cols, float deviation = 1) {
    blocks_.push_back(std::make_unique<Arena>(static_cast<std::size_t>(rows * cols) * size_of(type)));
    const Mat m(blocks_.back()->data(), type, rows, cols);
    const Rng rng(1, Draw::kNoise, blocks_.size());
    parallel_for(rows, [&](std::int64_t r) {
      for (std::int64_t c = 0; c < cols; ++c)
        store(m, r, c, deviation * static_cast<float>(rng.normal(static_cast<std::uint64_t>(r * cols + c))));
    });
    return m;
  }
  // The same numbers as a weight: of a type of numbers, or in the format number `format - kQuantised` of files.
  BaseWeight weight(std::int64_t format, std::int64_t rows, std::int64_t cols, float deviation) {
    if (format < kQuantised) return as_weight(mat(static_cast<DType>(format), rows, cols, deviation));
    const Mat from = mat(DType::kF32, rows, cols, deviation);
    const auto read = [&](std::int64_t first, std::span<float> out) {
      std::copy_n(from.row<float>(0) + first, out.size(), out.begin());
    };
    const FileFormat& f = *file_formats()[static_cast<std::size_t>(format - kQuantised)];
    FileFormat::WritableParts parts;
    for (const FilePart& p : f.parts(rows, cols)) {
      std::size_t bytes = size_of(p.type);
      for (const std::int64_t n : p.shape) bytes *= static_cast<std::size_t>(n);
      blocks_.push_back(std::make_unique<Arena>(bytes));
      parts.emplace_back(blocks_.back()->data(), bytes);
    }
    f.quantise({rows, cols, "float32", read}, parts);
    return f.view(rows, cols, {parts.begin(), parts.end()}, "");
  }

 private:
  std::unique_ptr<Arena> scratch_;  // outlives the backend
  std::unique_ptr<Backend> backend_;
  std::vector<std::unique_ptr<Arena>> blocks_;
};

inline double process_seconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Runs body, and reports flops of one call: GFLOP/s of wall time, and of the best processor time of one call ("core"),
// which a busy machine disturbs less.
template <class Body>
void measure(benchmark::State& state, double flops, Body&& body) {
  body();  // builds primitives
  double best = 1e30;
  for (auto _ : state) {
    const double start = process_seconds();
    body();
    best = std::min(best, process_seconds() - start);
  }
  using benchmark::Counter;
  state.counters["core_ms"] = best * 1e3;
  if (flops == 0) return;
  state.counters["GFLOP/s"] = Counter(flops * 1e-9, Counter::kIsIterationInvariantRate);
  state.counters["core_GFLOP/s"] = flops * 1e-9 / best;
}

inline DType type_of(const benchmark::State& state, int argument = 0) {
  return static_cast<DType>(state.range(argument));
}
inline constexpr auto kF32 = static_cast<std::int64_t>(DType::kF32), kBF16 = static_cast<std::int64_t>(DType::kBF16),
                      kF16 = static_cast<std::int64_t>(DType::kF16);

}  // namespace sori::bench
