#include "base/process_memory.h"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/error.h"

namespace sori {
namespace {

// A small file of the kernel's; empty where there is none.
std::string read_small(const std::string& path) {
  std::FILE* f = std::fopen(path.c_str(), "re");
  if (!f) return "";
  char text[8192];
  const std::size_t n = std::fread(text, 1, sizeof text, f);
  std::fclose(f);
  return {text, n};
}

// The number behind "key" at the start of a line.
std::uint64_t number_of(const std::string& text, const std::string& key) {
  for (std::size_t at = text.find(key); at != std::string::npos; at = text.find(key, at + 1))
    if (at == 0 || text[at - 1] == '\n') return std::strtoull(text.c_str() + at + key.size(), nullptr, 10);
  return 0;
}

// Where the two versions of cgroups say what they allow and what is used.
struct CgroupVersion {
  const char* line;   // of /proc/self/cgroup, behind its number: the group's path follows
  const char* root;   // where the groups are mounted
  const char* limit;  // file of a group
  const char* used;   // key in its memory.stat: what cannot be given up, unlike the cache
};
constexpr CgroupVersion kCgroups[] = {{"::/", "/sys/fs/cgroup", "memory.max", "anon "},
                                      {":memory:/", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "total_rss "}};

// What a group still allows; nothing where it sets no limit (version 2: "max", version 1: a number beyond any memory).
std::optional<std::uint64_t> left_in(const std::filesystem::path& group, const CgroupVersion& v) {
  const std::string limit = read_small((group / v.limit).string());
  if (limit.empty() || limit.starts_with("max")) return std::nullopt;
  const std::uint64_t most = std::strtoull(limit.c_str(), nullptr, 10);
  const std::uint64_t used = number_of(read_small((group / "memory.stat").string()), v.used);
  return most > used ? most - used : 0;
}

// The least that this process's group and those above it still allow; `most` where none sets a limit.
std::uint64_t left_in_groups(const std::string& groups, const CgroupVersion& v, std::uint64_t most) {
  const std::size_t at = groups.find(v.line);
  if (at == std::string::npos) return most;
  const std::size_t begin = at + std::strlen(v.line);
  std::filesystem::path group = groups.substr(begin, groups.find('\n', begin) - begin);
  for (;; group = group.parent_path()) {
    if (const auto here = left_in(v.root / group, v)) most = std::min(most, *here);
    if (group.empty()) return most;
  }
}

}  // namespace

ProcessMemory process_memory() {
  const std::string status = read_small("/proc/self/status");
  return {number_of(status, "VmRSS:") * 1024, number_of(status, "RssAnon:") * 1024, number_of(status, "VmHWM:") * 1024};
}

DiskReads disk_reads() {
  constexpr std::uint64_t kBlock = 512;  // of ru_inblock, whatever the file system's are
  rusage used{};
  if (::getrusage(RUSAGE_SELF, &used) != 0) return {};
  return {static_cast<std::uint64_t>(used.ru_majflt), static_cast<std::uint64_t>(used.ru_inblock) * kBlock};
}

bool reset_peak_resident() {
  std::FILE* f = std::fopen("/proc/self/clear_refs", "we");
  if (!f) return false;
  const bool written = std::fputs("5", f) >= 0;
  return std::fclose(f) == 0 && written;
}

void give_back_free_heap() { ::malloc_trim(0); }

std::uint64_t available_memory() {
  std::uint64_t left = number_of(read_small("/proc/meminfo"), "MemAvailable:") * 1024;
  const std::string groups = read_small("/proc/self/cgroup");
  for (const CgroupVersion& v : kCgroups) left = left_in_groups(groups, v, left);
  return left;
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  double number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || !(number >= 0)) return std::nullopt;
  std::string unit(end, text.data() + text.size());
  for (char& c : unit) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (unit.ends_with("IB"))
    unit.resize(unit.size() - 2);
  else if (unit.ends_with("B"))
    unit.resize(unit.size() - 1);
  const std::size_t power = unit.empty() ? 0 : std::string_view("?KMGT").find(unit);
  if (power > 4 || unit.size() > 1 || (power == 0 && !unit.empty())) return std::nullopt;
  const double bytes = number * std::pow(1024.0, static_cast<double>(power));
  return bytes < 0x1p62 ? std::optional(static_cast<std::uint64_t>(bytes)) : std::nullopt;
}

std::uint64_t memory_limit(const std::string& asked) {
  if (asked.empty()) return available_memory();
  if (const auto bytes = parse_bytes(asked)) return *bytes;
  throw Error{ErrorKind::kUsage, fmt::format("\"{}\" is no size", asked), "--ram", "write it as 6G or 900M"};
}

PrivatePeak::PrivatePeak() : thread_([this](const std::stop_token& stop) { watch(stop); }) {}

PrivatePeak::~PrivatePeak() {
  thread_.request_stop();
  wake_.notify_all();
}

void PrivatePeak::watch(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    sample();
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, std::chrono::milliseconds(10), [] { return false; });
  }
}

void PrivatePeak::sample() {
  const std::uint64_t now = process_memory().private_bytes;
  const std::lock_guard lock(mutex_);
  peak_ = std::max(peak_, now);
}

std::uint64_t PrivatePeak::bytes() {
  sample();
  const std::lock_guard lock(mutex_);
  return peak_;
}

}  // namespace sori
