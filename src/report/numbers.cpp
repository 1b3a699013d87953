#include "report/numbers.h"

#include "base/log.h"

namespace sori {
namespace {

constexpr const char* kUnknown = "–";

std::string with_interval(const std::string& text, const Estimate& e, double factor) {
  return e.low && e.high ? fmt::format("{} ({:.2f} – {:.2f})", text, factor * *e.low, factor * *e.high) : text;
}

}  // namespace

std::string percent(const std::optional<double>& fraction) {
  return fraction ? fmt::format("{:.2f} %", 100 * *fraction) : kUnknown;
}

std::string percent(const Estimate& fraction) { return with_interval(percent(fraction.value), fraction, 100); }

std::string times(const Estimate& ratio) {
  return with_interval(ratio.value ? fmt::format("{:.2f}", *ratio.value) : kUnknown, ratio, 1);
}

std::string bytes_text(const std::optional<std::uint64_t>& bytes) { return bytes ? format_bytes(*bytes) : kUnknown; }

std::string seconds_text(const std::optional<double>& seconds) { return seconds ? format_seconds(*seconds) : kUnknown; }

std::string joules_text(const std::optional<double>& joules) {
  if (!joules) return kUnknown;
  return *joules < 1000 ? fmt::format("{:.0f} J", *joules) : fmt::format("{:.1f} kJ", *joules / 1000);
}

std::string plain_number(const std::optional<double>& value) {
  return value ? fmt::format("{:.4g}", *value) : kUnknown;
}

std::string whole(const std::optional<std::int64_t>& value) { return value ? fmt::format("{}", *value) : kUnknown; }

}  // namespace sori
