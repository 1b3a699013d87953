#include "decode/rules.h"

#include <gtest/gtest.h>

#include <limits>

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
  const DecodeRules rules = rules_of(
      R"({"suppress_tokens": [3, 99], "begin_suppress_tokens": [0], "no_repeat_ngram_size": 3, "max_length": 448})");
  EXPECT_EQ(rules.suppress, (std::vector<int>{3, 99}));
  EXPECT_EQ(rules.begin_suppress, (std::vector<int>{0}));
  EXPECT_EQ(rules.no_repeat_ngram_size, 3);
}

TEST(DecodeRules, AreNoneWithoutTheFileOrItsKeys) {
  const TemporaryFolder empty;
  EXPECT_TRUE(read_rules(empty.path(), 100).suppress.empty());
  const DecodeRules rules = rules_of(R"({"suppress_tokens": null})");
  EXPECT_TRUE(rules.suppress.empty());
  EXPECT_TRUE(rules.begin_suppress.empty());
  EXPECT_EQ(rules.no_repeat_ngram_size, 0);
}

TEST(DecodeRules, RefuseIdsThatAreNone) {
  for (const char* config :
       {R"({"suppress_tokens": [100]})", R"({"begin_suppress_tokens": [-1]})", R"({"suppress_tokens": "all"})",
        R"({"suppress_tokens": ["a"]})", R"({"no_repeat_ngram_size": -1})", R"({"no_repeat_ngram_size": "two"})"}) {
    const auto error = error_of([&] { rules_of(config); });
    ASSERT_TRUE(error) << config;
    EXPECT_EQ(error->kind(), ErrorKind::kInput);
    EXPECT_NE(std::string(error->what()).find("generation_config.json"), std::string::npos) << error->what();
  }
}

std::vector<int> forbidden(int size, const std::vector<int>& text) {
  std::vector<float> logits(10, 1);
  suppress(logits, {.no_repeat_ngram_size = size}, text);
  std::vector<int> ids;
  for (int id = 0; id < 10; ++id)
    if (logits[static_cast<std::size_t>(id)] == -std::numeric_limits<float>::infinity()) ids.push_back(id);
  return ids;
}

TEST(DecodeRules, ForbidWhatWouldRepeatSoManyTokens) {
  using Ids = std::vector<int>;
  EXPECT_EQ(forbidden(0, {1, 1, 1, 1}), Ids{});
  EXPECT_EQ(forbidden(1, {7, 2, 7}), (Ids{2, 7}));  // no token twice
  EXPECT_EQ(forbidden(2, {5}), Ids{});
  EXPECT_EQ(forbidden(2, {5, 5}), Ids{5});
  EXPECT_EQ(forbidden(2, {1, 2, 1, 3, 4, 1}), (Ids{2, 3}));
  EXPECT_EQ(forbidden(3, {1, 2, 3, 1, 2}), Ids{3});
  EXPECT_EQ(forbidden(3, {1, 2, 3, 2, 1}), Ids{});
  EXPECT_EQ(forbidden(3, {4, 4, 4}), Ids{4});
  EXPECT_EQ(forbidden(3, {4, 4}), Ids{});
  EXPECT_EQ(forbidden(9, {1, 2}), Ids{});  // longer than the text
}

}  // namespace
}  // namespace sori::test
