#include "base/log.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/unicode.h"

namespace sori {

Log::Log(std::FILE* out) : out_(out), terminal_(::isatty(::fileno(out)) == 1) {}

// fmt::print would throw.
void Log::write(const std::string& text) {
  std::fputs(text.c_str(), out_);
  std::fflush(out_);
}

void Log::clear_bar() {
  if (bar_) write("\r\x1b[K");
  bar_ = false;
}

void Log::line(const std::string& text) {
  clear_bar();
  write(printable(text) + "\n");
}

void Log::progress(const std::string& what, std::int64_t done, std::int64_t total, const std::string& detail,
                   bool always) {
  const auto now = std::chrono::steady_clock::now();
  if (what != what_ || done < done_) {
    what_ = what;
    start_ = last_ = now;
    done_ = -1;
    first_ = done;
  }
  if (done == done_ && done >= total) return;  // said already
  done_ = done;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const bool finished = done >= total;
  const double quiet = std::chrono::duration<double>(now - last_).count();
  if (!finished && !(always && !terminal_) && quiet < (terminal_ ? 0.1 : 10.0)) return;
  last_ = now;
  std::string text = fmt::format("{} {}/{}", what, done, total);
  if (!detail.empty()) text += "  " + detail;
  if (!finished && done > first_)
    text += "  " + format_seconds(elapsed / static_cast<double>(done - first_) * static_cast<double>(total - done)) +
            " left";
  if (finished) {
    line(text + "  in " + format_seconds(elapsed));
  } else if (terminal_) {
    constexpr std::int64_t kWidth = 24;
    const std::int64_t filled = total > 0 ? kWidth * done / total : 0;
    clear_bar();
    write(fmt::format("[{}{}] {}", std::string(static_cast<std::size_t>(filled), '#'),
                      std::string(static_cast<std::size_t>(kWidth - filled), '.'), text));
    bar_ = true;
  } else {
    line(text);
  }
}

std::string format_bytes(std::uint64_t bytes) {
  const double b = static_cast<double>(bytes);
  if (bytes >= std::uint64_t{1} << 30) return fmt::format("{:.2f} GiB", b / 0x1p30);
  if (bytes >= std::uint64_t{1} << 20) return fmt::format("{:.1f} MiB", b / 0x1p20);
  if (bytes >= 1024) return fmt::format("{:.1f} KiB", b / 1024);
  return fmt::format("{} B", bytes);
}

std::string format_seconds(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole >= 3600) return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
  if (whole >= 60) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{:.1f} s", seconds);
}

}  // namespace sori
