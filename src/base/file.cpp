#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "base/error.h"

namespace sori {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& doing, const Path& path, int code) {
  const char* remedy = code == ENOSPC || code == EDQUOT ? "free some disk space and run the same command again"
                       : code == EACCES || code == EPERM || code == EROFS ? "check the permissions of this path"
                       : code == ENOENT                                   ? "check the name"
                                                                          : "check the disk and the path";
  throw Error{ErrorKind::kIo, fmt::format("cannot {}: {}", doing, std::strerror(code)), path.string(), remedy};
}

// A file descriptor that is closed when it goes out of scope.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

// O_NONBLOCK: a FIFO must be refused, not waited for.
int open_regular(const Path& path, struct stat& info) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) fail("open", path, errno);
  Descriptor guard{fd};
  if (::fstat(fd, &info) != 0) fail("look at", path, errno);
  if (!S_ISREG(info.st_mode))
    throw Error{ErrorKind::kInput, "is not a regular file", path.string(), "name a file that holds data"};
  guard.fd = -1;
  return fd;
}

void sync_folder(const Path& folder) {
  const Descriptor d{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (d.fd < 0) fail("open", folder, errno);
  if (::fsync(d.fd) != 0) fail("sync", folder, errno);
}

Path parent_of(const Path& path) { return path.has_parent_path() ? path.parent_path() : Path{"."}; }

Path temporary_beside(const Path& path) {
  static std::atomic<unsigned> counter{0};
  const std::string name = path.filename().string().substr(0, 200);  // a name may have 255 bytes in all
  return parent_of(path) / fmt::format(".tmp-{}-{}-{}", name, ::getpid(), counter++);
}

// Without links and dots; of what is not there, as far as it can be resolved.
Path resolved(const Path& path) {
  std::error_code code;
  const Path real = fs::weakly_canonical(fs::absolute(path), code);
  if (code) throw Error{ErrorKind::kInput, "cannot be resolved: " + code.message(), path.string(), "check the name"};
  return real.has_filename() ? real : real.parent_path();
}

bool holds(const Path& folder, const Path& path) {
  const Path outer = resolved(folder), inner = resolved(path);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

// The open descriptor of this process that a path names, as /dev/stdout does through its links.
std::optional<int> descriptor_of(Path path) {
  std::error_code code;
  constexpr int kMaxLinks = 40;  // as Linux follows
  for (int links = 0; links < kMaxLinks && fs::is_symlink(path, code); ++links) {
    const Path folder = fs::canonical(parent_of(path), code);
    if (folder == fmt::format("/proc/{}/fd", ::getpid())) return std::atoi(path.filename().c_str());
    path = folder / fs::read_symlink(path, code);
  }
  return std::nullopt;
}

// A device, a pipe or an open descriptor: a new file under this name would take its place.
bool is_stream(const Path& path) {
  std::error_code code;
  const fs::file_status there = fs::status(path, code);
  return (fs::exists(there) && !fs::is_regular_file(there) && !fs::is_directory(there)) || descriptor_of(path);
}

// The descriptor itself where there is one: it knows where its next byte goes.
int open_stream(const Path& path) {
  if (const auto open = descriptor_of(path)) return ::fcntl(*open, F_DUPFD_CLOEXEC, 0);
  return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
}

}  // namespace

std::string read_file(const Path& path, std::size_t max_bytes) {
  struct stat info {};
  const Descriptor d{open_regular(path, info)};
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size > max_bytes)
    throw Error{ErrorKind::kInput,
                fmt::format("has {} bytes, more than the {} this kind of file may have", size, max_bytes),
                path.string(), "check that this is the file you meant"};
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(d.fd, bytes.data() + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path, errno);
    if (n == 0) break;  // the file shrank meanwhile
    done += static_cast<std::size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

std::uint64_t file_size(const Path& path) {
  struct stat info {};
  const Descriptor d{open_regular(path, info)};
  return static_cast<std::uint64_t>(info.st_size);
}

std::vector<Path> list_files(const Path& folder, bool recursive) {
  std::error_code code;
  if (!fs::is_directory(folder, code))
    throw Error{ErrorKind::kIo, "is not a folder", folder.string(), "check the name"};
  std::vector<Path> found;
  const auto add = [&](const fs::directory_entry& e) {
    if (e.symlink_status().type() == fs::file_type::regular) found.push_back(e.path().lexically_relative(folder));
  };
  try {
    if (recursive)
      for (const auto& e : fs::recursive_directory_iterator(folder)) add(e);
    else
      for (const auto& e : fs::directory_iterator(folder)) add(e);
  } catch (const fs::filesystem_error& e) {
    fail("list", folder, e.code().value());
  }
  std::sort(found.begin(), found.end(), [](const Path& a, const Path& b) { return a.native() < b.native(); });
  return found;
}

Path inside(const Path& root, const Path& relative) {
  const auto refuse = [&](const char* why) {
    throw Error{ErrorKind::kInput, std::string("path ") + why, relative.string(),
                "use a path relative to " + root.string() + " that stays inside it"};
  };
  if (relative.empty()) refuse("is empty");
  if (relative.is_absolute()) refuse("is absolute");
  if (relative.native().find('\0') != std::string::npos) refuse("has a NUL byte");
  for (const Path& part : relative)
    if (part == "..") refuse("leads out of its folder");
  std::error_code code;
  const Path base = root.empty() ? Path{"."} : root;
  Path sofar = base;
  for (const Path& part : relative) {  // a link to nothing would be taken for a name that is still free
    sofar /= part;
    if (fs::is_symlink(sofar, code) && !fs::exists(sofar, code)) refuse("goes through a broken link");
  }
  if (!holds(base, base / relative)) refuse("leads out of its folder through a link");
  return root / relative;
}

std::vector<std::string_view> split_lines(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

void make_folder(const Path& folder) {
  Path sofar;
  for (const Path& part : folder) {
    sofar /= part;
    if (::mkdir(sofar.c_str(), 0700) != 0 && errno != EEXIST) {
      std::error_code code;
      if (!fs::is_directory(sofar, code)) fail("make folder", sofar, errno);
    }
  }
  std::error_code code;
  if (!folder.empty() && !fs::is_directory(folder, code)) fail("make folder", folder, ENOTDIR);
}

void write_file(const Path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void check_writable(const Path& path) {
  std::error_code code;
  if (fs::is_directory(path, code)) fail("write", path, EISDIR);
  if (!is_stream(path))
    AtomicFile probe(path);  // made and removed
  else if (::access(path.c_str(), W_OK) != 0)
    fail("write", path, errno);
}

void check_replaceable(const Path& folder, const char* ours, const std::function<bool(const Path&)>& is_ours,
                       const std::vector<Path>& needed) {
  std::error_code code;
  if (!fs::exists(folder, code)) return;
  const bool empty = fs::is_directory(folder, code) && fs::is_empty(folder, code);
  if (!empty && !(fs::is_directory(folder, code) && is_ours(folder)))
    throw Error{ErrorKind::kUsage, fmt::format("is not {}, so it is not replaced", ours), folder.string(),
                "name another folder"};
  std::vector<Path> kept = needed;
  kept.push_back(fs::current_path());
  if (const char* home = std::getenv("HOME")) kept.emplace_back(home);
  for (const Path& path : kept)
    if (!path.empty() && holds(folder, path))
      throw Error{ErrorKind::kUsage, fmt::format("is or holds {}, so it is not replaced", path.string()),
                  folder.string(), "name another folder"};
}

void remove_tree(const Path& folder) {
  const Path named = folder.has_filename() ? folder : folder.parent_path(), aside = temporary_beside(named);
  if (::rename(named.c_str(), aside.c_str()) != 0) {
    if (errno == ENOENT) return;
    fail("remove", folder, errno);
  }
  std::error_code code;
  fs::remove_all(aside, code);
  if (code) fail("remove", folder, code.value());
}

std::uint64_t free_disk_bytes(const Path& folder) {
  struct statvfs info {};
  if (::statvfs(folder.c_str(), &info) != 0) fail("look at the disk of", folder, errno);
  return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

MappedFile::MappedFile(const Path& path) : path_(path) {
  struct stat info {};
  const Descriptor d{open_regular(path, info)};
  size_ = static_cast<std::size_t>(info.st_size);
  if (size_ == 0) return;
  data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, d.fd, 0);
  if (data_ == MAP_FAILED) {
    data_ = nullptr;
    fail("map", path, errno);
  }
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(data_, size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

void MappedFile::drop_pages(std::span<const std::byte> part) const {
  require(part.data() >= bytes().data() && part.data() + part.size() <= bytes().data() + size_,
          "pages that are dropped are this file's");
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = static_cast<std::size_t>(part.data() - bytes().data()), end = begin + part.size();
  const std::size_t first = (begin + page - 1) / page * page, last = end / page * page;
  if (first < last) ::madvise(static_cast<std::byte*>(data_) + first, last - first, MADV_DONTNEED);  // only advice
}

UnnamedFile::UnnamedFile(Path folder) : folder_(std::move(folder)) {
  const Path name = temporary_beside(folder_ / "unnamed");
  descriptor_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (descriptor_ < 0) fail("create a file in", folder_, errno);
  ::unlink(name.c_str());
}

UnnamedFile::~UnnamedFile() { ::close(descriptor_); }

void UnnamedFile::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write a file in", folder_, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

void UnnamedFile::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = ::pread(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail("read a file in", folder_, n < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

AtomicFile::AtomicFile(Path path) : path_(std::move(path)) {
  if (is_stream(path_)) {
    descriptor_ = open_stream(path_);
    if (descriptor_ < 0) fail("open", path_, errno);
    return;
  }
  temporary_ = temporary_beside(path_);
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (descriptor_ < 0) fail("create a file for", path_, errno);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  constexpr std::size_t kBuffer = std::size_t{1} << 20;
  const char* p = static_cast<const char*>(data);
  if (buffer_.size() + bytes > kBuffer) flush();
  if (bytes <= kBuffer) {
    buffer_.append(p, bytes);
    return;
  }
  while (bytes > 0) {
    const ssize_t n = ::write(descriptor_, p, std::min(bytes, std::size_t{1} << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", path_, errno);
    p += n;
    bytes -= static_cast<std::size_t>(n);
  }
}

void AtomicFile::flush() {
  std::size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t n = ::write(descriptor_, buffer_.data() + done, buffer_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", path_, errno);
    done += static_cast<std::size_t>(n);
  }
  buffer_.clear();
}

void AtomicFile::commit() {
  flush();
  if (!temporary_.empty() && ::fsync(descriptor_) != 0) fail("sync", path_, errno);
  if (::close(std::exchange(descriptor_, -1)) != 0) fail("close", path_, errno);
  if (temporary_.empty()) return;
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("rename to", path_, errno);
  temporary_.clear();
  sync_folder(parent_of(path_));
}

AtomicFolder::AtomicFolder(Path path, Existing existing) : path_(std::move(path)), existing_(existing) {
  if (!path_.has_filename()) path_ = path_.parent_path();  // "out/" is "out"
  std::error_code code;
  if (existing == Existing::kRefuse && fs::exists(path_, code) &&
      !(fs::is_directory(path_, code) && fs::is_empty(path_, code)))
    throw Error{ErrorKind::kUsage, "already exists and is not empty", path_.string(),
                "name a new folder or remove this one"};
  if (path_.has_parent_path()) make_folder(path_.parent_path());
  temporary_ = temporary_beside(path_);
  if (::mkdir(temporary_.c_str(), 0700) != 0) fail("make folder", temporary_, errno);
}

AtomicFolder::~AtomicFolder() {
  std::error_code code;
  if (!committed_) fs::remove_all(temporary_, code);
}

void AtomicFolder::commit() {
  for (const auto& e : fs::recursive_directory_iterator(temporary_))
    if (e.is_directory()) sync_folder(e.path());
  sync_folder(temporary_);
  std::error_code code;
  if (existing_ == Existing::kReplace && fs::exists(path_, code)) {
    // rename() replaces only an empty folder, so the old one steps aside first; a crash between leaves it under this
    // name.
    const Path aside = temporary_beside(path_);
    if (::rename(path_.c_str(), aside.c_str()) != 0) fail("replace", path_, errno);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
      const int cause = errno;
      ::rename(aside.c_str(), path_.c_str());
      fail("rename to", path_, cause);
    }
    fs::remove_all(aside, code);
  } else if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    fail("rename to", path_, errno);
  }
  committed_ = true;
  sync_folder(parent_of(path_));
}

FolderLock::FolderLock(const Path& folder) : path_(folder / kName) {
  for (;;) {
    Descriptor d{::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600)};
    if (d.fd < 0) fail("lock", folder, errno);
    if (::flock(d.fd, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) fail("lock", folder, errno);
      throw Error{ErrorKind::kLocked, fmt::format("is in use by process {}", read_file(path_, 16)), folder.string(),
                  "wait until it has ended, or name another folder"};
    }
    struct stat held {
    }, named{};
    if (::fstat(d.fd, &held) != 0 || ::stat(path_.c_str(), &named) != 0 || held.st_ino != named.st_ino)
      continue;  // its holder removed the name between open and flock: this lock would guard nothing
    const std::string pid = std::to_string(::getpid());
    if (::ftruncate(d.fd, 0) != 0 || ::pwrite(d.fd, pid.data(), pid.size(), 0) < 0) fail("lock", folder, errno);
    descriptor_ = std::exchange(d.fd, -1);
    return;
  }
}

FolderLock::~FolderLock() {
  ::unlink(path_.c_str());  // before it is free: after, it could be another's
  ::close(descriptor_);
}

}  // namespace sori
