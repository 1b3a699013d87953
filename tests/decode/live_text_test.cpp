#include "decode/live_text.h"

#include <gtest/gtest.h>

#include "support/tiny_tokenizer.h"

namespace sori::test {
namespace {

class LiveTextTest : public ::testing::Test {
 protected:
  void say(std::size_t window, std::string_view bytes) {
    for (const char byte : bytes) live.token(window, static_cast<unsigned char>(byte));
  }
  Tokenizer tokenizer = tiny_tokenizer();
  std::string shown;
  LiveText live{tokenizer, [this](const std::string& piece) { shown += piece; }};
};

TEST_F(LiveTextTest, ShowsTheCurrentWindowAtOnceAndLaterOnesInTheirTurn) {
  say(0, " one");
  say(1, " three");
  EXPECT_EQ(shown, "one");
  say(0, " two");
  EXPECT_EQ(shown, "one two");
  live.end(0);
  EXPECT_EQ(shown, "one two three");
  live.end(2);  // an empty one, ended before its turn
  say(3, "four");
  EXPECT_EQ(shown, "one two three");
  live.end(1);
  EXPECT_EQ(shown, "one two three four");
}

TEST_F(LiveTextTest, LeavesOutBlanksAtTheEndsOfWindows) {
  say(0, "  a  b  ");
  EXPECT_EQ(shown, "a  b");
  live.end(0);
  live.token(1, 265);  // a special token
  say(1, "   ");
  live.end(1);
  say(2, " c");
  live.end(2);
  EXPECT_EQ(shown, "a  b c");
}

TEST_F(LiveTextTest, NeverShowsHalfACharacter) {
  say(0, "\xEA\xB0");
  EXPECT_EQ(shown, "");
  say(0, "\x80");
  EXPECT_EQ(shown, "가");
  say(0, "\xEA\xB0");
  live.end(0);
  EXPECT_EQ(shown, "가\uFFFD");
}

}  // namespace
}  // namespace sori::test
