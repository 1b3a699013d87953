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

Corpus read(const Path& source, CorpusOptions options = {}) { return read_table(source, options); }

TEST(Table, ReadsCsvWithQuotesAndGuessesItsColumns) {
  TemporaryFolder t;
  put(t / "t.csv", "file_name,speaker,transcription\na.wav,1,\"가, 나\"\n\"b,1.wav\",2,\"\"\"다\"\"\"\nc.wav,라\n");
  const Corpus corpus = read(t / "t.csv");
  EXPECT_THAT(texts(corpus), UnorderedElementsAre(Pair("a", "가, 나"), Pair("b,1", "\"다\"")));
  EXPECT_EQ(corpus.utterances[1].audio, "b,1.wav");
  EXPECT_EQ(rejections(corpus.rejected), "t.csv:4 bad_line");
  EXPECT_EQ(corpus.root, t.path());
}

TEST(Table, ReadsKoreanWindowsCsv) {
  TemporaryFolder t;
  put(t / "t.csv", "path,sentence\na.wav," + kHello949 + "\nb.wav," + kJjang949 + "\nc.wav,\xFF\xFF\n");
  const Corpus corpus = read(t / "t.csv");
  EXPECT_THAT(texts(corpus), UnorderedElementsAre(Pair("a", "안녕하세요"), Pair("b", "짱")));
  EXPECT_EQ(corpus.notes["encodings"]["t.csv"]["encoding"], "CP949");
  EXPECT_EQ(rejections(corpus.rejected), "t.csv:4 transcript_encoding");
}

TEST(Table, ReadsNeMoLinesAndCutsWhereTheyHaveAnOffset) {
  TemporaryFolder t;
  put(t / "t.jsonl",
      R"({"audio_filepath": "a.wav", "duration": 3.5, "text": "가"})"
      "\n"
      R"({"audio_filepath": "/x/b.wav", "duration": 1.5, "offset": 2, "text": "나", "lang": "ko", "split": "test"})"
      "\n\n"
      R"({"audio_filepath": "c.wav")"
      "\n"
      R"([1])"
      "\n"
      R"({"audio_filepath": 7, "text": "다"})"
      "\n"
      R"({"text": "라"})"
      "\n");
  const Corpus corpus = read(t / "t.jsonl");
  EXPECT_EQ(rejections(corpus.rejected), "t.jsonl:4 bad_line; t.jsonl:5 bad_line; t.jsonl:7 bad_line");
  ASSERT_EQ(corpus.utterances.size(), 3u);
  EXPECT_EQ(corpus.utterances[0].end, -1);  // a duration alone describes the whole file
  EXPECT_EQ(corpus.utterances[1].id, "/x/b@2-3.5");
  EXPECT_EQ(corpus.utterances[1].start, 2);
  EXPECT_EQ(corpus.utterances[1].end, 3.5);
  EXPECT_EQ(corpus.utterances[1].language, "ko");
  EXPECT_EQ(corpus.utterances[1].split, "eval");
}

TEST(Table, RejectsTimesThatAreNoRange) {
  TemporaryFolder t;
  put(t / "t.tsv",
      "audio\ttext\tstart\tend\na.wav\t가\t1\t2\na.wav\t나\t2\t1\na.wav\t다\t-1\t2\na.wav\t라\tx\t2\na.wav\t마\t3\t\na."
      "wav\t바\t1e999\t\n"
      "a.wav\t사\t\t0.5\na.wav\t아\tnan\t2\na.wav\t자\t1\tinf\n");
  const Corpus corpus = read(t / "t.tsv");
  EXPECT_THAT(texts(corpus), UnorderedElementsAre(Pair("a@1-2", "가"), Pair("a@3", "마"), Pair("a@0-0.5", "사")));
  EXPECT_EQ(rejections(corpus.rejected),
            "t.tsv:3 bad_times; t.tsv:4 bad_times; t.tsv:5 bad_times; t.tsv:7 bad_times; t.tsv:9 bad_times; t.tsv:10 "
            "bad_times");
}

