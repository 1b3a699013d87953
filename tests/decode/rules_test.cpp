#include "decode/rules.h"

#include <gtest/gtest.h>

#include "support/temporary.h"

namespace sori::test {
namespace {

using sori::testing::error_of;
using sori::testing::TemporaryFolder;

DecodeRules rules_of(const std::string& generation_config) {
  const TemporaryFolder folder;
  write_file(folder / "generation_config.json", generation_config);
  return read_rules(folder.path(), 100);
}

TEST(DecodeRules, AreTheListsOfGenerationConfig) {
  const DecodeRules rules =
      rules_of(R"({"suppress_tokens": [3, 99], "begin_suppress_tokens": [0], "max_length": 448})");
  EXPECT_EQ(rules.suppress, (std::vector<int>{3, 99}));
  EXPECT_EQ(rules.begin_suppress, (std::vector<int>{0}));
}

TEST(DecodeRules, AreNoneWithoutTheFileOrItsKeys) {
  const TemporaryFolder empty;
  EXPECT_TRUE(read_rules(empty.path(), 100).suppress.empty());
  const DecodeRules rules = rules_of(R"({"suppress_tokens": null})");
  EXPECT_TRUE(rules.suppress.empty());
  EXPECT_TRUE(rules.begin_suppress.empty());
}

TEST(DecodeRules, RefuseIdsThatAreNone) {
  for (const char* config : {R"({"suppress_tokens": [100]})", R"({"begin_suppress_tokens": [-1]})",
                             R"({"suppress_tokens": "all"})", R"({"suppress_tokens": ["a"]})"}) {
    const auto error = error_of([&] { rules_of(config); });
    ASSERT_TRUE(error) << config;
    EXPECT_EQ(error->kind(), ErrorKind::kInput);
    EXPECT_NE(std::string(error->what()).find("generation_config.json"), std::string::npos) << error->what();
  }
}

}  // namespace
}  // namespace sori::test
