#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/corpus_files.h"

namespace sori {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using ::testing::Pair;
using testing::TemporaryFolder;
using ::testing::UnorderedElementsAre;

Corpus read(const Path& source) { return read_ksponspeech(source, no_progress()); }

TEST(KsponSpeech, ReadsPcmBesideCp949Text) {
  TemporaryFolder t;
  put(t / "KsponSpeech_01/KsponSpeech_0001/KsponSpeech_000001.pcm", "ab");
  put(t / "KsponSpeech_01/KsponSpeech_0001/KsponSpeech_000001.txt", kMon949 + "\r\n");
  put(t / "KsponSpeech_01/KsponSpeech_0001/KsponSpeech_000002.pcm", "ab");
  put(t / "KsponSpeech_01/KsponSpeech_0001/KsponSpeech_000002.txt", kBwelk949);
  const Corpus corpus = read(t.path());
  EXPECT_THAT(texts(corpus),
              UnorderedElementsAre(Pair("KsponSpeech_01/KsponSpeech_0001/KsponSpeech_000001", "몬 소리야\r\n"),
                                   Pair("KsponSpeech_01/KsponSpeech_0001/KsponSpeech_000002", "뷁")));
  EXPECT_EQ(corpus.notes["encodings"][".txt"]["encoding"], "CP949");
  EXPECT_TRUE(corpus.rejected.empty()) << rejections(corpus.rejected);
  EXPECT_EQ(corpus.utterances[0].split, "");
}

TEST(KsponSpeech, DecidesTheEncodingForTheTreeAndFlagsTheOthers) {
  TemporaryFolder t;
  const std::pair<const char*, std::string> files[] = {
      {"a", kMon949}, {"b", kHello949}, {"c", kJjang949}, {"d", "안녕"}, {"e", "\xFF\xFF"}};
  for (const auto& [name, bytes] : files) {
    put(t / (std::string(name) + ".pcm"), "ab");
    put(t / (std::string(name) + ".txt"), bytes);
  }
  const Corpus corpus = read(t.path());
  EXPECT_THAT(texts(corpus), UnorderedElementsAre(Pair("a", "몬 소리야"), Pair("b", "안녕하세요"), Pair("c", "짱"),
                                                  Pair("d", "안녕")));
  for (const RawUtterance& u : corpus.utterances) EXPECT_EQ(u.other_encoding, u.id == "d") << u.id;
  EXPECT_EQ(rejections(corpus.rejected), "e transcript_encoding");
}

TEST(KsponSpeech, ResolvesListsAsTheyAreUnpacked) {
  TemporaryFolder t;
  put(t / "voice/KsponSpeech_01/KsponSpeech_0001/KsponSpeech_000001.pcm", "ab");  // below another folder
  put(t / "test/eval_clean/KsponSpeech_E00001.pcm", "ab");                        // without KsponSpeech_eval/
  put(t / "scripts/train.trn", "KsponSpeech_01/KsponSpeech_0001/KsponSpeech_000001.pcm :: 몬 소리야 :: 뭐\n");
  put(t / "scripts/eval_clean.trn", "\xEF\xBB\xBFKsponSpeech_eval/eval_clean/KsponSpeech_E00001.pcm :: 안녕\r\n\r\n");
  const Corpus corpus = read(t.path());
  EXPECT_TRUE(corpus.rejected.empty()) << rejections(corpus.rejected);
  ASSERT_EQ(corpus.utterances.size(), 2u);
  EXPECT_EQ(corpus.utterances[0].audio, "test/eval_clean/KsponSpeech_E00001.pcm");
  EXPECT_EQ(corpus.utterances[0].split, "eval_clean");
  EXPECT_EQ(corpus.utterances[0].text, "안녕");
  EXPECT_EQ(corpus.utterances[1].split, "train");
  EXPECT_EQ(corpus.utterances[1].text, "몬 소리야 :: 뭐");  // only the first separator cuts
  EXPECT_EQ(corpus.notes["encodings"][".trn"]["encoding"], "UTF-8");
}

TEST(KsponSpeech, ChoosesTheCopyWhoseFoldersTheListNames) {
  TemporaryFolder t;
  put(t / "eval_clean/E1.pcm", "ab");  // the list's path without its first folder
  put(t / "copies/E1.pcm", "ab");
  put(t / "deep/old/E2.pcm", "ab");  // the list's whole path is the end of this one
  put(t / "old/E2.pcm", "ab");       // and this one's is the nearer
  put(t / "eval_clean.trn", "KsponSpeech_eval/eval_clean/E1.pcm :: 가\nold/E2.pcm :: 나\ndeep/old/E2.pcm :: 다\n");
  const Corpus corpus = read(t.path());
  ASSERT_EQ(corpus.utterances.size(), 3u) << rejections(corpus.rejected);
  EXPECT_EQ(corpus.utterances[0].audio, "eval_clean/E1.pcm");
  EXPECT_EQ(corpus.utterances[1].audio, "old/E2.pcm");
  EXPECT_EQ(corpus.utterances[2].audio, "deep/old/E2.pcm");
}

TEST(KsponSpeech, NamesTheLineOfAListThatIsWrong) {
  TemporaryFolder t;
  put(t / "a.pcm", "ab");
  put(t / "x/same.pcm", "ab");
  put(t / "y/same.pcm", "ab");
  put(t / "train.trn",
      "a.pcm :: 가\na.pcm: 나\n\n :: 다\ngone.pcm :: 라\nz/same.pcm :: 마\n../a.pcm\nx/same.pcm :: \xFF\xFF\n");
  const Corpus corpus = read(t.path());
  EXPECT_EQ(
      rejections(corpus.rejected),
      "train.trn:2 bad_line; train.trn:4 bad_line; gone audio_missing; z/same audio_ambiguous; train.trn:7 bad_line; "
      "x/same transcript_encoding");
  EXPECT_THAT(corpus.rejected[2].detail, HasSubstr("train.trn:5"));
  EXPECT_THAT(texts(corpus), UnorderedElementsAre(Pair("a", "가")));
}

TEST(KsponSpeech, FindsAnotherExtensionOnlyWhereItIsTheOnlyOne) {
  TemporaryFolder t;
  put(t / "a.flac", "ab");
  put(t / "b.pcm", "ab");
  put(t / "b.wav", "ab");
  put(t / "train.trn", "a.pcm :: 가\nb.pcm :: 나\n");
  const Corpus corpus = read(t.path());
  ASSERT_EQ(corpus.utterances.size(), 2u) << rejections(corpus.rejected);
  EXPECT_EQ(corpus.utterances[0].audio, "a.flac");
  EXPECT_EQ(corpus.utterances[1].audio, "b.pcm");
}

TEST(KsponSpeech, ObeysATrainingListAndCountsWhatItLeavesOut) {
  TemporaryFolder t;
  for (const char* name : {"a", "b", "c"}) {
    put(t / (std::string(name) + ".pcm"), "ab");
    put(t / (std::string(name) + ".txt"), kMon949);
  }
  put(t / "train.trn", "a.pcm :: 가\n");
  const Corpus listed = read(t.path());
  EXPECT_THAT(texts(listed), UnorderedElementsAre(Pair("a", "가")));
  EXPECT_EQ(listed.notes["sound_not_listed"], 2);

  std::filesystem::rename(t / "train.trn", t / "eval_clean.trn");  // lists only an evaluation: the rest has its .txt
  const Corpus both = read(t.path());
  EXPECT_THAT(texts(both), UnorderedElementsAre(Pair("a", "가"), Pair("b", "몬 소리야"), Pair("c", "몬 소리야")));
}

TEST(KsponSpeech, MayBeOneList) {
  TemporaryFolder t;
  put(t / "a.pcm", "ab");
  put(t / "b.pcm", "ab");
  put(t / "dev.trn", "a.pcm :: 가\n");
  put(t / "train.trn", "b.pcm :: 나\n");
  const Corpus corpus = read(t / "dev.trn");
  EXPECT_THAT(texts(corpus), UnorderedElementsAre(Pair("a", "가")));
  EXPECT_EQ(corpus.utterances[0].split, "dev");
  EXPECT_EQ(corpus.root, t.path());
}

TEST(KsponSpeech, CountsSoundAndTranscriptsThatAreAlone) {
  TemporaryFolder t;
  put(t / "a.pcm", "ab");
  put(t / "b.txt", kMon949);
  put(t / "eval_other/c.pcm", "ab");
  const Corpus corpus = read(t.path());
  EXPECT_EQ(rejections(corpus.rejected), "a transcript_missing; eval_other/c transcript_missing; b audio_missing");
  EXPECT_EQ(corpus.rejected[1].split, "eval_other");
}

TEST(KsponSpeech, RejectsTranscriptsThatNobodySpoke) {
  TemporaryFolder t;
  put(t / "a.pcm", "ab");
  put(t / "a.txt", std::string((64 << 10) + 1, 'x'));
  put(t / "b.pcm", "ab");
  put(t / "train.trn", "b.pcm :: " + std::string(64 << 10, 'x') + "\n");
  EXPECT_EQ(rejections(read(t.path()).rejected), "b transcript_too_long");
  std::filesystem::remove(t / "train.trn");
  EXPECT_EQ(rejections(read(t.path()).rejected), "b transcript_missing; a transcript_unreadable");
}

}  // namespace
}  // namespace sori
