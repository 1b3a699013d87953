#include "base/process_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/file.h"
#include "support/temp_dir.h"

namespace sori::test {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

// Memory that is resident while it lives.
struct Block {
  explicit Block(std::size_t bytes_) : bytes(bytes_) {
    data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::memset(data, 1, bytes);
  }
  ~Block() { ::munmap(data, bytes); }
  void* data;
  std::size_t bytes;
};

TEST(ProcessMemory, GrowsWithWhatIsTouched) {
  const ProcessMemory before = process_memory();
  EXPECT_GT(before.private_bytes, 0u);
  EXPECT_GE(before.resident, before.private_bytes);
  EXPECT_GE(before.peak_resident + 4 * kMiB, before.resident);  // the kernel counts resident pages in batches
  const Block block(64 * kMiB);
  const ProcessMemory during = process_memory();
  EXPECT_GE(during.private_bytes, before.private_bytes + 60 * kMiB);
  EXPECT_LE(during.private_bytes, before.private_bytes + 68 * kMiB);
}

TEST(ProcessMemory, APeakStaysWhenMemoryIsGivenBack) {
  PrivatePeak peak;
  const std::uint64_t before = peak.bytes();
  {
    const Block block(64 * kMiB);
    peak.sample();
  }
  EXPECT_GE(peak.bytes(), before + 60 * kMiB);
  EXPECT_LT(process_memory().private_bytes, before + 60 * kMiB);
}

TEST(ProcessMemory, ThePeakOfResidentMemoryStartsAnew) {
  { const Block block(64 * kMiB); }
  if (!reset_peak_resident()) GTEST_SKIP() << "the system does not let a process reset its peak";
  const ProcessMemory now = process_memory();
  EXPECT_LT(now.peak_resident, now.resident + 32 * kMiB);
}

TEST(Log, KnowsThePeakMemoryOfThisProcess) {
  const std::uint64_t before = peak_resident_bytes();
  std::vector<char> block(64 << 20, 1);
  EXPECT_EQ(block[block.size() / 2], 1);
  EXPECT_GE(peak_resident_bytes(), before);
  EXPECT_GE(peak_resident_bytes(), std::uint64_t{64} << 20);
}

TEST(DiskReads, GrowWithWhatIsReadFromTheDisk) {
  const TempDir folder;
  write_file(folder / "file", std::string(std::size_t{1} << 20, 'x'));
  const int file = ::open((folder / "file").c_str(), O_RDONLY | O_DIRECT);  // past the page cache
  if (file < 0) GTEST_SKIP() << "this file system has no direct reads";
  alignas(4096) static char block[1 << 20];
  const DiskReads before = disk_reads();
  ASSERT_EQ(::read(file, block, sizeof block), 1 << 20);
  ::close(file);
  const DiskReads after = disk_reads();
  if (after.bytes == before.bytes) GTEST_SKIP() << "this file system has no disk behind it";
  EXPECT_GE(after.bytes - before.bytes, std::uint64_t{1} << 20);
  EXPECT_GE(after.major_faults, before.major_faults);
}

TEST(AvailableMemory, IsSomethingAndNotMoreThanTheMachineHas) {
  EXPECT_GT(available_memory(), 64 * kMiB);
  EXPECT_LT(available_memory(), std::uint64_t{1} << 50);
}

TEST(ParseBytes, ReadsBinaryUnits) {
  EXPECT_EQ(parse_bytes("6G"), 6ull << 30);
  EXPECT_EQ(parse_bytes("1.5GiB"), 3ull << 29);
  EXPECT_EQ(parse_bytes("512m"), 512ull << 20);
  EXPECT_EQ(parse_bytes("4096"), 4096u);
  EXPECT_EQ(parse_bytes("16kb"), 16384u);
  for (const char* wrong : {"", "G", "6X", "-1G", "6GG", "nan", "1e40", "6 G", "6MG", "6?"})
    EXPECT_FALSE(parse_bytes(wrong)) << wrong;
}

}  // namespace
}  // namespace sori::test
