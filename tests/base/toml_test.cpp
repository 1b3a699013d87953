#include "base/toml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace sori {
namespace {

using ::testing::HasSubstr;

std::string error_of(const std::string& text) {
  try {
    parse_toml(text, "f.toml");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Toml, BecomesJson) {
  const Json expected =
      parse_json(R"({"a": 1, "b": -0.5, "c": "소리", "d": [true, false], "e": {"f": [{"g": 1}, {"g": 2}]}})", "");
  EXPECT_EQ(parse_toml("c = \"소리\"\nb = -0.5\na = 1\nd = [true, false]\n[[e.f]]\ng = 1\n[[e.f]]\ng = 2\n", "f.toml"),
            expected);
  EXPECT_EQ(parse_toml("", "f.toml"), Json::object());
}

TEST(Toml, SaysWhereItIsNone) {
  EXPECT_THAT(error_of("a = 1\nb = = 2\n"), HasSubstr("f.toml:2"));
  EXPECT_THAT(error_of("a = 1\na = 2\n"), HasSubstr("f.toml"));
  EXPECT_THAT(error_of("[t]\nd = 2026-11-27\n"), HasSubstr("t: d: is a date"));
  EXPECT_THAT(error_of("a = \"\xff\"\n"), HasSubstr("f.toml"));
  std::string deep(2000, '[');
  EXPECT_THAT(error_of("a = " + deep), HasSubstr("f.toml"));
}

}  // namespace
}  // namespace sori
