#include "base/energy.h"

#include <algorithm>
#include <fstream>

namespace sori {
namespace {

// A number in a small file of the kernel's, which says of itself that it is 4096 bytes long.
std::optional<std::uint64_t> read_number(const Path& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;
}

// "intel-rapl:0" is a package; "intel-rapl:0:1" is a part of it, and counted there.
bool is_package(const std::string& name) {
  return name.starts_with("intel-rapl:") && std::count(name.begin(), name.end(), ':') == 1;
}

}  // namespace

EnergyMeter::EnergyMeter(const Path& folder) {
  std::error_code code;
  for (const auto& entry : std::filesystem::directory_iterator(folder, code)) {
    if (!is_package(entry.path().filename().string())) continue;
    const auto start = read_number(entry.path() / "energy_uj"),
               range = read_number(entry.path() / "max_energy_range_uj");
    if (start && range) zones_.push_back({entry.path(), *start, *range});
  }
}

std::optional<double> EnergyMeter::joules() const {
  if (zones_.empty()) return std::nullopt;
  double sum = 0;
  for (const Zone& z : zones_) {
    const auto now = read_number(z.folder / "energy_uj");
    if (!now) return std::nullopt;
    sum += static_cast<double>(*now >= z.start ? *now - z.start : z.range - z.start + *now) * 1e-6;
  }
  return sum;
}

}  // namespace sori
