#include "data/loader.h"

#include <sys/resource.h>

#include <chrono>

#include "base/error.h"

namespace sori {
namespace {

constexpr int kNice = 10;

// Gives way to the trainer's threads, and starts none of its own for loops.
void become_background() {
  ::setpriority(PRIO_PROCESS, 0, kNice);  // 0: on Linux, the calling thread; without effect where that is not allowed
  set_thread_count(1);
}

}  // namespace

Loader::Loader(const std::vector<Utterance>& utterances, const ExampleMaker& maker, const LoaderOptions& options)
    : utterances_(utterances),
      maker_(maker),
      options_(options),
      order_(utterances.size(), options.seed),
      full_(options.prefetch),
      empty_(options.prefetch + 2) {
  require(options.batch > 0 && options.prefetch > 0, "a loader makes at least one example ahead");
  for (std::size_t i = 0; i < options.prefetch + 1; ++i) empty_.push(std::make_unique<Batch>());
  thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
}

Loader::~Loader() {
  thread_.request_stop();
  full_.close();
  empty_.close();
}

const std::vector<Example>& Loader::next() {
  if (current_ && current_->failure) std::rethrow_exception(current_->failure);
  if (current_) empty_.push(std::move(current_));
  const auto before = std::chrono::steady_clock::now();
  std::optional<Slot> slot = full_.pop();
  waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
  if (!slot) return nothing_;
  current_ = std::move(*slot);
  if (current_->failure) std::rethrow_exception(current_->failure);
  return current_->examples;
}

void Loader::work(const std::stop_token& stop) {
  become_background();
  for (std::uint64_t position = options_.start; position < options_.end && !stop.stop_requested();) {
    std::optional<Slot> slot = empty_.pop();
    if (!slot) return;
    const std::size_t count = std::min<std::uint64_t>(options_.batch, options_.end - position);
    try {
      fill(**slot, position, count, stop);
    } catch (...) {
      (*slot)->failure = std::current_exception();
    }
    const bool failed = (*slot)->failure != nullptr;
    if (!full_.push(std::move(*slot)) || failed) return;
    position += count;
  }
  full_.close();
}

void Loader::fill(Batch& batch, std::uint64_t position, std::size_t count, const std::stop_token& stop) {
  batch.examples.resize(count);
  for (std::size_t i = 0; i < count && !stop.stop_requested(); ++i) {
    Example& e = batch.examples[i];
    e.sample = position + i;
    e.utterance = options_.shuffle ? order_.at(e.sample) : e.sample % utterances_.size();
    maker_.make(utterances_[e.utterance], e);
  }
}

}  // namespace sori
