#include "text/korean.h"

#include <set>

#include "base/file.h"
#include "base/rng.h"
#include "base/unicode.h"

namespace sori {
namespace {

std::vector<std::string_view> columns(std::string_view line) {
  std::vector<std::string_view> out;
  for (std::size_t tab; (tab = line.find('\t')) != std::string_view::npos; line.remove_prefix(tab + 1))
    out.push_back(line.substr(0, tab));
  out.push_back(line);
  return out;
}

// Every line of the table, both texts: id, raw, pronunciation, spelling, the rule behind it.
TEST(Ksponspeech, ReadsEveryCaseOfTheTable) {
  const std::string table = read_file(Path(SORI_SOURCE_DIR) / "tests/text/kspon_cases.tsv");
  std::set<std::string_view> ids;
  for (const std::string_view line : split_lines(table)) {
    const auto cell = columns(line);
    ASSERT_EQ(cell.size(), 5u) << line;
    if (cell[0] == "id") continue;
    const KsponTranscript t = parse_ksponspeech(cell[1]);
    EXPECT_EQ(t.pronunciation, cell[2]) << line;
    EXPECT_EQ(t.spelling, cell[3]) << line;
    ids.insert(cell[0]);
  }
  EXPECT_EQ(ids.size(), 50u);
}

TEST(Ksponspeech, TakesALineOfOrdinarySpeech) {
  const KsponTranscript t = parse_ksponspeech("\uFEFFb/ 아/ 몬 소리야,\t그건 또.  (70%)/(칠 십 퍼센트)\u3000n/\r\n");
  EXPECT_EQ(t.pronunciation, "아 몬 소리야 그건 또 칠 십 퍼센트");
  EXPECT_EQ(t.spelling, "아 몬 소리야 그건 또 70%");
  EXPECT_FALSE(t.malformed || t.unknown || t.digit || t.latin || t.empty);
}

TEST(Ksponspeech, FlagsPairsThatAreNotStrict) {
  for (const char* line : {"(3시) / (세 시)", "(3시)?(세 시)", "(3시)(세 시)", "()/(세 시)", "(3시)/( )",
                           "(3시)/(세 시", "아 (웃음)", "(뭐 (뭔))/(모 몬)", "3시)", "(3시) (세 시)", "(3시)//(세 시)"})
    EXPECT_TRUE(parse_ksponspeech(line).malformed) << line;
  EXPECT_FALSE(parse_ksponspeech("(3시)/(세 시)(1분)/(일 분)").malformed);
}

TEST(Ksponspeech, ResolvesPairsWithBlanksRoundTheSlash) {
  const KsponTranscript t = parse_ksponspeech("(3시) / (세 시)에");
  EXPECT_EQ(t.spelling, "3시에");
  EXPECT_EQ(t.pronunciation, "세 시에");
}

TEST(Ksponspeech, KeepsTheWordsOfALoneParenthesis) {
  EXPECT_EQ(parse_ksponspeech("아 (웃음) 진짜 그래").spelling, "아 웃음 진짜 그래");
  EXPECT_EQ(parse_ksponspeech("(뭐 (뭔))/(모 몬) 소리야").pronunciation, "뭐 뭔 모 몬 소리야");
}

TEST(Ksponspeech, FlagsSpeechNobodyUnderstood) {
  const KsponTranscript t = parse_ksponspeech("그건 u/ 아니야");
  EXPECT_TRUE(t.unknown);
  EXPECT_EQ(t.spelling, "그건 아니야");
  EXPECT_FALSE(parse_ksponspeech("그건 n/ 아니야").unknown);
  EXPECT_FALSE(parse_ksponspeech("menu/ 아니야").unknown);
}

TEST(Ksponspeech, FlagsDigitsAndLatinThatWillBeSpoken) {
  EXPECT_TRUE(parse_ksponspeech("100명이 왔어").digit);
  EXPECT_FALSE(parse_ksponspeech("(100명)/(백 명)이 왔어").digit);
  EXPECT_TRUE(parse_ksponspeech("KBS 뉴스").latin);
  EXPECT_TRUE(parse_ksponspeech("ＫＢＳ 뉴스").latin);
  EXPECT_FALSE(parse_ksponspeech("(KBS)/(케이비에스) 뉴스 b/").latin);
}

TEST(Ksponspeech, FlagsLinesWithoutSpeech) {
  for (const char* line : {"", " \t", "b/ n/", "u/", ". , ?", "(+)/(네)"})
    EXPECT_TRUE(parse_ksponspeech(line).empty) << line;
  EXPECT_FALSE(parse_ksponspeech("네").empty);
}

TEST(Ksponspeech, ReadsPercentAsTheKnownFilesDo) {
  EXPECT_EQ(parse_ksponspeech("백% 맞아").pronunciation, "백퍼센트 맞아");
  EXPECT_EQ(parse_ksponspeech("백% 맞아", 87797).pronunciation, "백퍼센트 맞아");
  for (const int file : {501006, 502173, 542363})
    EXPECT_EQ(parse_ksponspeech("백% 맞아", file).pronunciation, "백프로 맞아");
  EXPECT_EQ(parse_ksponspeech("백% 맞아", 501006).spelling, "백% 맞아");
  EXPECT_EQ(parse_ksponspeech("c# 코드").pronunciation, "c샾 코드");
  EXPECT_EQ(parse_ksponspeech("c# 코드").spelling, "c# 코드");
}

TEST(Ksponspeech, KeepsTheMarksOfNumbersOnly) {
  EXPECT_EQ(parse_ksponspeech("(1,000,000원)/(백만 원)").spelling, "1000000원");
  EXPECT_EQ(parse_ksponspeech("3,4명").spelling, "3 4명");
  EXPECT_EQ(parse_ksponspeech("1,2345").spelling, "1 2345");
  EXPECT_EQ(parse_ksponspeech("3.14. 끝.3").spelling, "3.14 끝 3");
  EXPECT_EQ(parse_ksponspeech("진짜…그래?!").spelling, "진짜 그래");
}

// Lines of marks, labels, letters and digits in any order: what no table thinks of.
std::string random_line(std::uint64_t seed) {
  static const std::vector<std::string> parts{"(",      ")",      "/",      "(가)/(나)", "(3%)/(삼 프로)",
                                              "+",      "*",      "[",      "]",         " ",
                                              "b/",     "u/",     "n /",    "가",        "각\u0301",
                                              "ㅋ",     "e",      "\u0301", "\u1100",    "\u1161",
                                              "l",      "o",      "3",      "000",       ".",
                                              ",",      "!",      "?",      "…",         "%",
                                              "#",      "-",      "@",      "$",         ":",
                                              "~",      "\"",     "'",      "\uFEFF",    "\u00A0",
                                              "\u037E", "\u212B", "<",      "\u0338",    "=",
                                              "&",      "^",      "\t",     "한국"};
  const Rng rng(seed, Draw::kNoise);
  std::string line;
  for (std::uint64_t i = 0, n = rng.below(0, 14); i < n; ++i) line += parts[rng.below(i + 1, parts.size())];
  return line;
}

TEST(Ksponspeech, IsIdempotentAndLeavesNoMarks) {
  for (std::uint64_t seed = 0; seed < 40000; ++seed) {
    const std::string line = random_line(seed);
    const KsponTranscript t = parse_ksponspeech(line);
    ASSERT_EQ(parse_ksponspeech(t.spelling).spelling, t.spelling) << line;
    ASSERT_EQ(parse_ksponspeech(t.pronunciation).pronunciation, t.pronunciation) << line;
    for (const std::string& text : {t.spelling, t.pronunciation}) {
      ASSERT_EQ(text.find_first_of("()/+*[]!?@$^&=:;~\"'-\t"), std::string::npos) << line;
      ASSERT_EQ(text.find("  "), std::string::npos) << line;
      ASSERT_EQ(nfc(text), text) << line;
      ASSERT_TRUE(text.empty() || (text.front() != ' ' && text.back() != ' ')) << line;
    }
    ASSERT_EQ(t.pronunciation.find_first_of("%#"), std::string::npos) << line;
    ASSERT_EQ(t.empty, t.spelling.empty() || t.pronunciation.empty()) << line;
  }
}

TEST(Ksponspeech, WithoutPairsBothTextsAreTheSameUpToPercentAndSharp) {
  int compared = 0;
  for (std::uint64_t seed = 0; seed < 40000; ++seed) {
    const std::string line = random_line(seed);
    if (line.find_first_of("(%#") != std::string::npos) continue;
    const KsponTranscript t = parse_ksponspeech(line);
    ASSERT_EQ(t.pronunciation, t.spelling) << line;
    ++compared;
  }
  EXPECT_GT(compared, 10000);
}

TEST(Ksponspeech, TakesBytesThatAreNotUtf8) { EXPECT_EQ(parse_ksponspeech("가\xFF나").spelling, "가\uFFFD나"); }

}  // namespace
}  // namespace sori
