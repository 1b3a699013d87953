#include "text/languages.h"

#include <set>

namespace sori {
namespace {

TEST(Languages, AreOneHundredWithDistinctCodesAndNames) {
  std::set<std::string_view> codes, names;
  for (const Language& l : languages()) {
    codes.insert(l.code);
    names.insert(l.name);
    EXPECT_EQ(language_code(l.code), l.code);
    EXPECT_EQ(language_code(l.name), l.code);
    EXPECT_EQ(language_name(l.code), l.name);
  }
  EXPECT_EQ(codes.size(), 100u);
  EXPECT_EQ(names.size(), 100u);
}

TEST(Languages, AreFoundByCodeAndByNameInAnyCase) {
  EXPECT_EQ(language_code("ko"), "ko");
  EXPECT_EQ(language_code("korean"), "ko");
  EXPECT_EQ(language_code("Korean"), "ko");
  EXPECT_EQ(language_code("Haitian Creole"), "ht");
  EXPECT_EQ(language_code("Mandarin"), "zh");
  EXPECT_EQ(language_code("yue"), "yue");
}

TEST(Languages, OthersAreUnknown) {
  EXPECT_EQ(language_code("klingon"), std::nullopt);
  EXPECT_EQ(language_code(""), std::nullopt);
  EXPECT_EQ(language_code("<|ko|>"), std::nullopt);
  EXPECT_EQ(language_name("xx"), "xx");
}

}  // namespace
}  // namespace sori
