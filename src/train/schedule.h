// The learning rate as a function of the step (transformers' get_scheduler): there is nothing to save.
#pragma once

#include <cstdint>
#include <string>

namespace sori {

struct Schedule {
  std::string type = "linear";  // linear, cosine, constant
  double peak = 0;              // the rate after warm-up
  std::int64_t warmup_steps = 0, total_steps = 1;

  // Of the update that follows `done` finished ones: 0 at done = 0 when there is a warm-up, as in the reference.
  double rate(std::int64_t done) const;
};

}  // namespace sori
