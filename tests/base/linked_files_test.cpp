#include "base/linked_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support/temporary.h"

namespace sori {
namespace {

using ::testing::ElementsAre;
using testing::TemporaryFolder;

class LinkedFilesTest : public ::testing::Test {
 protected:
  void put(const Path& path) {
    make_folder((folder / path).parent_path());
    write_file(folder / path, "x");
  }
  void link(const Path& target, const Path& name) { std::filesystem::create_symlink(target, folder / name); }

  TemporaryFolder folder;
};

TEST_F(LinkedFilesTest, AreListedUnderTheNamesOfTheirLinks) {
  put("corpus/a");
  put("corpus/deep/b");
  put("elsewhere/c");
  put("elsewhere/deep/d");
  link("a", "corpus/same");
  link(folder / "elsewhere", "corpus/outside");
  const LinkedFiles all = list_linked_files(folder / "corpus");
  EXPECT_THAT(all.files, ElementsAre("a", "deep/b", "outside/c", "outside/deep/d", "same"));
  EXPECT_EQ(all.followed, 2);
  EXPECT_TRUE(all.not_followed.empty());
  const LinkedFiles top = list_linked_files(folder / "corpus", /*recursive=*/false);
  EXPECT_THAT(top.files, ElementsAre("a", "same"));
  EXPECT_EQ(top.followed, 1);
}

TEST_F(LinkedFilesTest, EndWhereLinksGoRound) {
  put("corpus/a/x");
  put("corpus/b/y");
  put("far/z");
  link("..", "corpus/a/up");
  link("../b", "corpus/a/again");
  link(folder / "far", "corpus/one");
  link(folder / "far", "corpus/two");
  link(folder / "corpus", "far/back");
  link("self", "corpus/self");
  const LinkedFiles all = list_linked_files(folder / "corpus");
  EXPECT_THAT(all.files, ElementsAre("a/x", "b/y", "one/z"));
  EXPECT_EQ(all.followed, 1);
  EXPECT_THAT(all.not_followed, ElementsAre("a/again", "a/up", "one/back", "self", "two"));
}

TEST_F(LinkedFilesTest, LeaveOutAndNameWhatLeadsToNoFile) {
  put("a");
  link("gone", "dead");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  link("pipe", "to_pipe");
  const LinkedFiles all = list_linked_files(folder.path());
  EXPECT_THAT(all.files, ElementsAre("a"));
  EXPECT_THAT(all.not_followed, ElementsAre("dead", "to_pipe"));
}

TEST_F(LinkedFilesTest, OfNoFolderAreAnErrorThatNamesIt) {
  put("a");
  for (const char* name : {"a", "gone"}) {
    const auto error = testing::error_of([&] { list_linked_files(folder / name); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::kIo);
    EXPECT_THAT(error->what(), ::testing::HasSubstr((folder / name).string()));
  }
}

}  // namespace
}  // namespace sori
