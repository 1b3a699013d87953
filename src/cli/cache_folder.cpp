#include "cli/cache_folder.h"

#include <cstdlib>

#include "base/error.h"

namespace sori {

Path cache_folder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && Path(cache).is_absolute()) return Path(cache) / "sori";
  const char* home = std::getenv("HOME");
  if (home == nullptr || !Path(home).is_absolute())
    throw Error{ErrorKind::kUsage, "no folder is named for what is made once and kept", "XDG_CACHE_HOME",
                "set it to a folder of yours"};
  return Path(home) / ".cache" / "sori";
}

}  // namespace sori
