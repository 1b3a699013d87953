// The only place that opens, writes, syncs, renames and maps files. Every write is atomic: a final name either holds
// the old bytes or all of the new ones. New files are 0600 and new folders 0700, because what they hold is the user's
// secret.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sori {

using Path = std::filesystem::path;

// For text read whole: configs, manifests, transcripts.
inline constexpr std::size_t kMaxTextFile = std::size_t{256} << 20;

// Reads a regular file whole. Error kIo if it cannot be read, kInput if it is larger than max_bytes or not a regular
// file.
std::string read_file(const Path& path, std::size_t max_bytes = kMaxTextFile);

// Size in bytes of a regular file; Error kIo otherwise.
std::uint64_t file_size(const Path& path);

// Regular files below (or in) a folder, as paths relative to it, sorted by bytes. Links are not followed.
std::vector<Path> list_files(const Path& folder, bool recursive = true);

// root / relative, or Error kInput when relative is absolute, has "..", or leaves root through a link.
Path inside(const Path& root, const Path& relative);

// Text before "\n" (and "\r\n") line by line, UTF-8 byte order mark removed.
std::vector<std::string_view> split_lines(std::string_view text);

void make_folder(const Path& folder);                       // and its parents, 0700
void write_file(const Path& path, std::string_view bytes);  // atomic
// Error kIo where no file of this name could be written: said before hours of work, not after.
void check_writable(const Path& path);
// Before a folder is replaced or emptied. Error kUsage where it is not empty and is_ours(folder) is false (`ours` says
// what it should be), and where it is or holds one of `needed`, the working folder or the home folder.
void check_replaceable(const Path& folder, const char* ours, const std::function<bool(const Path&)>& is_ours,
                       const std::vector<Path>& needed);
void remove_tree(const Path& folder);  // for folders we made ourselves; its name is gone first
std::uint64_t free_disk_bytes(const Path& folder);

// Read-only private mapping of a regular file. The bytes stay valid for the life of the object.
class MappedFile {
 public:
  explicit MappedFile(const Path& path);
  ~MappedFile();
  MappedFile(MappedFile&&) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  MappedFile& operator=(MappedFile&&) = delete;

  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }
  const Path& path() const { return path_; }
  // Takes the pages that lie whole in this part of the bytes out of the process's resident memory; whoever looks at
  // them again gets them from the file.
  void drop_pages(std::span<const std::byte> part) const;

 private:
  Path path_;
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

// Bytes on the disk of a folder for the life of the object, in a file that has no name: whatever happens, nothing is
// left behind.
class UnnamedFile {
 public:
  explicit UnnamedFile(Path folder);
  ~UnnamedFile();
  UnnamedFile(const UnnamedFile&) = delete;
  UnnamedFile& operator=(const UnnamedFile&) = delete;

  void write(std::uint64_t offset, std::span<const std::byte> bytes);
  void read(std::uint64_t offset, std::span<std::byte> bytes) const;  // Error kIo where they were never written

 private:
  Path folder_;
  int descriptor_ = -1;
};

// A file that appears under its name only when commit() has returned; without commit() nothing is left behind. Devices,
// pipes and /dev/stdout keep their names: what is written to them goes there at once.
class AtomicFile {
 public:
  explicit AtomicFile(Path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t bytes);
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
  void commit();  // flush, fsync, rename, fsync of the folder

 private:
  void flush();
  Path path_, temporary_;  // temporary_ is empty where it is written in place
  int descriptor_ = -1;
  std::string buffer_;
};

// A folder that is filled under a temporary name beside its final one and renamed when complete.
class AtomicFolder {
 public:
  enum class Existing { kRefuse, kReplace };
  AtomicFolder(Path path, Existing existing);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const Path& path() const { return temporary_; }  // write here
  void commit();

 private:
  Path path_, temporary_;
  Existing existing_;
  bool committed_ = false;
};

// A folder's lock for the life of the object: a file in it that holds the number of this process, and is gone at the
// end. Error kLocked names the process that has it. A process that was killed leaves the file, but not the lock.
class FolderLock {
 public:
  static constexpr const char* kName = "run.lock";
  explicit FolderLock(const Path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  Path path_;
  int descriptor_ = -1;
};

}  // namespace sori
