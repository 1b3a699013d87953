#include "data/loader.h"

#include <sys/resource.h>

#include <ctime>

#include "base/clock.h"
#include "base/error.h"

namespace sori {
namespace {

constexpr int kNice = 10;

// Gives way to the trainer's threads, and starts none of its own for loops.
void become_background() {
  ::setpriority(PRIO_PROCESS, 0, kNice);  // 0: on Linux, the calling thread; without effect where that is not allowed
  set_thread_count(1);
}

double thread_cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

}  // namespace

Loader::Loader(const std::vector<Utterance>& utterances, const ExampleMaker& maker, MicroBatches batches,
               const LoaderOptions& options)
    : utterances_(utterances),
      maker_(maker),
      batches_(std::move(batches)),
      options_(options),
      full_(options.prefetch),
      empty_(options.prefetch + 2) {
  require(options.prefetch > 0, "a loader makes at least one micro-batch ahead");
  for (std::size_t i = 0; i < options.prefetch + 1; ++i) empty_.push(std::make_unique<Batch>());
  thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
}

Loader::~Loader() {
  thread_.request_stop();
  full_.close();
  empty_.close();
}

std::span<const Example> Loader::next() {
  if (current_ && current_->failure) std::rethrow_exception(current_->failure);
  if (current_) empty_.push(std::move(current_));
  const auto before = Clock::now();
  std::optional<Slot> slot = full_.pop();
  waited_ += seconds_since(before);
  if (!slot) return {};
  current_ = std::move(*slot);
  if (current_->failure) std::rethrow_exception(current_->failure);
  return std::span(current_->examples).first(current_->count);
}

void Loader::work(const std::stop_token& stop) {
  become_background();
  for (std::uint64_t first = options_.start; first < options_.end; first += batches_.options().step)
    for (const MicroBatch& samples : batches_.of_step(first, options_.end))
      if (!put(samples, stop)) return;
  full_.close();
}

bool Loader::put(const MicroBatch& samples, const std::stop_token& stop) {
  std::optional<Slot> slot = empty_.pop();
  if (!slot || stop.stop_requested()) return false;
  try {
    fill(**slot, samples, stop);
  } catch (...) {
    (*slot)->failure = std::current_exception();
  }
  cpu_ = thread_cpu_seconds();
  const bool failed = (*slot)->failure != nullptr;
  return full_.push(std::move(*slot)) && !failed;
}

void Loader::fill(Batch& batch, const MicroBatch& samples, const std::stop_token& stop) {
  batch.count = samples.size();
  batch.examples.resize(std::max(batch.examples.size(), batch.count));
  for (std::size_t i = 0; i < batch.count && !stop.stop_requested(); ++i) {
    Example& e = batch.examples[i];
    e.sample = samples[i].number;
    e.utterance = samples[i].utterance;
    maker_.make(utterances_[e.utterance], e);
  }
}

}  // namespace sori
