// TOML, the format of files that people write by hand, as JSON.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace sori {

// Tables become objects, whose keys are sorted. Error kInput where it is no TOML, with `where` and the line; kUsage
// where it holds a date.
Json parse_toml(std::string_view text, const std::string& where);

}  // namespace sori
