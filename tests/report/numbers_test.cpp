#include "report/numbers.h"

#include <gtest/gtest.h>

namespace sori {
namespace {

TEST(Numbers, AreReadAsPeopleDo) {
  EXPECT_EQ(percent(0.0425), "4.25 %");
  EXPECT_EQ(percent(Estimate{0.0425, 0.0391, 0.046}), "4.25 % (3.91 – 4.60)");
  EXPECT_EQ(percent(Estimate{0.0425, 0.0391, {}}), "4.25 %");
  EXPECT_EQ(times({1.074, 0.98, 1.16}), "1.07 (0.98 – 1.16)");
  EXPECT_EQ(bytes_text(std::uint64_t{3} << 29), "1.50 GiB");
  EXPECT_EQ(seconds_text(4.2), "4.2 s");
  EXPECT_EQ(joules_text(999), "999 J");
  EXPECT_EQ(joules_text(1250), "1.2 kJ");
  EXPECT_EQ(plain_number(0.0003), "0.0003");
  EXPECT_EQ(whole(100), "100");
}

TEST(Numbers, ThatWereNotMeasuredAreADash) {
  EXPECT_EQ(percent(std::nullopt), "–");
  EXPECT_EQ(percent(Estimate{}), "–");
  EXPECT_EQ(times(Estimate{}), "–");
  EXPECT_EQ(bytes_text({}), "–");
  EXPECT_EQ(seconds_text({}), "–");
  EXPECT_EQ(joules_text({}), "–");
  EXPECT_EQ(plain_number({}), "–");
  EXPECT_EQ(whole({}), "–");
}

}  // namespace
}  // namespace sori
