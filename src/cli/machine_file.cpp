#include "cli/machine_file.h"

#include <fstream>

#include "base/hash.h"
#include "base/threads.h"
#include "cli/cache_folder.h"

namespace sori {
namespace {

constexpr std::size_t kMostBytes = std::size_t{16} << 20;

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (const std::size_t colon = line.find(": "); line.starts_with("model name") && colon != std::string::npos)
      return line.substr(colon + 2);
  return "unknown processor";
}

Json identity(const Machine& m) {
  return {{"cpu", m.cpu}, {"threads", m.threads}, {"library", m.library}, {"sori", m.version}};
}

}  // namespace

std::string Machine::text() const { return fmt::format("{}, {} threads, {}", cpu, threads, library); }

Machine this_machine() { return {cpu_name(), thread_count(), product_library(), SORI_VERSION}; }

Path machine_file(const Machine& machine) {
  return cache_folder() / fmt::format("machine-{}.json", sha256_hex(identity(machine).dump()).substr(0, 16));
}

std::optional<MachineRates> read_rates(const Path& file, const Machine& machine) {
  std::error_code code;
  if (!std::filesystem::exists(file, code)) return std::nullopt;
  const Json json = read_json(file, kMostBytes);
  if (json_member(json, "machine", file.string()) != identity(machine))
    throw Error{ErrorKind::kInput, "is of another machine", file.string(), ""};
  return MachineRates::from_json(json_member(json, "rates", file.string()), file.string());
}

void write_rates(const Path& file, const Machine& machine, const MachineRates& rates) {
  make_folder(file.parent_path());
  write_file(file, to_text(Json{{"machine", identity(machine)}, {"rates", rates.to_json()}}));
}

}  // namespace sori
