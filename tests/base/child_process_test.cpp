#include "base/child_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "support/temporary.h"

namespace sori {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Run by the others: the child is this test program once more.
TEST(ChildProcess, DISABLED_SaysWhoseSignalsItHears) {
  int at_parents_end = 0;
  ASSERT_EQ(::prctl(PR_GET_PDEATHSIG, &at_parents_end), 0);
  printf("%s, signal %d\n", ::getpgrp() == ::getpid() ? "a group of its own" : "its parent's group", at_parents_end);
}
TEST(ChildProcess, DISABLED_Sleeps) { EXPECT_EQ(::sleep(60), 0u); }

std::vector<std::string> test_named(const std::string& name) {
  return {"--gtest_filter=ChildProcess.DISABLED_" + name, "--gtest_also_run_disabled_tests"};
}

// A terminal sends Ctrl-C to a whole group: a child that is asked to stop must not hear it twice.
TEST(ChildProcess, ThatCanBeStoppedIsAGroupOfItsOwn) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(run_child(test_named("SaysWhoseSignalsItHears"), {.log = folder / "alone", .stop = [] { return false; }}),
            0);
  EXPECT_THAT(read_file(folder / "alone"), HasSubstr("a group of its own, signal 15"));
  EXPECT_EQ(run_child(test_named("SaysWhoseSignalsItHears"), {.log = folder / "with"}), 0);
  EXPECT_THAT(read_file(folder / "with"), HasSubstr("its parent's group, signal 0"));
}

TEST(ChildProcess, IsAskedToEnd) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(run_child(test_named("Sleeps"), {.log = folder / "log", .stop = [] { return true; }}), 128 + SIGTERM);
}

}  // namespace
}  // namespace sori