TEST(Table, ObeysNamedColumns) {
  TemporaryFolder t;
  put(t / "t.csv", "파일,말,text\na.wav,가,나\n");
  const Corpus corpus = read(t / "t.csv", {"table", "파일", "말"});
  EXPECT_THAT(texts(corpus), UnorderedElementsAre(Pair("a", "가")));
  const auto missing = error_of([&] { read(t / "t.csv"); });
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->kind(), ErrorKind::kInput);
  EXPECT_THAT(missing->what(), HasSubstr("3 fields"));
  EXPECT_THAT(missing->what(), HasSubstr("--audio-column"));
  EXPECT_THAT(error_of([&] { read(t / "t.csv", {"table", "파일", "x"}); })->what(), HasSubstr("--text-column"));
}

TEST(Table, WithoutALineOfNamesPutsNoTranscriptIntoTheError) {
  TemporaryFolder t;
  put(t / "korean.csv", "a.wav,비밀\nb.wav,가\n");
  put(t / "english.tsv", "a.wav\tsecret words\nb.wav\tmore\n");
  put(t / "lines.jsonl", R"({"secret words": 1})"
                         "\n");
  for (const char* file : {"korean.csv", "english.tsv", "lines.jsonl"}) {
    const std::string message = testing::message_of([&] { read(t / file); });
    EXPECT_THAT(message, HasSubstr("has no column file_name, audio, audio_filepath, path for the audio")) << file;
    EXPECT_THAT(message, ::testing::Not(::testing::AnyOf(HasSubstr("비밀"), HasSubstr("secret")))) << file;
  }
  put(t / "named.csv", "sound,words_said\na.wav,가\n");
  EXPECT_THAT(testing::message_of([&] { read(t / "named.csv"); }), HasSubstr("its columns are: sound, words_said;"));
}

TEST(Table, RefusesTwoColumnsOfOneName) {
  TemporaryFolder t;
  put(t / "t.csv", "path,text,split,text\na.wav,가,train,나\n");
  const auto error = error_of([&] { read(t / "t.csv"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kInput);
  EXPECT_THAT(error->what(), HasSubstr("columns 2 and 4 have the same name"));
}

TEST(Table, MayNameAnyFileAndCountsThoseElsewhere) {
  TemporaryFolder t;
  put(t / "c/t.csv",
      "path,text\na.wav,가\nb/../a.wav,나\n../a.wav,다\n/x/a.wav,라\n" + (t / "c/d.wav").native() + ",마\n");
  const Corpus corpus = read(t / "c/t.csv");
  EXPECT_EQ(corpus.utterances.size(), 5u);
  EXPECT_EQ(corpus.notes["sound_elsewhere"], 2);
}

TEST(Table, TakesOneTableASplitFromAFolder) {
  TemporaryFolder t;
  put(t / "train.tsv", "path\tsentence\na.mp3\t가\n");
  put(t / "test.tsv", "path\tsentence\nb.mp3\t나\n");
  put(t / "validated.tsv", "path\tsentence\nc.mp3\t다\n");
  std::filesystem::rename(t / "test.tsv", t / "lists");
  std::filesystem::create_symlink("lists", t / "test.tsv");
  const Corpus corpus = read(t.path());
  EXPECT_THAT(texts(corpus), UnorderedElementsAre(Pair("a", "가"), Pair("b", "나")));
  EXPECT_EQ(corpus.utterances[0].split, "eval");
  EXPECT_EQ(corpus.utterances[1].split, "train");
  EXPECT_EQ(corpus.notes["tables_not_read"], Json{"validated.tsv"});
  EXPECT_EQ(corpus.notes["links_followed"], 1);
}

TEST(Table, TakesNoEmptyFile) {
  TemporaryFolder t;
  put(t / "t.csv", "");
  EXPECT_EQ(error_of([&] { read(t / "t.csv"); })->kind(), ErrorKind::kInput);
  put(t / "two/a.csv", "x");
  put(t / "two/b.csv", "x");
  EXPECT_THAT(error_of([&] { read(t / "two"); })->what(), HasSubstr("2 tables"));
}

}  // namespace
}  // namespace sori
