// tokenizer.json as an attacker would write it: each spoiled file gives one Error kInput that says what is wrong.
#include "support/tiny_tokenizer.h"
#include "text/tokenizer.h"

namespace sori {
namespace {

using ::testing::HasSubstr;

struct Spoiled {
  const char* name;
  void (*spoil)(Json&);
  const char* says;
};

class HostileTokenizer : public ::testing::TestWithParam<Spoiled> {};

TEST_P(HostileTokenizer, IsRefusedWithItsReason) {
  Json json = test::tiny_tokenizer_json({{"h", "e"}});
  ASSERT_NO_THROW(Tokenizer::parse(json.dump(), "tokenizer.json"));
  GetParam().spoil(json);
  try {
    Tokenizer::parse(json.dump(), "tokenizer.json");
    FAIL() << "was accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInput);
    EXPECT_THAT(e.what(), HasSubstr(GetParam().says));
    EXPECT_THAT(e.what(), HasSubstr("tokenizer.json"));
  }
}

Json& vocab(Json& j) { return j["model"]["vocab"]; }
Json& first_added(Json& j) { return j["added_tokens"][0]; }

INSTANTIATE_TEST_SUITE_P(
    Files, HostileTokenizer,
    ::testing::Values(
        Spoiled{"RootIsAList", [](Json& j) { j = Json::array(); }, "not a tokenizer"},
        Spoiled{"NoModel", [](Json& j) { j.erase("model"); }, "no \"model\""},
        Spoiled{"WordPiece", [](Json& j) { j["model"]["type"] = "WordPiece"; }, "other than BPE"},
        Spoiled{"NoVocab", [](Json& j) { j["model"].erase("vocab"); }, "no \"vocab\""},
        Spoiled{"VocabIsAList", [](Json& j) { vocab(j) = Json::array(); }, "\"vocab\""},
        Spoiled{"IdIsNegative", [](Json& j) { vocab(j)["x1"] = -1; }, "whole number"},
        Spoiled{"IdIsAFraction", [](Json& j) { vocab(j)["x1"] = 1.5; }, "whole number"},
        Spoiled{"IdIsText", [](Json& j) { vocab(j)["x1"] = "7"; }, "whole number"},
        Spoiled{"IdIsHuge", [](Json& j) { vocab(j)["x1"] = 1ULL << 40; }, "whole number below"},
        Spoiled{"IdIsTaken", [](Json& j) { vocab(j)["x1"] = 7; }, "id 7 to two tokens"},
        Spoiled{"ByteIsMissing", [](Json& j) { vocab(j).erase("A"); }, "byte 0x41"},
        Spoiled{"NoMerges", [](Json& j) { j["model"].erase("merges"); }, "no \"merges\""},
        Spoiled{"MergeOfUnknown", [](Json& j) { j["model"]["merges"].push_back("h 한"); }, "merge 1"},
        Spoiled{"MergeMakesUnknown", [](Json& j) { j["model"]["merges"].push_back("e h"); }, "merge 1"},
        Spoiled{"MergeOfThree", [](Json& j) { j["model"]["merges"].push_back("h e h"); }, "merge 1"},
        Spoiled{"MergeIsANumber", [](Json& j) { j["model"]["merges"].push_back(3); }, "merge 1"},
        Spoiled{"Dropout", [](Json& j) { j["model"]["dropout"] = 0.1; }, "dropout"},
        Spoiled{"ByteFallback", [](Json& j) { j["model"]["byte_fallback"] = true; }, "byte_fallback"},
        Spoiled{"SubwordPrefix", [](Json& j) { j["model"]["continuing_subword_prefix"] = "##"; }, "subword_prefix"},
        Spoiled{"NoAddedTokens", [](Json& j) { j.erase("added_tokens"); }, "no \"added_tokens\""},
        Spoiled{"AddedTokenIsEmpty", [](Json& j) { first_added(j)["content"] = ""; }, "empty"},
        Spoiled{"AddedTokenTwice", [](Json& j) { j["added_tokens"].push_back(first_added(j)); }, "twice"},
        Spoiled{"AddedIdIsTaken", [](Json& j) { first_added(j)["id"] = 5; }, "id 5"},
        Spoiled{"AddedIdIsHuge", [](Json& j) { first_added(j)["id"] = 1 << 20; }, "whole number below"},
        Spoiled{"AddedContradictsVocab", [](Json& j) { vocab(j)["<|endoftext|>"] = 9999; }, "another id"},
        Spoiled{"AddedStripsBlanks", [](Json& j) { first_added(j)["lstrip"] = true; }, "lstrip"},
        Spoiled{"AddedHasNoContent", [](Json& j) { first_added(j).erase("content"); }, "content"},
        Spoiled{"ForeignNormalizer", [](Json& j) { j["normalizer"] = {{"type", "Lowercase"}}; }, "normalizer"},
        Spoiled{"ForeignDecoder", [](Json& j) { j["decoder"] = {{"type", "WordPiece"}}; }, "decoder"},
        Spoiled{"NoPreTokenizer", [](Json& j) { j.erase("pre_tokenizer"); }, "pre_tokenizer"},
        Spoiled{"PrefixSpace", [](Json& j) { j["pre_tokenizer"]["add_prefix_space"] = true; }, "pre_tokenizer"},
        Spoiled{"NoPattern", [](Json& j) { j["pre_tokenizer"]["use_regex"] = false; }, "pre_tokenizer"},
        Spoiled{"ForeignPattern",
                [](Json& j) {
                  const Json split{{"type", "Split"}, {"pattern", {{"Regex", "(a+)+$"}}}, {"behavior", "Isolated"}};
                  Json level = j["pre_tokenizer"];
                  level["use_regex"] = false;
                  j["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {split, level}}};
                },
                "pre_tokenizer"}),
    [](const auto& spoiled) { return spoiled.param.name; });

TEST(TokenizerReader, RefusesEveryTruncation) {
  const std::string whole = test::tiny_tokenizer_json().dump();
  for (std::size_t size = 0; size < whole.size(); size += 61)
    EXPECT_THROW(Tokenizer::parse(whole.substr(0, size), "cut"), Error) << size;
}

TEST(TokenizerReader, AcceptsAnAddedTokenThatStandsInTheVocabularyToo) {
  Json json = test::tiny_tokenizer_json();
  json["model"]["vocab"]["<|endoftext|>"] = 256;
  const Tokenizer t = Tokenizer::parse(json.dump(), "tiny");
  EXPECT_TRUE(t.is_special(256));
  EXPECT_EQ(t.find("<|endoftext|>"), 256);
}

TEST(TokenizerReader, LeavesGapsBetweenIdsEmpty) {
  Json json = test::tiny_tokenizer_json({}, {"<|x|>"});
  json["added_tokens"][0]["id"] = 300;
  const Tokenizer t = Tokenizer::parse(json.dump(), "tiny");
  EXPECT_EQ(t.size(), 301);
  EXPECT_EQ(t.decode(std::vector<int>{'a', 280, 'b'}), "ab");
}

TEST(TokenizerReader, SaysWhichFolderHasNoTokenizer) {
  try {
    Tokenizer::load("/nonexistent/model");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kIo);
    EXPECT_THAT(e.what(), HasSubstr("/nonexistent/model/tokenizer.json"));
  }
}

}  // namespace
}  // namespace sori
