// A folder for one test, removed at its end; and the error a call throws.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace sori::testing {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    const Path memory = "/dev/shm";  // where fsync costs nothing
    std::error_code code;
    const Path root = std::filesystem::is_directory(memory, code) ? memory : std::filesystem::temp_directory_path();
    std::string name = (root / "sori-test-XXXXXX").string();
    require(::mkdtemp(name.data()) != nullptr, "a temporary folder can be made");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code code;
    std::filesystem::remove_all(path_, code);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const Path& path() const { return path_; }
  Path operator/(const Path& name) const { return path_ / name; }

 private:
  Path path_;
};

// The Error that body throws; nothing when it throws none. Anything else passes through and fails the test.
template <class Body>
std::optional<Error> error_of(Body&& body) {
  try {
    body();
  } catch (const Error& e) {
    return e;
  }
  return std::nullopt;
}

// What that Error says; "" when there is none.
template <class Body>
std::string message_of(Body&& body) {
  const auto error = error_of(body);
  return error ? error->what() : "";
}

}  // namespace sori::testing
