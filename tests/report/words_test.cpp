#include "report/words.h"

#include <gtest/gtest.h>

namespace sori {
namespace {

TEST(Language, TakesItsSideOfAPhrase) {
  constexpr Phrase kOrder{"{0} of {1}", "{1}개 중 {0}개"};
  EXPECT_EQ(Language(false)(kOrder, 2, 5), "2 of 5");
  EXPECT_EQ(Language(true)(kOrder, 2, 5), "5개 중 2개");
  EXPECT_STREQ(Language(true).code(), "ko");
}

}  // namespace
}  // namespace sori
