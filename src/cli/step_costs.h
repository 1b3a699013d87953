// What a run's steps cost: time, sound, disk, and waiting for the loader.
#pragma once

#include <vector>

#include "base/json.h"
#include "base/process_memory.h"
#include "train/trainer.h"

namespace sori {

class StepCosts {
 public:
  void before_step() { before_ = disk_reads(); }
  void after_step(const StepReport& r);
  // Adds seconds_per_step (the median; 0 without steps), shares of the loader, and lists with an entry a step.
  void add_to(Json& result) const;

 private:
  std::vector<double> seconds_;
  std::vector<std::int64_t> frames_;
  std::vector<std::uint64_t> major_faults_, read_bytes_;
  DiskReads before_;
  double waited_ = 0, loading_ = 0;  // seconds: for the loader, and of its thread
};

}  // namespace sori
