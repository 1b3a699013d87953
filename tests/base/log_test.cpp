#include "base/log.h"

#include <gmock/gmock.h>
#include <pty.h>
#include <unistd.h>

#include <thread>

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

// What a log writes to a terminal; `write` is called with it.
template <class Write>
std::string on_a_terminal(Write&& write) {
  termios raw{};
  ::cfmakeraw(&raw);
  int reader = -1, screen = -1;
  EXPECT_EQ(::openpty(&reader, &screen, nullptr, &raw, nullptr), 0);
  std::FILE* file = ::fdopen(screen, "w");
  Log log(file);
  EXPECT_TRUE(log.terminal());
  write(log);
  std::fclose(file);
  std::string text;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(reader, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(n));
  ::close(reader);
  return text;
}

void wait_for_the_next_drawing() { std::this_thread::sleep_for(std::chrono::milliseconds(110)); }

TEST(Log, RedrawsABarOnATerminal) {
  const std::string text = on_a_terminal([](Log& log) {
    log.progress("step", 0, 8);
    wait_for_the_next_drawing();
    log.progress("step", 2, 8, "loss 1.5");
    wait_for_the_next_drawing();
    log.progress("step", 4, 8);
    log.line("saved");
    log.progress("step", 8, 8);
  });
  EXPECT_THAT(text, ::testing::MatchesRegex("\\[######\\.{18}\\] step 2/8  loss 1\\.5  [0-9.]+ s left"
                                            "\r\x1b\\[K\\[############\\.{12}\\] step 4/8  [0-9.]+ s left"
                                            "\r\x1b\\[Ksaved\nstep 8/8  in [0-9.]+ s\n"));
}

TEST(Log, LosesWhatCannotBeWrittenAndGoesOn) {
  std::FILE* full = std::fopen("/dev/full", "w");
  ASSERT_NE(full, nullptr);
  Log log(full);
  EXPECT_NO_THROW(log.line("hello"));
  EXPECT_NO_THROW(log.progress("step", 10, 10, "", true));
  std::fclose(full);
}

}  // namespace
}  // namespace sori
