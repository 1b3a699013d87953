#include "base/log.h"

namespace sori {
namespace {

TEST(Log, FormatsBytesAndSeconds) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(3ull << 19), "1.5 MiB");
  EXPECT_EQ(format_bytes(std::uint64_t{5} << 30), "5.00 GiB");
  EXPECT_EQ(format_seconds(4.24), "4.2 s");
  EXPECT_EQ(format_seconds(185), "3 min 05 s");
  EXPECT_EQ(format_seconds(3725), "1 h 02 min");
}

TEST(Log, WritesPlainLinesToAFile) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  Log log(file);
  EXPECT_FALSE(log.terminal());
  log.line("hello");
  log.progress("step", 0, 10);
  log.progress("step", 1, 10);  // sooner than ten seconds after the last line: left out
  log.progress("step", 10, 10, "loss 1.5");
  std::rewind(file);
  char buffer[256] = {};
  const std::string text(buffer, std::fread(buffer, 1, sizeof buffer, file));
  std::fclose(file);
  EXPECT_EQ(text, "hello\nstep 10/10  loss 1.5  in 0.0 s\n");
}

}  // namespace
}  // namespace sori
