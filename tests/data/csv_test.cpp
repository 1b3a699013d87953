#include "data/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/temporary.h"

namespace sori {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;

TEST(Csv, KeepsCommasNewlinesAndQuotesInsideQuotes) {
  const auto records = parse_csv("path,text\n\"a,b.wav\",\"he said \"\"no\"\"\nand left\"\nc.wav,\n", "t.csv");
  ASSERT_EQ(records.size(), 3u);
  EXPECT_THAT(records[0].fields, ElementsAre("path", "text"));
  EXPECT_THAT(records[1].fields, ElementsAre("a,b.wav", "he said \"no\"\nand left"));
  EXPECT_THAT(records[2].fields, ElementsAre("c.wav", ""));
  EXPECT_EQ(records[1].line, 2u);
  EXPECT_EQ(records[2].line, 4u);  // the quoted newline counts
}

TEST(Csv, TakesWindowsLinesAByteOrderMarkAndNoNewlineAtTheEnd) {
  const auto records = parse_csv(
      "\xEF\xBB\xBF"
      "a,b\r\n\r\n1,2\r\n3,\"4\"",
      "t.csv");
  ASSERT_EQ(records.size(), 3u);
  EXPECT_THAT(records[0].fields, ElementsAre("a", "b"));
  EXPECT_THAT(records[1].fields, ElementsAre("1", "2"));
  EXPECT_EQ(records[1].line, 3u);
  EXPECT_THAT(records[2].fields, ElementsAre("3", "4"));
}

TEST(Csv, HasEmptyFieldsAtBothEnds) {
  EXPECT_THAT(parse_csv(",,\n", "t.csv").at(0).fields, ElementsAre("", "", ""));
  EXPECT_THAT(parse_csv("a,", "t.csv").at(0).fields, ElementsAre("a", ""));
  EXPECT_TRUE(parse_csv("", "t.csv").empty());
}

TEST(Csv, NamesTheLineOfAnOpenQuote) {
  const auto error = error_of([] { parse_csv("a,b\n1,\"two\nthree\n", "t.csv"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kInput);
  EXPECT_THAT(error->what(), HasSubstr("t.csv:2: opens a quote"));
  EXPECT_TRUE(error_of([] { parse_csv("\"a\"b\n", "t.csv"); }));
}

TEST(Tsv, TakesQuotesLiterally) {
  const auto records = parse_tsv("path\ttext\nx.mp3\tsay \"hi\nY.mp3\t\n");
  ASSERT_EQ(records.size(), 3u);
  EXPECT_THAT(records[1].fields, ElementsAre("x.mp3", "say \"hi"));
  EXPECT_THAT(records[2].fields, ElementsAre("Y.mp3", ""));
}

}  // namespace
}  // namespace sori
