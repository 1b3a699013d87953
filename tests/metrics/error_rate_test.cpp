#include "metrics/error_rate.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/rng.h"
#include "base/unicode.h"

namespace sori {
namespace {

ErrorCounts characters(std::string_view reference, std::string_view hypothesis) {
  return count_errors(code_points(reference), code_points(hypothesis));
}

ErrorCounts counts(std::int64_t substitutions, std::int64_t deletions, std::int64_t insertions, std::int64_t length) {
  return {substitutions, deletions, insertions, length};
}

TEST(CountErrors, EqualsCountingByHand) {
  EXPECT_EQ(characters("가나다", "가나다"), counts(0, 0, 0, 3));
  EXPECT_EQ(characters("가나다", "가라다"), counts(1, 0, 0, 3));
  EXPECT_EQ(characters("가나다", "가다"), counts(0, 1, 0, 3));
  EXPECT_EQ(characters("가나다", "가나라다"), counts(0, 0, 1, 3));
  EXPECT_EQ(characters("kitten", "sitting"), counts(2, 0, 1, 6));
  EXPECT_EQ(characters("intention", "execution"), counts(5, 0, 0, 9));
}

TEST(CountErrors, CountsCharactersNotBytes) { EXPECT_EQ(characters("🙂가", "🙃각"), counts(2, 0, 0, 2)); }

TEST(CountErrors, HandlesNothingOnEitherSide) {
  EXPECT_EQ(characters("", ""), counts(0, 0, 0, 0));
  EXPECT_EQ(characters("가나", ""), counts(0, 2, 0, 2));
  EXPECT_EQ(characters("", "가나다"), counts(0, 0, 3, 0));
  EXPECT_EQ(characters("", "").rate(), 0.0);
  EXPECT_EQ(characters("", "가나다").rate(), 3.0);
  EXPECT_EQ(characters("가나", "").rate(), 1.0);
}

TEST(CountErrors, RateGoesAboveOne) { EXPECT_EQ(characters("가", "나다라").rate(), 3.0); }

// Random texts over few letters, where alignments tie most.
std::string random_text(std::uint64_t seed, std::uint64_t longest) {
  const Rng rng(seed, Draw::kNoise);
  std::string out;
  for (std::uint64_t i = 0; i < rng.below(1000, longest + 1); ++i) out += static_cast<char>('a' + rng.below(i, 3));
  return out;
}

TEST(CountErrors, TurnedAroundSwapsDeletionsAndInsertionsInNumber) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const std::string a = random_text(2 * seed, 12), b = random_text(2 * seed + 1, 12);
    const ErrorCounts there = characters(a, b), back = characters(b, a);
    EXPECT_EQ(there.errors(), back.errors()) << a << " " << b;
    EXPECT_EQ(there.insertions - there.deletions, std::ssize(b) - std::ssize(a)) << a << " " << b;
    EXPECT_GE(std::min({there.substitutions, there.deletions, there.insertions}), 0);
    EXPECT_LE(there.errors(), std::max(std::ssize(a), std::ssize(b)));
  }
}

TEST(CountErrors, ObeysTheTriangle) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const std::string a = random_text(3 * seed, 10), b = random_text(3 * seed + 1, 10),
                      c = random_text(3 * seed + 2, 10);
    EXPECT_LE(characters(a, c).errors(), characters(a, b).errors() + characters(b, c).errors())
        << a << " " << b << " " << c;
  }
}

// An alignment as text: equal characters as they are, -said, +heard, said/heard.
std::string alignment(std::string_view reference, std::string_view hypothesis) {
  std::string out;
  for (const Edit& e : align(code_points(reference), code_points(hypothesis))) {
    if (e.kind == EditKind::kDeletion) out += '-';
    if (e.kind == EditKind::kInsertion) out += '+';
    if (e.said != 0) append_utf8(out, e.said);
    if (e.kind == EditKind::kSubstitution) out += '/';
    if (e.heard != 0 && e.kind != EditKind::kEqual) append_utf8(out, e.heard);
  }
  return out;
}

TEST(Align, ShowsWhatBecameOfEachCharacter) {
  EXPECT_EQ(alignment("가나다", "가나다"), "가나다");
  EXPECT_EQ(alignment("가나다라마", "가다라바마"), "가-나다라+바마");
  EXPECT_EQ(alignment("kitten", "sitting"), "k/sitte/in+g");
  EXPECT_EQ(alignment("가나", ""), "-가-나");
  EXPECT_EQ(alignment("", "가나"), "+가+나");
  EXPECT_EQ(alignment("", ""), "");
}

