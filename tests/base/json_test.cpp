#include "base/json.h"

#include <gmock/gmock.h>

namespace sori {
namespace {

void expect_bad(const std::string& text, const std::string& part) {
  for (const bool map : {false, true}) {
    try {
      if (map)
        parse_json_map(text, "f.json");
      else
        parse_json(text, "f.json");
      ADD_FAILURE() << "accepted " << text.substr(0, 40);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kInput);
      EXPECT_THAT(e.what(), testing::AllOf(testing::StartsWith("f.json: "), testing::HasSubstr(part)));
    }
  }
}

TEST(Json, KeepsTheOrderOfKeysAndSkipsTheByteOrderMark) {
  const Json json = parse_json("\xEF\xBB\xBF{\"b\": 1, \"a\": [2, null]}", "f");
  EXPECT_EQ(to_text(json, -1), "{\"b\":1,\"a\":[2,null]}\n");
}

TEST(Json, RefusesTheSameKeyTwiceInOneObject) {
  expect_bad(R"({"a": 1, "b": {"a": 1}, "a": 2})", "same key twice");
  expect_bad(R"([{"x": {"a": 1, "a": 1}}])", "same key twice");
  EXPECT_NO_THROW(parse_json(R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}]})", "f"));
}

TEST(Json, RefusesMoreThanSixtyFourLevels) {
  const auto nested = [](int n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_NO_THROW(parse_json(nested(64), "f"));
  expect_bad(nested(65), "deeper than 64");
  expect_bad(std::string(1000000, '['), "deeper than 64");
  std::string objects;
  for (int i = 0; i < 65; ++i) objects += "{\"a\":";
  expect_bad(objects, "deeper than 64");
}

TEST(Json, RefusesWhatIsNotJson) {
  expect_bad("", "at byte");
  expect_bad("{\"a\": 1", "at byte 8");
  expect_bad("[1, 2] 3", "at byte");
  expect_bad("[1,]", "at byte");
  expect_bad("[NaN]", "at byte");
  expect_bad("// comment\n[1]", "at byte");
  expect_bad("[\"\xFF\"]", "at byte");
  expect_bad("[\"\xED\xA0\x80\"]", "at byte");  // a surrogate in UTF-8
  expect_bad("[\"\\ud800\"]", "at byte");
  expect_bad("[1e999]", "not valid JSON");
  expect_bad(std::string("[\"a\0b\"]", 7), "at byte");
}

TEST(JsonGet, ReadsAValueOrNamesFileAndKey) {
  const Json json = parse_json(R"({"n": 5, "x": 2, "s": "t", "l": [1, 2], "none": null, "w": 64.0})", "f.json");
  EXPECT_EQ(json_get<int>(json, "n", "f.json"), 5);
  EXPECT_EQ(json_get<double>(json, "x", "f.json"), 2.0);
  EXPECT_EQ(json_get<int>(json, "w", "f.json"), 64);
  EXPECT_EQ(json_get<std::vector<int>>(json, "l", "f.json"), (std::vector<int>{1, 2}));
  EXPECT_EQ(json_get_or<int>(json, "none", 7, "f.json"), 7);
  EXPECT_EQ(json_get_or<int>(json, "absent", 8, "f.json"), 8);
  try {
    json_get<int>(json, "absent", "f.json");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::AllOf(testing::StartsWith("f.json: "), testing::HasSubstr("\"absent\"")));
  }
}

// A hostile or careless number must not become another one.
TEST(JsonGet, RefusesAValueThatWouldChange) {
  const Json json = parse_json(R"({"half": 3.5, "minus": -1, "big": 5000000000, "huge": 1e300, "yes": true, "s": "5",
                                   "edge": 9223372036854775808, "l": [1, 2.5], "u": [1, "2"]})",
                               "f");
  const auto refused = [&](auto zero, const char* key) {
    EXPECT_THROW(json_get<decltype(zero)>(json, key, "f"), Error) << key;
    EXPECT_THROW(json_get_or<decltype(zero)>(json, key, zero, "f"), Error) << key;
  };
  refused(int{}, "half");
  refused(std::uint64_t{}, "minus");
  refused(std::size_t{}, "minus");
  refused(int{}, "big");
  refused(std::int64_t{}, "huge");
  refused(std::int64_t{}, "edge");
  refused(int{}, "yes");
  refused(double{}, "yes");
  refused(bool{}, "big");
  refused(int{}, "s");
  refused(std::string{}, "big");
  refused(std::vector<int>{}, "l");
  refused(std::vector<int>{}, "u");
  refused(std::vector<int>{}, "big");
  EXPECT_EQ(json_get<std::uint64_t>(json, "edge", "f"), 9223372036854775808ull);
  EXPECT_EQ(json_get<double>(json, "huge", "f"), 1e300);
  EXPECT_THROW(json_get<int>(Json(5), "key", "f"), Error) << "not an object";
}

}  // namespace
}  // namespace sori
