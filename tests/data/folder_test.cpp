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

TEST(Folder, PairsSoundWithTextAndTakesFoldersAsSplits) {
  TemporaryFolder t;
  put(t / "a.wav", "x");
  put(t / "a.txt", "가\n나\n");
  put(t / "train/deep/b.FLAC", "x");
  put(t / "train/deep/b.txt", "다");
  put(t / "Validation/c.mp3", "x");
  put(t / "Validation/c.txt", "라");
  put(t / "test/d.ogg", "x");
  put(t / "test/d.txt", "마");
  put(t / "test/notes.md", "no sound, no transcript");
  const Corpus corpus = read_folder(t.path(), no_progress());
  std::map<std::string, std::string> splits;
  for (const RawUtterance& u : corpus.utterances) splits[u.id] = u.split;
  EXPECT_THAT(splits, UnorderedElementsAre(Pair("a", ""), Pair("train/deep/b", "train"), Pair("Validation/c", "dev"),
                                           Pair("test/d", "eval")));
  EXPECT_EQ(texts(corpus).at("a"), "가\n나\n");
  EXPECT_TRUE(corpus.rejected.empty()) << rejections(corpus.rejected);
}

TEST(Folder, ReadsKoreanWindowsTextToo) {
  TemporaryFolder t;
  put(t / "a.wav", "x");
  put(t / "a.txt", kHello949);
  EXPECT_EQ(texts(read_folder(t.path(), no_progress())).at("a"), "안녕하세요");
}

TEST(Folder, KeepsTheBytesOfNastyNames) {
  TemporaryFolder t;
  const std::string names[] = {
      "-x", "a\nb", "$(touch hacked)", "\xC8\xB8\xC0\xC7", "quote\"'", std::string(250, 'n'), " ", "twin", "TWIN"};
  for (const std::string& name : names) {
    put(t / (name + ".wav"), "x");
    put(t / (name + ".txt"), "가");
  }
  const Corpus corpus = read_folder(t.path(), no_progress());
  ASSERT_EQ(corpus.utterances.size(), std::size(names)) << rejections(corpus.rejected);
  for (const RawUtterance& u : corpus.utterances) {
    EXPECT_TRUE(std::filesystem::exists(t / u.audio)) << u.id;
    EXPECT_EQ(u.id, Json::parse(Json(u.id).dump()).get<std::string>());  // can stand in a JSON file
    EXPECT_EQ(u.id.find('\n'), std::string::npos);
  }
  EXPECT_FALSE(std::filesystem::exists(t / "hacked"));
}

TEST(Format, IsGuessedFromWhatLiesThere) {
  TemporaryFolder t;
  put(t / "kspon/a.pcm", "x");
  put(t / "lists/train.trn", "x");
  put(t / "plain/a.wav", "x");
  put(t / "plain/a.txt", "x");
  put(t / "plain/other.csv", "x");
  put(t / "meta/metadata.csv", "x");
  put(t / "meta/a.wav", "x");
  put(t / "meta/a.txt", "x");
  put(t / "table/all.jsonl", "x");
  put(t / "table/a.wav", "x");
  EXPECT_EQ(guess_format(t / "kspon"), "ksponspeech");
  EXPECT_EQ(guess_format(t / "lists"), "ksponspeech");
  EXPECT_EQ(guess_format(t / "lists/train.trn"), "ksponspeech");
  EXPECT_EQ(guess_format(t / "plain"), "folder");
  EXPECT_EQ(guess_format(t / "meta"), "table");
  EXPECT_EQ(guess_format(t / "table"), "table");
  EXPECT_EQ(guess_format(t / "table/all.jsonl"), "table");
}

TEST(Format, ThatIsUnknownSaysWhatWasLookedFor) {
  TemporaryFolder t;
  put(t / "empty/a.wav", "x");
  const auto nothing = error_of([&] { guess_format(t / "empty"); });
  ASSERT_TRUE(nothing);
  EXPECT_EQ(nothing->kind(), ErrorKind::kInput);
  EXPECT_THAT(nothing->what(), HasSubstr("put x.txt beside each x.wav"));
  const auto gone = error_of([&] { guess_format(t / "gone"); });
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->kind(), ErrorKind::kIo);
  EXPECT_EQ(error_of([&] { guess_format(t / "empty/a.wav"); })->kind(), ErrorKind::kInput);
}

}  // namespace
}  // namespace sori
