#include "cli/step_costs.h"

#include <algorithm>
#include <numeric>

#include "base/threads.h"

namespace sori {

void StepCosts::after_step(const StepReport& r) {
  const DiskReads now = disk_reads();
  seconds_.push_back(r.seconds);
  frames_.push_back(r.frames);
  major_faults_.push_back(now.major_faults - before_.major_faults);
  read_bytes_.push_back(now.bytes - before_.bytes);
  waited_ += r.waited_seconds;
  loading_ += r.loader_cpu_seconds;
}

void StepCosts::add_to(Json& result) const {
  std::vector<double> sorted = seconds_;
  std::sort(sorted.begin(), sorted.end());
  const double wall = std::max(1e-9, std::accumulate(sorted.begin(), sorted.end(), 0.0));
  result["seconds_per_step"] = sorted.empty() ? 0 : sorted[sorted.size() / 2];
  result["loader_wait_share"] = waited_ / wall;
  result["loader_cpu_share"] = loading_ / (wall * thread_count());
  result["step_seconds"] = seconds_;
  result["step_frames"] = frames_;
  result["step_major_faults"] = major_faults_;
  result["step_read_bytes"] = read_bytes_;
}

}  // namespace sori
