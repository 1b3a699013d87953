#include "base/error.h"

#include <gmock/gmock.h>

namespace sori {
namespace {

TEST(Error, SaysWhereWhatAndWhatToDoInOneLine) {
  const Error e{ErrorKind::kInput, "is empty", "a/b.wav", "record it again"};
  EXPECT_STREQ(e.what(), "a/b.wav: is empty; record it again");
  EXPECT_STREQ((Error{ErrorKind::kUsage, "--model is missing", "", ""}).what(), "--model is missing");
}

TEST(Error, StaysOneLineWhateverAFileIsCalled) {
  const Error e{ErrorKind::kInput, "is empty", std::string("a\nb\0c\x1b[2J가", 12), ""};
  EXPECT_STREQ(e.what(), "a?b?c?[2J가: is empty");
}

TEST(Error, IsUtf8WhateverAFileIsCalled) {
  const Error e{ErrorKind::kInput, "is empty", "a\xFF\u009B.wav", "record it again"};
  EXPECT_STREQ(e.what(), "a\uFFFD\uFFFD.wav: is empty; record it again");
  EXPECT_EQ(e.problem(), "a\uFFFD\uFFFD.wav: is empty") << "for who knows a better remedy";
}

// The documented codes: scripts depend on them.
TEST(Error, KindsAreExitCodes) {
  EXPECT_EQ(exit_code(ErrorKind::kUsage), 2);
  EXPECT_EQ(exit_code(ErrorKind::kInput), 3);
  EXPECT_EQ(exit_code(ErrorKind::kIo), 4);
  EXPECT_EQ(exit_code(ErrorKind::kMemory), 5);
  EXPECT_EQ(exit_code(ErrorKind::kNumeric), 6);
  EXPECT_EQ(exit_code(ErrorKind::kLocked), 7);
  EXPECT_EQ(exit_code(ErrorKind::kCheckpoint), 8);
  EXPECT_EQ(exit_code(ErrorKind::kPolicy), 9);
  EXPECT_EQ(exit_code(ErrorKind::kStopped), 75);
  EXPECT_EQ(kExitBug, 70);
}

TEST(Error, ABrokenRuleNamesItselfAndItsPlace) {
  EXPECT_NO_THROW(require(true, "holds"));
  try {
    require(false, "rows are even");
    FAIL() << "did not throw";
  } catch (const Bug& bug) {
    EXPECT_THAT(bug.what(), testing::HasSubstr("rows are even"));
    EXPECT_THAT(bug.what(), testing::HasSubstr("error_test.cpp:"));
  }
}

}  // namespace
}  // namespace sori
