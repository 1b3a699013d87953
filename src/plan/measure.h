// Times operations and whole steps on this machine, in memory that is planned before it is taken. Numbers are random:
// no model, file or data set is needed.
#pragma once

#include <memory>

#include "plan/run_memory.h"
#include "plan/work.h"

namespace sori {

// Operations of one compute type, one at a time.
class OperationTimer {
 public:
  static std::uint64_t bytes(Compute compute, const std::vector<Operation>& operations);  // of the largest
  OperationTimer(Compute compute, const std::vector<Operation>& operations);

  // The least of several calls after one that warms up: what other programs take from this one is left out.
  double seconds(const Operation& o);

 private:
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Backend> backend_;
  Carver carver_;
};

// Of one number that learns: zeroing its gradient, the norm, and AdamW in f32. `numbers`: of how many it is timed.
std::uint64_t update_bytes(std::int64_t numbers);
double update_seconds(std::int64_t numbers);

// Optimizer steps of one micro-batch on a model of random weights.
class StepTimer {
 public:
  // As plan_memory() wants the model; limits.judge is not used.
  static std::uint64_t bytes(Whisper model, Compute compute, const RunLimits& limits);
  StepTimer(const Whisper& model, Compute compute, const RunLimits& limits);

  double seconds();  // one step: forward, backward, update. Error kNumeric where its loss is no number

 private:
  static RunMemory carve(Carver& c, Whisper& model, Backend& backend, const RunLimits& limits);

  Whisper model_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Backend> backend_;
  RunMemory memory_;
  Batch batch_;
  std::int64_t step_ = 0;
};

}  // namespace sori
