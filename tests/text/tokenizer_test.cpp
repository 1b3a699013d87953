#include "text/tokenizer.h"

#include "support/tiny_tokenizer.h"

namespace sori {
namespace {

using test::tiny_tokenizer;
using ::testing::ElementsAre;

// 256 "he", 257 "ll", 258 "hell", 259 " a", 260 and 261 the character 한 (ED 95 9C); then <|endoftext|> is 262.
const test::Merges kMerges{{"h", "e"}, {"l", "l"}, {"he", "ll"}, {" ", "a"}, {"\xED", "\x95"}, {"\xED\x95", "\x9C"}};
constexpr int kEnd = 262, kKorean = 265, kNoTimestamps = 271;

TEST(Tokenizer, AppliesMergesWithinWordsOnly) {
  const Tokenizer t = tiny_tokenizer(kMerges);
  EXPECT_THAT(t.encode("hello a"), ElementsAre(258, 'o', 259));
  EXPECT_THAT(t.encode("he ll"), ElementsAre(256, ' ', 257));
  EXPECT_THAT(t.encode("한"), ElementsAre(261));
  EXPECT_THAT(t.encode(""), ElementsAre());
}

TEST(Tokenizer, FindsAddedTokensInTextAsTheReferenceDoes) {
  const Tokenizer t = tiny_tokenizer(kMerges);
  EXPECT_THAT(t.encode("he<|ko|>ll<|endoftext|>"), ElementsAre(256, kKorean, 257, kEnd));
  EXPECT_EQ(t.encode("<|ko|").size(), 5u);
  EXPECT_EQ(t.encode("<|xx|>").size(), 6u);
}

TEST(Tokenizer, ReadsNoTokensIntoPlainText) {
  const Tokenizer t = tiny_tokenizer(kMerges);
  const std::vector<int> ids = t.encode_plain("<|ko|>he");
  EXPECT_THAT(ids, ElementsAre('<', '|', 'k', 'o', '|', '>', 256));
  EXPECT_EQ(t.decode(ids), "<|ko|>he");
}

TEST(Tokenizer, TakesTheLongestAddedToken) {
  Json json = test::tiny_tokenizer_json({}, {"<a", "<ab", "<a<"});
  const Tokenizer t = Tokenizer::parse(json.dump(), "tiny");
  EXPECT_THAT(t.encode("<abc<a<<a<x"), ElementsAre(257, 'c', 258, 258, 'x'));
}

TEST(Tokenizer, DecodesWhatItEncoded) {
  const Tokenizer t = tiny_tokenizer(kMerges);
  for (const std::string text :
       {"hello 한국어\n\t\x01", "  two  blanks ", "👩‍👩‍👧 e\u0301 ㅋㅋ", "\u0085\u3000"})
    EXPECT_EQ(t.decode(t.encode(text)), text);
}

TEST(Tokenizer, GivesOneReplacementForEachMaximalInvalidPart) {
  const Tokenizer t = tiny_tokenizer();
  const std::string bad = "\uFFFD";
  EXPECT_EQ(t.decode(std::vector<int>{0xED, 0x95}), bad);  // one cut character
  EXPECT_EQ(t.decode(std::vector<int>{0xED, 0x95, 'a'}), bad + "a");
  EXPECT_EQ(t.decode(std::vector<int>{0x95, 0x9C}), bad + bad);              // two bytes that start nothing
  EXPECT_EQ(t.decode(std::vector<int>{0xED, 0xA0, 0x80}), bad + bad + bad);  // a surrogate
  EXPECT_EQ(t.decode(std::vector<int>{0xF0, 0x9F, 0x98}), bad);
  EXPECT_EQ(t.decode(std::vector<int>{0xED, 256, 0x95, 0x9C}), "한");  // a skipped token does not part the bytes
}

TEST(Tokenizer, HidesSpecialTokensTimestampsAndUnknownIds) {
  const Tokenizer t = tiny_tokenizer(kMerges);
  const std::vector<int> ids{kKorean, 256, kNoTimestamps + 1 + 60, 257, 1 << 30, -1, kEnd};
  EXPECT_EQ(t.decode(ids), "hell");
  EXPECT_EQ(t.decode(ids, false), "<|ko|>he<|1.20|>ll<|endoftext|>");
}

TEST(Tokenizer, KnowsTimestampsThatTheFileDoesNotList) {
  const Tokenizer t = tiny_tokenizer(kMerges);
  EXPECT_EQ(t.size(), kNoTimestamps + 1);
  EXPECT_EQ(t.find("<|notimestamps|>"), kNoTimestamps);
  EXPECT_FALSE(t.is_timestamp(kNoTimestamps));
  EXPECT_TRUE(t.is_timestamp(kNoTimestamps + 1));
  EXPECT_EQ(t.token_text(kNoTimestamps + 1), "<|0.00|>");
  EXPECT_EQ(t.token_text(kNoTimestamps + 1 + 1500), "<|30.00|>");
  EXPECT_FALSE(t.is_special(kNoTimestamps + 1 + 1501));
  EXPECT_FALSE(t.is_special('a'));
  EXPECT_FALSE(t.is_special(-1));
}

TEST(Tokenizer, SpellsAddedTokensInAnyScript) {
  const Tokenizer t = Tokenizer::parse(test::tiny_tokenizer_json({}, {"<|한 국|>"}).dump(), "tiny");
  EXPECT_THAT(t.encode("a<|한 국|>"), ElementsAre('a', 256));
  EXPECT_EQ(t.decode(std::vector<int>{'a', 256}, false), "a<|한 국|>");
}

TEST(Tokenizer, FindsAddedTokensByName) {
  const Tokenizer t = tiny_tokenizer(kMerges);
  EXPECT_EQ(t.find("<|ko|>"), kKorean);
  EXPECT_EQ(t.find("<|yue|>"), std::nullopt);
}

TEST(Tokenizer, NamesTokensReadably) {
  const Tokenizer t = tiny_tokenizer(kMerges);
  EXPECT_EQ(t.token_text(259), " a");
  EXPECT_EQ(t.token_text(261), "한");
  EXPECT_EQ(t.token_text(260), "\\xED\\x95");
  EXPECT_EQ(t.token_text('\n'), "\\x0A");
  EXPECT_EQ(t.token_text(kKorean), "<|ko|>");
}

TEST(Tokenizer, ReadsTextThatIsNotUtf8WithReplacements) {
  const Tokenizer t = tiny_tokenizer();
  EXPECT_EQ(t.decode(t.encode("a\xFF b")), "a\uFFFD b");
}

TEST(Tokenizer, NormalisesWhenTheFileSaysSo) {
  Json json = test::tiny_tokenizer_json();
  const std::string apart = "\u1112\u1161\u11AB";  // 한 as conjoining jamo
  EXPECT_EQ(Tokenizer::parse(json.dump(), "tiny").encode(apart).size(), 9u);
  json["normalizer"] = {{"type", "NFC"}};
  EXPECT_THAT(Tokenizer::parse(json.dump(), "tiny").encode(apart), ElementsAre(0xED, 0x95, 0x9C));
}

TEST(Tokenizer, AcceptsMergesAsListsAndThePatternWrittenOut) {
  Json json = test::tiny_tokenizer_json({{"h", "e"}});
  json["model"]["merges"] = Json::array({Json::array({"h", "e"})});
  const Json split{
      {"type", "Split"},
      {"pattern", {{"Regex", R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"}}},
      {"behavior", "Isolated"},
      {"invert", false}};
  const Json level{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {split, level}}};
  EXPECT_THAT(Tokenizer::parse(json.dump(), "tiny").encode("he"), ElementsAre(256));
}

TEST(TextStream, NeverShowsHalfACharacter) {
  const Tokenizer t = tiny_tokenizer();
  TextStream stream(t);
  EXPECT_EQ(stream.push('a'), "a");
  EXPECT_EQ(stream.push(0xED), "");
  EXPECT_EQ(stream.push(0x95), "");
  EXPECT_EQ(stream.push(0x9C), "한");
  EXPECT_EQ(stream.push(0xF0), "");
  EXPECT_EQ(stream.push('b'), "\uFFFDb");  // what cannot become a character is shown as such at once
  EXPECT_EQ(stream.push(0xE3), "");
  EXPECT_EQ(stream.flush(), "\uFFFD");
  EXPECT_EQ(stream.flush(), "");
}

// All pairs and a sample of triples of the bytes that matter: leads, continuations at the limits, ASCII, a special
// token.
TEST(TextStream, JoinsToWhatDecodeGives) {
  const Tokenizer t = tiny_tokenizer();
  const std::vector<int> bytes{'a',  0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2,
                               0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 256};
  for (const int a : bytes)
    for (const int b : bytes)
      for (const int c : bytes)
        for (const int d : bytes) {
          const std::vector<int> ids{a, b, c, d};
          TextStream stream(t);
          std::string joined;
          for (const int id : ids) joined += stream.push(id);
          joined += stream.flush();
          ASSERT_EQ(joined, t.decode(ids)) << fmt::format("{:02X}", fmt::join(ids, " "));
        }
}

}  // namespace
}  // namespace sori
