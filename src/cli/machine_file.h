// What `sori bench` measured on this machine, kept where `sori plan` finds it.
#pragma once

#include "plan/rates.h"

namespace sori {

// What rates hold for: another processor, number of threads, library or version of sori measures anew.
struct Machine {
  std::string cpu;  // "AMD EPYC 7B13"
  int threads = 0;
  std::string library, version;  // "oneDNN 2.6.3"; of sori

  std::string text() const;
};
Machine this_machine();

// $XDG_CACHE_HOME/sori/machine-<hash of this machine>.json. Error kUsage where no folder is named.
Path machine_file(const Machine& machine);

// Nothing where the file is not there. Error kInput where it is damaged or of another machine.
std::optional<MachineRates> read_rates(const Path& file, const Machine& machine);
void write_rates(const Path& file, const Machine& machine, const MachineRates& rates);

}  // namespace sori
