// Energy of the processor, as the kernel's powercap framework counts it (RAPL: Intel's and AMD's packages).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/file.h"

namespace sori {

class EnergyMeter {
 public:
  // Begins to count. Zones below `folder` that cannot be read (most systems let root alone) are not there.
  explicit EnergyMeter(const Path& folder = "/sys/class/powercap");

  // Joules of all packages since then; nothing where no zone can be read. A counter that began anew once is understood.
  std::optional<double> joules() const;

 private:
  struct Zone {
    Path folder;
    std::uint64_t start = 0, range = 0;  // microjoules; the counter is at most `range`
  };
  std::vector<Zone> zones_;
};

}  // namespace sori
