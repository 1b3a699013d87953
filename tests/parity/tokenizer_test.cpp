// Our tokenizer beside Hugging Face's, on the real vocabulary: golden/tokenizer.json holds the reference's answers.
#include "text/tokenizer.h"

#include <cstdlib>

#include "base/json.h"

namespace sori {
namespace {

class RealTokenizer : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("SORI_TEST_MODEL");
    if (folder == nullptr) GTEST_SKIP() << "set SORI_TEST_MODEL to a Whisper model folder with a tokenizer.json";
    tokenizer_ = Tokenizer::load(folder);
    golden_ = read_json(Path(SORI_SOURCE_DIR) / "tests/golden/tokenizer.json");
  }
  std::optional<Tokenizer> tokenizer_;
  Json golden_;
};

TEST_F(RealTokenizer, EncodesAndDecodesAsTheReferenceDoes) {
  const Json& cases = golden_.at("cases");
  ASSERT_GE(cases.size(), 2000u);
  for (const Json& c : cases) {
    const auto ids = c.at("ids").get<std::vector<int>>();
    EXPECT_EQ(tokenizer_->encode(c.at("text").get<std::string>()), ids) << c.at("text");
    EXPECT_EQ(tokenizer_->decode(ids), c.at("decoded").get<std::string>()) << c.at("text");
  }
}

TEST_F(RealTokenizer, DecodesCutCharactersAsTheReferenceDoes) {
  const Json& partial = golden_.at("partial");
  ASSERT_FALSE(partial.empty());
  for (const Json& p : partial) {
    const auto ids = p.at("ids").get<std::vector<int>>();
    const auto decoded = p.at("decoded").get<std::string>();
    EXPECT_EQ(tokenizer_->decode(ids), decoded) << p;
    TextStream stream(*tokenizer_);
    std::string streamed;
    for (const int id : ids) streamed += stream.push(id);
    EXPECT_EQ(streamed + stream.flush(), decoded) << p;
  }
}

}  // namespace
}  // namespace sori
