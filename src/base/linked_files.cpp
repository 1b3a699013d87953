#include "base/linked_files.h"

#include <sys/stat.h>

#include <set>

#include "base/error.h"

namespace sori {
namespace {

namespace fs = std::filesystem;

class Walk {
 public:
  Walk(const Path& root, bool recursive) : root_(root), recursive_(recursive) {}

  LinkedFiles list() {
    enter(root_);
    for (std::size_t i = 0; i < links_.size(); ++i) follow(Path(links_[i]));  // grows meanwhile
    std::sort(found_.files.begin(), found_.files.end(),
              [](const Path& a, const Path& b) { return a.native() < b.native(); });
    std::sort(found_.not_followed.begin(), found_.not_followed.end());
    return std::move(found_);
  }

 private:
  // True once for each folder, whatever its name.
  bool is_new(const Path& folder) {
    struct stat info {};
    if (::stat(folder.c_str(), &info) != 0)
      throw fs::filesystem_error("stat", folder, std::error_code(errno, std::generic_category()));
    return seen_.emplace(info.st_dev, info.st_ino).second;
  }

  // Lists what really lies in a folder; its links wait for later. False when it is listed already.
  bool enter(const Path& folder) {
    if (!is_new(folder)) return false;
    const std::size_t before = links_.size();
    for (fs::recursive_directory_iterator e(folder), end; e != end; ++e) {
      const fs::file_type type = e->symlink_status().type();
      if (type == fs::file_type::regular) found_.files.push_back(e->path().lexically_relative(root_));
      if (type == fs::file_type::symlink) links_.push_back(e->path());
      if (type == fs::file_type::directory && !(recursive_ && is_new(e->path()))) e.disable_recursion_pending();
    }
    std::sort(links_.begin() + static_cast<std::ptrdiff_t>(before), links_.end());
    return true;
  }

  void follow(const Path& link) {
    std::error_code code;
    const fs::file_type type = fs::status(link, code).type();
    const Path name = link.lexically_relative(root_);
    if (type == fs::file_type::directory && !recursive_) return;
    if (type == fs::file_type::regular)
      found_.files.push_back(name);
    else if (type != fs::file_type::directory || !enter(link))
      return found_.not_followed.push_back(name);
    ++found_.followed;
  }

  Path root_;
  bool recursive_;
  std::vector<Path> links_;  // in the order in which they are followed
  std::set<std::pair<dev_t, ino_t>> seen_;
  LinkedFiles found_;
};

}  // namespace

LinkedFiles list_linked_files(const Path& folder, bool recursive) {
  std::error_code code;
  if (!fs::is_directory(folder, code))
    throw Error{ErrorKind::kIo, "is not a folder", folder.string(), "check the name"};
  try {
    return Walk(folder, recursive).list();
  } catch (const fs::filesystem_error& e) {
    throw Error{ErrorKind::kIo, "cannot list this folder: " + e.code().message(), e.path1().string(),
                "check its permissions"};
  }
}

}  // namespace sori
