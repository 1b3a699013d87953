#include "text/prompt.h"

#include "support/tiny_tokenizer.h"

namespace sori {
namespace {

using test::tiny_tokenizer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// In the tiny tokenizer without merges the special tokens start at 256.
constexpr int kEnd = 256, kStart = 257, kEnglish = 258, kKorean = 259, kTranslate = 260, kTranscribe = 261, kPrev = 263,
              kNoSpeech = 264, kNoTimestamps = 265;

std::string message_of(const auto& call, ErrorKind kind) {
  try {
    call();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), kind);
    return e.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

TEST(SpecialTokens, ComeFromTheTokenizer) {
  const SpecialTokens s = special_tokens(tiny_tokenizer());
  EXPECT_EQ(s.start_of_transcript, kStart);
  EXPECT_EQ(s.end_of_text, kEnd);
  EXPECT_EQ(s.transcribe, kTranscribe);
  EXPECT_EQ(s.translate, kTranslate);
  EXPECT_EQ(s.start_of_prev, kPrev);
  EXPECT_EQ(s.no_speech, kNoSpeech);
  EXPECT_EQ(s.no_timestamps, kNoTimestamps);
  EXPECT_EQ(s.timestamp_begin, kNoTimestamps + 1);
}

TEST(SpecialTokens, KnowTheOlderNameOfNoSpeech) {
  std::vector<std::string> names = test::kTinySpecials;
  std::ranges::replace(names, "<|nospeech|>", "<|nocaptions|>");
  EXPECT_EQ(special_tokens(Tokenizer::parse(test::tiny_tokenizer_json({}, names).dump(), "tiny")).no_speech, kNoSpeech);
  std::erase(names, "<|nocaptions|>");
  EXPECT_EQ(special_tokens(Tokenizer::parse(test::tiny_tokenizer_json({}, names).dump(), "tiny")).no_speech, -1);
}

TEST(SpecialTokens, MissingInATokenizerThatIsNotWhispers) {
  const Tokenizer t = Tokenizer::parse(test::tiny_tokenizer_json({}, {"<|endoftext|>"}).dump(), "tiny");
  EXPECT_THAT(message_of([&] { special_tokens(t); }, ErrorKind::kInput), HasSubstr("<|startoftranscript|>"));
}

TEST(Prompt, NamesLanguageTaskAndNoTimestamps) {
  const Tokenizer t = tiny_tokenizer();
  EXPECT_THAT(prompt_tokens(t, "ko", "transcribe"), ElementsAre(kStart, kKorean, kTranscribe, kNoTimestamps));
  EXPECT_THAT(prompt_tokens(t, "English", "translate"), ElementsAre(kStart, kEnglish, kTranslate, kNoTimestamps));
}

TEST(Prompt, RefusesAnUnknownLanguageAndNamesTheKnown) {
  const Tokenizer t = tiny_tokenizer();
  const std::string unknown = message_of([&] { prompt_tokens(t, "klingon", "transcribe"); }, ErrorKind::kUsage);
  EXPECT_THAT(unknown, HasSubstr("klingon"));
  EXPECT_THAT(unknown, HasSubstr("en (english), ko (korean)"));
  // A language of Whisper's for which this model has no token.
  EXPECT_THAT(message_of([&] { prompt_tokens(t, "yue", "transcribe"); }, ErrorKind::kUsage), HasSubstr("ko (korean)"));
}

TEST(Prompt, RefusesAnUnknownTask) {
  const Tokenizer t = tiny_tokenizer();
  EXPECT_THAT(message_of([&] { prompt_tokens(t, "ko", "sing"); }, ErrorKind::kUsage),
              HasSubstr("transcribe or translate"));
}

TEST(Labels, TeachTheTextAndTheEndOnly) {
  const Tokenizer t = tiny_tokenizer();
  const Labels l = make_labels(t, prompt_tokens(t, "ko", "transcribe"), "hi");
  EXPECT_THAT(l.input, ElementsAre(kStart, kKorean, kTranscribe, kNoTimestamps, ' ', 'h', 'i'));
  EXPECT_THAT(l.target, ElementsAre(kNoLoss, kNoLoss, kNoLoss, ' ', 'h', 'i', kEnd));
}

TEST(Labels, TeachThePromptTooWhenAsked) {
  const Tokenizer t = tiny_tokenizer();
  const Labels l = make_labels(t, prompt_tokens(t, "ko", "transcribe"), "hi", true);
  EXPECT_THAT(l.target, ElementsAre(kKorean, kTranscribe, kNoTimestamps, ' ', 'h', 'i', kEnd));
}

TEST(Labels, OfSilenceAreTheEnd) {
  const Tokenizer t = tiny_tokenizer();
  const Labels l = make_labels(t, {kStart, kKorean}, "");
  EXPECT_THAT(l.input, ElementsAre(kStart, kKorean));
  EXPECT_THAT(l.target, ElementsAre(kNoLoss, kEnd));
}

TEST(Labels, TakeTokensSpelledInATranscriptAsText) {
  const Tokenizer t = tiny_tokenizer();
  const Labels l = make_labels(t, {kStart}, "<|endoftext|>");
  EXPECT_EQ(l.input.size(), 1 + 1 + std::string("<|endoftext|>").size());
  EXPECT_EQ(std::ranges::count(l.target, kEnd), 1);
}

}  // namespace
}  // namespace sori