// Both texts can be read from it, and its errors are those that are counted.
TEST(Align, IsWhatCountErrorsCounts) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const std::string a = random_text(2 * seed, 12), b = random_text(2 * seed + 1, 12);
    std::vector<char32_t> said, heard;
    ErrorCounts counted{0, 0, 0, std::ssize(a)};
    for (const Edit& e : align(code_points(a), code_points(b))) {
      if (e.said != 0) said.push_back(e.said);
      if (e.heard != 0) heard.push_back(e.heard);
      counted.substitutions += e.kind == EditKind::kSubstitution;
      counted.deletions += e.kind == EditKind::kDeletion;
      counted.insertions += e.kind == EditKind::kInsertion;
      EXPECT_EQ(e.said == e.heard, e.kind == EditKind::kEqual) << a << " " << b;
    }
    EXPECT_EQ(to_utf8(said), a);
    EXPECT_EQ(to_utf8(heard), b);
    EXPECT_EQ(counted, characters(a, b)) << a << " " << b;
  }
}

TEST(ScorePair, CountsLettersBlanksAndWordsApart) {
  const Score s = score_pair("오늘은 날씨가, 좋다.", "오늘 은 날씨가 좋아");
  EXPECT_EQ(s.cer, counts(1, 0, 0, 8));
  EXPECT_EQ(s.cer_with_blanks, counts(1, 0, 1, 10));
  EXPECT_EQ(s.wer, counts(2, 0, 1, 3));
}

TEST(ScorePair, PunctuationAndCaseDoNotCount) {
  const Score s = score_pair("KBS 뉴스, 시작!", "kbs  뉴스 시작");
  EXPECT_EQ(s.cer.errors() + s.cer_with_blanks.errors() + s.wer.errors(), 0);
  EXPECT_EQ(s.wer.reference_length, 3);
}

TEST(ScorePair, OfAllPunctuationIsEmpty) {
  const Score s = score_pair("...", "네");
  EXPECT_EQ(s.cer, counts(0, 0, 1, 0));
  EXPECT_EQ(s.wer, counts(0, 0, 1, 0));
}

TEST(Score, OfACorpusIsItsErrorsOverItsLength) {
  Score corpus = score_pair("가나다라마바사아", "가나다라마바사자");
  corpus += score_pair("가나", "다라");
  EXPECT_EQ(corpus.cer, counts(3, 0, 0, 10));
  EXPECT_EQ(corpus.cer.rate(), 0.3);  // the mean of the two rates would be 0.5625
  EXPECT_EQ(corpus.wer, counts(2, 0, 0, 2));
  EXPECT_EQ(corpus.cer_with_blanks.errors(), 3);
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

// jiwer strips the ends of a text before it counts characters.
std::string_view strip(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

ErrorCounts from_json(const Json& j) {
  const auto get = [&](const char* key) { return j.at(key).get<std::int64_t>(); };
  return counts(get("substitutions"), get("deletions"), get("insertions"),
                get("hits") + get("substitutions") + get("deletions"));
}

class GoldenErrorRates : public testing::Test {
 protected:
  Json golden_ = read_json(Path(SORI_SOURCE_DIR) / "tests/golden/error_rates.json");
};

TEST_F(GoldenErrorRates, EqualJiwersOnEveryPair) {
  ASSERT_GE(golden_.at("cases").size(), 200u);
  for (const Json& c : golden_.at("cases")) {
    const auto reference = c.at("reference").get<std::string>(), hypothesis = c.at("hypothesis").get<std::string>();
    const ErrorCounts letters = score_pair(reference, hypothesis).cer;
    EXPECT_EQ(letters, from_json(c.at("letters"))) << reference << " | " << hypothesis;
    EXPECT_DOUBLE_EQ(letters.rate(), c.at("letters").at("rate").get<double>());
    EXPECT_EQ(characters(strip(reference), strip(hypothesis)), from_json(c.at("characters")))
        << reference << " | " << hypothesis;
    EXPECT_EQ(count_errors(split(reference), split(hypothesis)), from_json(c.at("words")))
        << reference << " | " << hypothesis;
  }
}

TEST_F(GoldenErrorRates, EqualJiwersOnTheWholeCorpus) {
  Score corpus;
  for (const Json& c : golden_.at("cases"))
    corpus += score_pair(c.at("reference").get<std::string>(), c.at("hypothesis").get<std::string>());
  EXPECT_EQ(corpus.cer, from_json(golden_.at("corpus").at("letters")));
  EXPECT_DOUBLE_EQ(corpus.cer.rate(), golden_.at("corpus").at("letters").at("rate").get<double>());
}

}  // namespace
}  // namespace sori
