// Makes micro-batches ahead of the trainer, on a thread of its own at low priority: decoding sound costs a few percent
// of a step and hides behind it. What is delivered depends only on the seed and the number of samples consumed, never
// on timing.
#pragma once

#include <exception>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include "base/threads.h"
#include "data/example.h"
#include "data/order.h"

namespace sori {

struct LoaderOptions {
  std::uint64_t seed = 0;
  std::size_t batch = 1;                                          // examples of a micro-batch
  std::uint64_t start = 0;                                        // samples consumed so far
  std::uint64_t end = std::numeric_limits<std::uint64_t>::max();  // stop before this sample
  std::size_t prefetch = 2;                                       // micro-batches made ahead
  bool shuffle = true;                                            // false: sample i is utterance i % size
};

class Loader {
 public:
  // Utterances and maker must outlive the loader. At least one utterance.
  Loader(const std::vector<Utterance>& utterances, const ExampleMaker& maker, const LoaderOptions& options);
  ~Loader();  // at any time; waits for the example that is being made
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next micro-batch, valid until the next call; empty behind the end. An example that could not be made throws its
  // Error in place of its batch, then and at every later call: nothing is skipped.
  const std::vector<Example>& next();

  double waited_seconds() const { return waited_; }  // that next() spent waiting

 private:
  struct Batch {
    std::vector<Example> examples;
    std::exception_ptr failure;
  };
  using Slot = std::unique_ptr<Batch>;

  void work(const std::stop_token& stop);
  void fill(Batch& batch, std::uint64_t position, std::size_t count, const std::stop_token& stop);

  const std::vector<Utterance>& utterances_;
  const ExampleMaker& maker_;
  LoaderOptions options_;
  DataOrder order_;
  BoundedQueue<Slot> full_, empty_;  // batches go round: their buffers are used again
  Slot current_;
  std::vector<Example> nothing_;
  double waited_ = 0;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace sori
