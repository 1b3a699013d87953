// What this process holds of the machine's memory, and what the machine still has.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

namespace sori {

struct ProcessMemory {
  std::uint64_t resident = 0;       // VmRSS
  std::uint64_t private_bytes = 0;  // RssAnon: what cannot be dropped and read again from a file
  std::uint64_t peak_resident = 0;  // VmHWM
};
ProcessMemory process_memory();  // from /proc/self/status; zeros where there is none

// Highest resident memory of this process so far, in bytes.
inline std::uint64_t peak_resident_bytes() { return process_memory().peak_resident; }
// Starts counting it anew. False where the system does not let us.
bool reset_peak_resident();

// What had to come from disk so far: pages that were asked for (major faults), and bytes read for whatever reason.
struct DiskReads {
  std::uint64_t major_faults = 0, bytes = 0;
};
DiskReads disk_reads();  // from getrusage(2)

// Gives what lies free in the heap back to the system, which malloc keeps otherwise.
void give_back_free_heap();

// What can be used without swapping: the machine's available memory, or less where a cgroup above us is limited.
std::uint64_t available_memory();

// "6G", "512M", "1.5GiB", "4096" (bytes): binary units. Nothing where it is no size.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

// What --ram asks for; what is available where it is empty. Error kUsage where it is no size.
std::uint64_t memory_limit(const std::string& asked);

// Highest private memory while it lives, from samples every 10 ms and at every call of sample().
class PrivatePeak {
 public:
  PrivatePeak();
  ~PrivatePeak();
  PrivatePeak(const PrivatePeak&) = delete;
  PrivatePeak& operator=(const PrivatePeak&) = delete;

  void sample();
  std::uint64_t bytes();

 private:
  void watch(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::uint64_t peak_ = 0;
  std::jthread thread_;
};

}  // namespace sori
