// Makes micro-batches ahead of the trainer, on a thread of its own at low priority: decoding sound costs a few percent
// of a step and hides behind it. What is delivered depends only on the seed and the number of samples consumed, never
// on timing.
#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "base/threads.h"
#include "data/micro_batches.h"

namespace sori {

struct LoaderOptions {
  std::uint64_t start = 0;                          // samples consumed so far
  std::uint64_t end = MicroBatchOptions::kNoLimit;  // stop before this sample
  std::size_t prefetch = 2;                         // micro-batches made ahead
};

class Loader {
 public:
  // Utterances and maker must outlive the loader. At least one utterance.
  Loader(const std::vector<Utterance>& utterances, const ExampleMaker& maker, MicroBatches batches,
         const LoaderOptions& options);
  ~Loader();  // at any time; waits for the example that is being made
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next micro-batch, valid until the next call; empty behind the end. An example that could not be made throws its
  // Error in place of its batch, then and at every later call: nothing is skipped.
  std::span<const Example> next();

  double waited_seconds() const { return waited_; }  // that next() spent waiting
  double cpu_seconds() const { return cpu_; }        // that its thread has taken from a core

 private:
  struct Batch {
    std::vector<Example> examples;  // the first `count` of them; the others keep their buffers
    std::size_t count = 0;
    std::exception_ptr failure;
  };
  using Slot = std::unique_ptr<Batch>;

  void work(const std::stop_token& stop);
  bool put(const MicroBatch& samples, const std::stop_token& stop);  // false: that was the last one
  void fill(Batch& batch, const MicroBatch& samples, const std::stop_token& stop);

  const std::vector<Utterance>& utterances_;
  const ExampleMaker& maker_;
  MicroBatches batches_;
  LoaderOptions options_;
  BoundedQueue<Slot> full_, empty_;  // batches go round: their buffers are used again
  Slot current_;
  double waited_ = 0;
  std::atomic<double> cpu_ = 0;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace sori
