// Measured values as people read them; a dash where nothing was measured.
#pragma once

#include <string>

#include "report/results.h"

namespace sori {

std::string percent(const std::optional<double>& fraction);  // "4.25 %"
std::string percent(const Estimate& fraction);               // "4.25 % (3.91 – 4.60)"
std::string times(const Estimate& ratio);                    // "1.07 (0.98 – 1.16)"
std::string bytes_text(const std::optional<std::uint64_t>& bytes);
std::string seconds_text(const std::optional<double>& seconds);
std::string joules_text(const std::optional<double>& joules);  // "1.2 kJ"
std::string plain_number(const std::optional<double>& value);  // "0.0003"
std::string whole(const std::optional<std::int64_t>& value);

}  // namespace sori
