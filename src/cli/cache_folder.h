// Where sori keeps what it makes once and uses again: quantised models, and what this machine was measured to do.
#pragma once

#include "base/file.h"

namespace sori {

// $XDG_CACHE_HOME/sori; ~/.cache/sori where that is not set (XDG Base Directory Specification: relative paths are not).
// Error kUsage where neither is named.
Path cache_folder();

}  // namespace sori
