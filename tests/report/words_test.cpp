#include "report/words.h"

#include <gtest/gtest.h>

namespace sori {
namespace {

TEST(ReportLanguage, TakesItsSideOfAPhrase) {
  constexpr Phrase kOrder{"{0} of {1}", "{1}개 중 {0}개"};
  EXPECT_EQ(ReportLanguage(false)(kOrder, 2, 5), "2 of 5");
  EXPECT_EQ(ReportLanguage(true)(kOrder, 2, 5), "5개 중 2개");
  EXPECT_STREQ(ReportLanguage(true).code(), "ko");
}

}  // namespace
}  // namespace sori
