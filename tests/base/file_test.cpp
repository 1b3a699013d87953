#include "base/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"
#include "base/process_memory.h"
#include "support/temp_dir.h"

namespace sori {
namespace {

namespace fs = std::filesystem;
using test::TempDir;

void expect_error(ErrorKind kind, const std::string& part, const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "no error; expected one about \"" << part << "\"";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), kind) << e.what();
    EXPECT_THAT(e.what(), testing::HasSubstr(part));
  }
}

std::vector<std::string> names_in(const Path& folder) {
  std::vector<std::string> names;
  for (const auto& e : fs::directory_iterator(folder)) names.push_back(e.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(File, ReadsBackWhatItWroteIncludingNulBytesAndNothing) {
  const TempDir dir;
  const std::string bytes("a\0b\r\n\xFF", 6);
  write_file(dir / "x", bytes);
  EXPECT_EQ(read_file(dir / "x"), bytes);
  EXPECT_EQ(sori::file_size(dir / "x"), 6u);
  write_file(dir / "x", "");
  EXPECT_EQ(read_file(dir / "x"), "");
  EXPECT_EQ(names_in(dir.path()), std::vector<std::string>{"x"});
}

TEST(File, IsForItsOwnerAlone) {
  const TempDir dir;
  write_file(dir / "x", "secret");
  make_folder(dir / "a/b");
  struct stat info {};
  ASSERT_EQ(::stat((dir / "x").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat((dir / "a/b").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST(File, RefusesWhatIsNotARegularFile) {
  const TempDir dir;
  expect_error(ErrorKind::kIo, "No such file", [&] { read_file(dir / "missing"); });
  expect_error(ErrorKind::kInput, "not a regular file", [&] { read_file(dir.path()); });
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  expect_error(ErrorKind::kInput, "not a regular file", [&] { read_file(dir / "pipe"); });
  expect_error(ErrorKind::kInput, "not a regular file", [&] { MappedFile file(dir / "pipe"); });
  write_file(dir / "big", "12345");
  expect_error(ErrorKind::kInput, "has 5 bytes, more than the 4", [&] { read_file(dir / "big", 4); });
}

TEST(AtomicFile, LeavesNothingBehindWithoutCommit) {
  const TempDir dir;
  {
    AtomicFile file(dir / "x");
    file.write("half");
  }
  EXPECT_TRUE(names_in(dir.path()).empty());
  write_file(dir / "x", "old");
  {
    AtomicFile file(dir / "x");
    file.write(std::string(3 << 20, 'n'));  // more than the buffer, so some of it is on the disk
  }
  EXPECT_EQ(names_in(dir.path()), std::vector<std::string>{"x"});
  EXPECT_EQ(read_file(dir / "x"), "old");
}

TEST(AtomicFile, ShowsTheOldBytesUntilCommit) {
  const TempDir dir;
  write_file(dir / "x", "old");
  AtomicFile file(dir / "x");
  file.write("new");
  EXPECT_EQ(read_file(dir / "x"), "old");
  file.commit();
  EXPECT_EQ(read_file(dir / "x"), "new");
  EXPECT_EQ(names_in(dir.path()), std::vector<std::string>{"x"});
}

TEST(AtomicFile, KeepsTheOrderOfSmallAndLargeWrites) {
  const TempDir dir;
  std::string expected;
  AtomicFile file(dir / "x");
  for (const std::size_t n : {1ul, (1ul << 20) - 1, 1ul, (1ul << 20) + 7, 3ul, 5ul << 20, 0ul, 2ul}) {
    const std::string part(n, static_cast<char>('a' + n % 26));
    file.write(part);
    expected += part;
  }
  file.commit();
  EXPECT_TRUE(read_file(dir / "x") == expected);
}

TEST(AtomicFile, FailsCleanlyWhereItCannotWrite) {
  const TempDir dir;
  expect_error(ErrorKind::kIo, "No such file", [&] { write_file(dir / "no/such/folder/x", "a"); });
  make_folder(dir / "taken");
  expect_error(ErrorKind::kIo, "taken", [&] { write_file(dir / "taken", "a"); });
  EXPECT_EQ(names_in(dir.path()), std::vector<std::string>{"taken"}) << "a temporary file was left";
}

TEST(AtomicFile, ReplacesALinkAndNotWhatItPointsTo) {
  const TempDir dir;
  write_file(dir / "target", "precious");
  fs::create_symlink("target", dir / "link");
  write_file(dir / "link", "new");
  EXPECT_EQ(read_file(dir / "target"), "precious");
  EXPECT_EQ(read_file(dir / "link"), "new");
}

// On names of the test's own: a program that fails here would replace the machine's /dev/null for everybody.
TEST(AtomicFile, WritesIntoPipesAndDescriptorsAndLeavesThemThere) {
  const TempDir dir;
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  const int reader = ::open((dir / "pipe").c_str(), O_RDONLY | O_NONBLOCK);
  write_file(dir / "pipe", "through");
  char buffer[16] = {};
  EXPECT_EQ(::read(reader, buffer, sizeof buffer), 7);
  EXPECT_STREQ(buffer, "through");
  ::close(reader);

  const int open = ::open((dir / "open").c_str(), O_WRONLY | O_CREAT, 0600);
  EXPECT_EQ(::write(open, "first ", 6), 6);
  fs::create_symlink(fmt::format("/proc/self/fd/{}", open), dir / "stdout");  // as /dev/stdout is
  write_file(dir / "stdout", "second ");
  EXPECT_EQ(::write(open, "third", 5), 5);
  ::close(open);
  EXPECT_TRUE(fs::is_symlink(dir / "stdout"));
  EXPECT_EQ(read_file(dir / "open"), "first second third");
  EXPECT_EQ(names_in(dir.path()), (std::vector<std::string>{"open", "pipe", "stdout"}));
}

TEST(UnnamedFile, HoldsBytesAndIsNeverSeen) {
  const TempDir dir;
  UnnamedFile file(dir.path());
  EXPECT_TRUE(names_in(dir.path()).empty());
  const std::string first = "one", second(100000, 'b');
  file.write(0, std::as_bytes(std::span(first)));
  file.write(first.size(), std::as_bytes(std::span(second)));
  std::string back(second.size(), '\0');
  file.read(first.size(), std::as_writable_bytes(std::span(back)));
  EXPECT_EQ(back, second);
  back.resize(2);
  file.read(1, std::as_writable_bytes(std::span(back)));
  EXPECT_EQ(back, "ne");
  expect_error(ErrorKind::kIo, "cannot read a file in",
               [&] { file.read(first.size() + second.size() - 1, std::as_writable_bytes(std::span(back))); });
  expect_error(ErrorKind::kIo, "cannot create a file in", [&] { UnnamedFile(dir.path() / "nowhere"); });
}

TEST(CheckWritable, RefusesWhereNoFileCanAppearAndLeavesNothing) {
  const TempDir dir;
  write_file(dir / "x", "old");
  check_writable(dir / "x");
  check_writable(dir / "new");
  EXPECT_EQ(read_file(dir / "x"), "old");
  EXPECT_EQ(names_in(dir.path()), std::vector<std::string>{"x"});
  expect_error(ErrorKind::kIo, "Is a directory", [&] { check_writable(dir.path()); });
  expect_error(ErrorKind::kIo, "No such file", [&] { check_writable(dir / "missing/x"); });
  expect_error(ErrorKind::kIo, "Not a directory", [&] { check_writable(dir / "x/y"); });
  expect_error(ErrorKind::kIo, "", [&] { check_writable("/proc/x"); });
}

TEST(AtomicFile, TakesTheLongestNameThereIs) {
  const TempDir dir;
  const std::string name(255, 'n');
  write_file(dir / name, "x");
  EXPECT_EQ(names_in(dir.path()), std::vector<std::string>{name});
}

TEST(AtomicFolder, AppearsCompleteOrNotAtAll) {
  const TempDir dir;
  {
    AtomicFolder folder(dir / "out/run", AtomicFolder::Existing::kRefuse);
    write_file(folder.path() / "a", "1");
    EXPECT_FALSE(fs::exists(dir / "out/run"));
  }
  EXPECT_TRUE(names_in(dir / "out").empty());
  AtomicFolder folder(dir / "out/run/", AtomicFolder::Existing::kRefuse);  // a slash at the end changes nothing
  write_file(folder.path() / "a", "1");
  make_folder(folder.path() / "sub");
  write_file(folder.path() / "sub/b", "2");
  folder.commit();
  EXPECT_EQ(read_file(dir / "out/run/sub/b"), "2");
  EXPECT_EQ(names_in(dir / "out"), std::vector<std::string>{"run"});
}

TEST(AtomicFolder, RefusesAFullFolderAndTakesAnEmptyOne) {
  const TempDir dir;
  make_folder(dir / "run");
  {
    AtomicFolder folder(dir / "run", AtomicFolder::Existing::kRefuse);
    folder.commit();
  }
  write_file(dir / "run/old", "1");
  expect_error(ErrorKind::kUsage, "not empty", [&] { AtomicFolder(dir / "run", AtomicFolder::Existing::kRefuse); });
  write_file(dir / "file", "1");
  expect_error(ErrorKind::kUsage, "already exists",
               [&] { AtomicFolder(dir / "file", AtomicFolder::Existing::kRefuse); });
  EXPECT_EQ(names_in(dir.path()), (std::vector<std::string>{"file", "run"}));
}

// What came into being between the first look and the end is not ours to remove.
TEST(AtomicFolder, DoesNotReplaceAFolderThatWasFilledMeanwhile) {
  const TempDir dir;
  AtomicFolder folder(dir / "run", AtomicFolder::Existing::kRefuse);
  make_folder(dir / "run");
  write_file(dir / "run/precious", "1");
  expect_error(ErrorKind::kIo, "run", [&] { folder.commit(); });
  EXPECT_EQ(read_file(dir / "run/precious"), "1");
}

TEST(AtomicFolder, ReplacesTheOldFolderAsAWhole) {
  const TempDir dir;
  make_folder(dir / "run");
  write_file(dir / "run/old", "1");
  AtomicFolder folder(dir / "run", AtomicFolder::Existing::kReplace);
  write_file(folder.path() / "new", "2");
  EXPECT_EQ(names_in(dir / "run"), std::vector<std::string>{"old"});
  folder.commit();
  EXPECT_EQ(names_in(dir / "run"), std::vector<std::string>{"new"});
  EXPECT_EQ(names_in(dir.path()), std::vector<std::string>{"run"});
}

TEST(CheckReplaceable, TakesOnlyWhatIsOursAndHoldsNothingThatIsNeeded) {
  const TempDir dir;
  make_folder(dir / "run/inner");
  make_folder(dir / "empty");
  write_file(dir / "run/mark", "1");
  write_file(dir / "file", "1");
  const auto marked = [](const Path& folder) { return fs::exists(folder / "mark"); };
  const auto check = [&](const Path& folder, const std::vector<Path>& needed = {}) {
    check_replaceable(folder, "a run", marked, needed);
  };
  check(dir / "run", {dir / "run2", dir / "empty", ""});
  check(dir / "empty");
  check(dir / "missing");
  expect_error(ErrorKind::kUsage, "is not a run", [&] { check(dir.path()); });
  expect_error(ErrorKind::kUsage, "is not a run", [&] { check(dir / "file"); });
  expect_error(ErrorKind::kUsage, "is or holds", [&] { check(dir / "run", {dir / "run"}); });
  expect_error(ErrorKind::kUsage, "is or holds", [&] { check(dir / "run/", {dir / "empty/../run/inner"}); });
  const Path before = fs::current_path();
  fs::current_path(dir / "run/inner");
  expect_error(ErrorKind::kUsage, "is or holds", [&] { check(dir / "run"); });
  expect_error(ErrorKind::kUsage, "is or holds", [&] { check(".."); });
  fs::current_path(before);
}

TEST(FolderLock, IsHeldByOneAndNamesIt) {
  const TempDir dir;
  {
    const FolderLock lock(dir.path());
    expect_error(ErrorKind::kLocked, fmt::format("is in use by process {}; wait", ::getpid()),
                 [&] { FolderLock second(dir.path()); });
    EXPECT_TRUE(fs::exists(dir / FolderLock::kName));
  }
  EXPECT_TRUE(names_in(dir.path()).empty());
  write_file(dir / FolderLock::kName, "1");  // of a process that was killed
  const FolderLock lock(dir.path());
  expect_error(ErrorKind::kIo, "No such file", [&] { FolderLock nowhere(dir / "missing"); });
}

TEST(Inside, JoinsWhatStaysInside) {
  const TempDir dir;
  make_folder(dir / "a");
  write_file(dir / "a/x", "1");
  fs::create_symlink("a", dir / "link");
  EXPECT_EQ(inside(dir.path(), "a/x"), dir / "a/x");
  EXPECT_EQ(inside(dir.path(), "not/there/yet"), dir / "not/there/yet");
  EXPECT_EQ(inside(dir.path(), "link/x"), dir / "link/x") << "a link that stays inside";
  EXPECT_EQ(inside(dir / "missing", "x"), dir / "missing/x");
}

TEST(Inside, RefusesEveryWayOut) {
  const TempDir dir, elsewhere;
  make_folder(dir / "root");
  fs::create_symlink(elsewhere.path(), dir / "root/out");
  fs::create_symlink(elsewhere / "not-there", dir / "root/broken");
  fs::create_symlink("..", dir / "root/up");
  const Path root = dir / "root";
  expect_error(ErrorKind::kInput, "is empty", [&] { inside(root, ""); });
  expect_error(ErrorKind::kInput, "is absolute", [&] { inside(root, "/etc/passwd"); });
  expect_error(ErrorKind::kInput, "leads out", [&] { inside(root, "../root2/x"); });
  expect_error(ErrorKind::kInput, "leads out", [&] { inside(root, "a/../../x"); });
  expect_error(ErrorKind::kInput, "through a link", [&] { inside(root, "out/x"); });
  expect_error(ErrorKind::kInput, "through a link", [&] { inside(root, "up/x"); });
  expect_error(ErrorKind::kInput, "broken link", [&] { inside(root, "broken"); });
  expect_error(ErrorKind::kInput, "NUL", [&] { inside(root, std::string("a\0b", 3)); });
}

// "root" is no prefix of "root2" here, though its letters are.
TEST(Inside, ComparesWholeNames) {
  const TempDir dir;
  make_folder(dir / "root");
  make_folder(dir / "root2");
  fs::create_symlink(dir / "root2", dir / "root/link");
  expect_error(ErrorKind::kInput, "through a link", [&] { inside(dir / "root", "link/x"); });
}

TEST(Inside, TakesAnEmptyRootForTheWorkingFolder) {
  const TempDir dir, elsewhere;
  const Path before = fs::current_path();
  fs::current_path(dir.path());
  fs::create_symlink(elsewhere.path(), "out");
  expect_error(ErrorKind::kInput, "through a link", [&] { inside("", "out/x"); });
  EXPECT_EQ(inside("", "x"), "x");
  fs::current_path(before);
}

TEST(ListFiles, SortsAndFollowsNoLink) {
  const TempDir dir, elsewhere;
  write_file(elsewhere / "secret", "1");
  make_folder(dir / "b");
  for (const char* name : {"z", "b/y", "a", "\xEA\xB0\x80"}) write_file(dir / name, "1");
  fs::create_symlink(elsewhere.path(), dir / "folder-link");
  fs::create_symlink(elsewhere / "secret", dir / "file-link");
  EXPECT_EQ(list_files(dir.path()), (std::vector<Path>{"a", "b/y", "z", "\xEA\xB0\x80"}));
  EXPECT_EQ(list_files(dir.path(), false), (std::vector<Path>{"a", "z", "\xEA\xB0\x80"}));
  expect_error(ErrorKind::kIo, "not a folder", [&] { list_files(dir / "a"); });
}

TEST(SplitLines, KnowsBothLineEndsAndTheByteOrderMark) {
  using Lines = std::vector<std::string_view>;
  EXPECT_EQ(split_lines(""), Lines{});
  EXPECT_EQ(split_lines("\n"), Lines{""});
  EXPECT_EQ(split_lines("a\r\nb\n\nc"), (Lines{"a", "b", "", "c"}));
  EXPECT_EQ(split_lines("\xEF\xBB\xBF"
                        "a\n"),
            Lines{"a"});
  EXPECT_EQ(split_lines("a\rb\n"), Lines{"a\rb"});
}

TEST(MakeFolder, RefusesAFileInTheWay) {
  const TempDir dir;
  write_file(dir / "x", "1");
  expect_error(ErrorKind::kIo, "x", [&] { make_folder(dir / "x"); });
  expect_error(ErrorKind::kIo, "x", [&] { make_folder(dir / "x/y"); });
  make_folder(dir / "a/b/");
  make_folder(dir / "a/b");
  EXPECT_TRUE(fs::is_directory(dir / "a/b"));
}

TEST(MappedFile, ShowsTheBytesOfAFile) {
  const TempDir dir;
  write_file(dir / "x", "abc");
  write_file(dir / "empty", "");
  MappedFile file(dir / "x");
  const MappedFile moved(std::move(file));
  ASSERT_EQ(moved.bytes().size(), 3u);
  EXPECT_EQ(std::memcmp(moved.bytes().data(), "abc", 3), 0);
  EXPECT_TRUE(MappedFile(dir / "empty").bytes().empty());
}

TEST(MappedFile, DropsPagesAndShowsThemAgain) {
  constexpr std::ptrdiff_t kBytes = 32 << 20;
  const TempDir dir;
  write_file(dir / "x", std::string(kBytes, 'x'));
  const MappedFile file(dir / "x");
  const auto seen = [&] { return std::count(file.bytes().begin(), file.bytes().end(), std::byte{'x'}); };
  ASSERT_EQ(seen(), kBytes);
  const std::uint64_t before = process_memory().resident;
  file.drop_pages(file.bytes().subspan(100, kBytes - 200));
  EXPECT_LT(process_memory().resident + kBytes / 2, before);
  EXPECT_EQ(seen(), kBytes);
  const std::string other(8192, 'y');
  EXPECT_THROW(file.drop_pages(std::as_bytes(std::span(other.data(), other.size()))), Bug);
}

// A replaced file keeps its bytes for who has mapped it.
TEST(MappedFile, KeepsItsBytesWhenTheNameGetsNewOnes) {
  const TempDir dir;
  write_file(dir / "x", "old");
  const MappedFile file(dir / "x");
  write_file(dir / "x", "new");
  EXPECT_EQ(std::memcmp(file.bytes().data(), "old", 3), 0);
}

}  // namespace
}  // namespace sori
