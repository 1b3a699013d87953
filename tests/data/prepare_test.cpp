#include "data/prepare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "data/corpus_files.h"
#include "data/dataset.h"
#include "support/tiny_tokenizer.h"

namespace sori {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TemporaryFolder;

PrepareOptions options_for(const std::vector<Path>& paths) {
  PrepareOptions options;
  for (const Path& p : paths) options.paths.push_back(p.native());
  return options;
}

PrepareReport run(const PrepareOptions& options) { return prepare(options, no_progress()); }

// A sound file with its transcript.
void put_pair(const Path& stem, double seconds, const std::string& text) {
  put_pcm(stem.native() + ".pcm", seconds);
  put(stem.native() + ".txt", text);
}

// A corpus of n different sentences in the layout that has no splits.
void put_sentences(const Path& root, int n) {
  for (int i = 0; i < n; ++i)
    put_pair(root / fmt::format("KsponSpeech_{:06}", i + 1), 0.05,
             fmt::format("문장 {}/", std::string(i % 9 + 1, 'a' + i % 26)));
}

std::map<std::string, std::string> reasons(const Path& dataset) {
  std::map<std::string, std::string> out;
  for (const Json& line : json_lines(dataset / "rejected.jsonl")) out[line["id"]] = line["reason"];
  return out;
}

std::vector<std::string> ids(const Split& split) {
  std::vector<std::string> out;
  for (const Utterance& u : split.utterances) out.push_back(u.id);
  return out;
}

TEST(Prepare, WritesNeMoLinesWithBothTextsAndFlags) {
  TemporaryFolder t;
  put_pcm(t / "c/eval/E1.pcm", 0.5, /*odd=*/true);
  put(t / "c/eval_clean.trn", "eval/E1.pcm :: b/ (70%)/(칠 십 퍼센트) KBS 확률\n");
  const PrepareReport report = run(options_for({t / "c", t / "out"}));
  EXPECT_EQ(report.accepted, 1);
  const std::vector<Json> lines = json_lines(t / "out/eval_clean.jsonl");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0], (Json{{"id", "eval/E1"},
                            {"audio_filepath", "eval/E1.pcm"},
                            {"source", 0},
                            {"duration", 0.5},
                            {"text", "칠 십 퍼센트 KBS 확률"},
                            {"raw_text", "b/ (70%)/(칠 십 퍼센트) KBS 확률"},
                            {"spelling", "70% KBS 확률"},
                            {"pronunciation", "칠 십 퍼센트 KBS 확률"},
                            {"flags", {"latin", "odd_bytes"}}}));
  EXPECT_EQ(report.info["splits"]["eval_clean"]["flags"]["odd_bytes"], 1);
  EXPECT_EQ(report.info["splits"]["eval_clean"]["hours"], 0.5 / 3600);
  EXPECT_EQ(report.info, read_json(t / "out/dataset.json"));
}

TEST(Prepare, WritesTheTextModeThatIsAskedFor) {
  TemporaryFolder t;
  put_pair(t / "c/a", 0.1, "(3시)/(세 시)에 봐");
  PrepareOptions options = options_for({t / "c", t / "out"});
  options.text = "spelling";
  options.split = "train";
  run(options);
  const Dataset d = load_dataset(t / "out");
  EXPECT_EQ(d.text_mode, "spelling");
  EXPECT_EQ(d.split("train").utterances.at(0).text, "3시에 봐");
}

TEST(Prepare, KeepsInEvaluationWhatTrainingRejects) {
  TemporaryFolder t;
  const std::pair<const char*, const char*> lines[] = {{"ok", "네"},       {"bad", "(3시)?(세 시)에 봐"},
                                                       {"unk", "u/ 그래"}, {"digit", "100명이 왔어"},
                                                       {"label", "b/ n/"}, {"blank", " "}};
  for (const std::string split : {"train", "eval_other"}) {
    std::string list;
    for (const auto& [id, text] : lines) {
      put_pcm(t / "c" / split / (std::string(id) + ".pcm"), 0.1);
      list += split + "/" + id + ".pcm :: " + text + "\n";
    }
    put(t / "c" / (split + ".trn"), list);
  }
  const PrepareReport report = run(options_for({t / "c", t / "out"}));
  const Dataset d = load_dataset(t / "out");
  EXPECT_THAT(ids(d.split("train")), ElementsAre("train/ok"));
  EXPECT_THAT(ids(d.split("eval_other")),
              ElementsAre("eval_other/ok", "eval_other/bad", "eval_other/unk", "eval_other/digit"));
  EXPECT_EQ(reasons(t / "out"), (std::map<std::string, std::string>{{"train/bad", "malformed"},
                                                                    {"train/unk", "unintelligible"},
                                                                    {"train/digit", "digit"},
                                                                    {"train/label", "transcript_empty"},
                                                                    {"train/blank", "transcript_empty"},
                                                                    {"eval_other/label", "transcript_empty"},
                                                                    {"eval_other/blank", "transcript_empty"}}));
  EXPECT_EQ(report.rejected.at("transcript_empty"), 4);
  EXPECT_EQ(report.info["splits"]["eval_other"]["flags"], (Json{{"digit", 1}, {"malformed", 1}, {"unk", 1}}));
  EXPECT_EQ(report.info["splits"]["eval_other"]["sentences_also_in_train"], 1);
}

TEST(Prepare, RejectsSoundThatCannotTeach) {
  TemporaryFolder t;
  for (const std::string split : {"train", "dev"}) {
    put_pair(t / "c" / split / "ok", 30.0, "네");
    put_pair(t / "c" / split / "long", 30.1, "아니");
    put_pair(t / "c" / split / "empty", 0, "음");
    put_pair(t / "c" / split / "one_byte", 0, "음");
    put(t / "c" / split / "one_byte.pcm", "x");
    put_pcm(t / "c" / split / "silent.pcm", 0.1, false, /*amplitude=*/0);
    put(t / "c" / split / "silent.txt", "어");
    put(t / "c" / split / "noise.flac", "this is no flac");
    put(t / "c" / split / "noise.txt", "저");
  }
  const PrepareReport report = run(options_for({t / "c", t / "out"}));
  EXPECT_EQ(reasons(t / "out"), (std::map<std::string, std::string>{{"train/long", "audio_too_long"},
                                                                    {"train/empty", "audio_unreadable"},
                                                                    {"train/one_byte", "audio_unreadable"},
                                                                    {"train/silent", "audio_silent"},
                                                                    {"train/noise", "audio_unreadable"},
                                                                    {"dev/empty", "audio_unreadable"},
                                                                    {"dev/one_byte", "audio_unreadable"},
                                                                    {"dev/noise", "audio_unreadable"}}));
  EXPECT_THAT(ids(load_dataset(t / "out").split("dev")), ElementsAre("dev/long", "dev/ok", "dev/silent"));
  EXPECT_EQ(report.info["splits"]["dev"]["flags"]["silent"], 1);
}

TEST(Prepare, PutsTheSameSentenceIntoTheSameSplit) {
  TemporaryFolder t;
  for (int i = 0; i < 60; ++i) {
    const std::string word(static_cast<std::size_t>(i) + 1, 'k');
    put_pair(t / fmt::format("c/{}_a", i), 0.02, word + " (3시)/(세 시)에.");
    put_pair(t / fmt::format("c/{}_b", i), 0.02, "b/ " + word + "/ (3시)/(셋 시) 에");
  }
  PrepareOptions options = options_for({t / "c", t / "out"});
  options.split_percent = "34,33,33";
  run(options);
  std::map<std::string, std::set<std::string>> splits_of;
  for (const Split& split : load_dataset(t / "out").splits)
    for (const Utterance& u : split.utterances) splits_of[u.id.substr(0, u.id.find('_'))].insert(split.name);
  for (const auto& [sentence, splits] : splits_of) EXPECT_EQ(splits.size(), 1u) << sentence;
  EXPECT_EQ(splits_of.size(), 60u);
}

TEST(Prepare, DividesTheSameWayInBothTextModes) {
  TemporaryFolder t;
  for (int i = 0; i < 40; ++i)
    put_pair(t / fmt::format("c/{}", i), 0.02, fmt::format("({}시)/({} 시)에", i, std::string(i + 1, 'k')));
  PrepareOptions options = options_for({t / "c", t / "spoken"});
  options.split_percent = "50,25,25";
  run(options);
  options.paths.back() = (t / "written").native();
  options.text = "spelling";
  const PrepareReport written = run(options);
  const Dataset a = load_dataset(t / "spoken"), b = load_dataset(t / "written");
  for (const char* split : {"dev", "eval"}) EXPECT_EQ(ids(a.split(split)), ids(b.split(split)));
  EXPECT_EQ(written.rejected.size(), 0u);
}

TEST(Prepare, GivesTheSameBytesAgain) {
  TemporaryFolder t;
  put_sentences(t / "c", 30);
  run(options_for({t / "c", t / "one"}));
  run(options_for({t / "c", t / "two"}));
  EXPECT_EQ(read_file(t / "one/train.jsonl"), read_file(t / "two/train.jsonl"));
  EXPECT_EQ(load_dataset(t / "one").hash, load_dataset(t / "two").hash);
  put(t / "c/KsponSpeech_000001.txt", "딴말");
  run(options_for({t / "c", t / "three"}));
  EXPECT_NE(load_dataset(t / "one").hash, load_dataset(t / "three").hash);
}

TEST(Prepare, ReadsSeveralCorporaAndKeepsTheirIdsApart) {
  TemporaryFolder t;
  put_pair(t / "kspon/a", 0.1, kMon949);
  put_pcm(t / "plain/a.wav", 0.1);
  put(t / "plain/a.txt", "plain (kept)/(as it is)");
  PrepareOptions options = options_for({t / "kspon", t / "plain", t / "out"});
  options.split = "mine";
  const PrepareReport report = run(options);
  const Dataset d = load_dataset(t / "out");
  EXPECT_THAT(ids(d.split("mine")), ElementsAre("1/a", "2/a"));
  EXPECT_EQ(d.split("mine").utterances[1].text, "plain (kept)/(as it is)");
  EXPECT_THAT(d.split("mine").utterances[1].flags, ElementsAre("headerless"));
  EXPECT_EQ(d.split("mine").utterances[1].audio, (t / "plain/a.wav").native());
  EXPECT_EQ(report.info["sources"][0]["format"], "ksponspeech");
  EXPECT_EQ(report.info["sources"][1]["format"], "folder");
}

TEST(Prepare, CutsRowsOutOfOneFile) {
  TemporaryFolder t;
  put_pcm(t / "c/talk.pcm", 45);
  put(t / "c/t.csv",
      "path,text,start,end,split\ntalk.pcm,가,0.5,2,train\ntalk.pcm,나,40,,train\ntalk.pcm,다,44,50,train\ntalk.pcm,라,"
      ",,train\n"
      "talk.pcm,가,0.5,2,train\ngone.wav,마,,,train\ntalk.pcm,바,1,2,no/name\n");
  run(options_for({t / "c/t.csv", t / "out"}));
  const Dataset d = load_dataset(t / "out");
  ASSERT_THAT(ids(d.split("train")), ElementsAre("talk@0.5-2", "talk@40"));
  EXPECT_TRUE(d.split("train").utterances[0].cut);
  EXPECT_EQ(d.split("train").utterances[0].duration, 1.5);
  EXPECT_EQ(d.split("train").utterances[1].offset, 40);
  EXPECT_EQ(d.split("train").utterances[1].duration, 5);
  EXPECT_EQ(reasons(t / "out"), (std::map<std::string, std::string>{{"talk@44-50", "audio_unreadable"},
                                                                    {"talk", "audio_too_long"},
                                                                    {"talk@0.5-2", "duplicate_id"},
                                                                    {"gone", "audio_missing"},
                                                                    {"talk@1-2", "bad_line"}}));
}

TEST(Prepare, HasOneLanguage) {
  TemporaryFolder t;
  put_pcm(t / "c/a.wav", 0.1);
  put_pcm(t / "c/b.wav", 0.1);
  put(t / "c/t.csv", "path,text,language\na.wav,guten tag,de-DE\nb.wav,hallo,German\n");
  PrepareOptions options = options_for({t / "c/t.csv", t / "one"});
  options.split = "train";
  run(options);
  EXPECT_EQ(load_dataset(t / "one").language, "de");

  put(t / "c/t.csv", "path,text,language\na.wav,guten tag,de\nb.wav,hello,en\n");
  options.paths.back() = (t / "two").native();
  const auto several = error_of([&] { run(options); });
  ASSERT_TRUE(several);
  EXPECT_EQ(several->kind(), ErrorKind::kUsage);
  EXPECT_THAT(several->what(), HasSubstr("de, en"));
  options.language = "English";
  run(options);
  EXPECT_THAT(ids(load_dataset(t / "two").split("train")), ElementsAre("b"));
  EXPECT_EQ(reasons(t / "two").at("a"), "other_language");
  options.language = "klingon";
  options.paths.back() = (t / "three").native();
  EXPECT_EQ(error_of([&] { run(options); })->kind(), ErrorKind::kUsage);
}

TEST(Prepare, RejectsLabelsThatDoNotFitWhenItHasATokenizer) {
  TemporaryFolder t;
  put(t / "model/tokenizer.json", test::tiny_tokenizer_json().dump());
  // A byte a token here: 4 for the prompt, a blank, and 443 letters fill the 448 positions.
  put_pair(t / "c/fits", 0.1, std::string(443, 'a'));
  put_pair(t / "c/long", 0.1, std::string(444, 'b'));
  PrepareOptions options = options_for({t / "c", t / "out"});
  options.split = "train";
  options.tokenizer = (t / "model").native();
  run(options);
  EXPECT_THAT(ids(load_dataset(t / "out").split("train")), ElementsAre("fits"));
  EXPECT_EQ(reasons(t / "out").at("long"), "too_many_tokens");
}

TEST(Prepare, LeavesNothingBehindWhenNoUtteranceIsLeft) {
  TemporaryFolder t;
  put_pair(t / "c/a", 0.1, "\xFF\xFF");
  put_pair(t / "c/b", 0.1, "b/");
  const auto error = error_of([&] { run(options_for({t / "c", t / "out"})); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kInput);
  EXPECT_THAT(error->what(), HasSubstr("1 transcript_empty, 1 transcript_encoding"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(t.path()), {}),
            1);  // the corpus, and no half-written folder
}

TEST(Prepare, RefusesWhatWasRejectedOnlyWhenStrict) {
  TemporaryFolder t;
  put_pair(t / "c/a", 0.1, "네");
  put_pcm(t / "c/b.pcm", 0.1);
  PrepareOptions options = options_for({t / "c", t / "out"});
  const PrepareReport report = run(options);
  EXPECT_FALSE(error_of([&] { refuse_rejected(options, report); }));
  options.strict = true;
  const auto error = error_of([&] { refuse_rejected(options, report); });
  ASSERT_TRUE(error);
  EXPECT_EQ(exit_code(error->kind()), 3);
  EXPECT_THAT(error->what(), HasSubstr("1 of 2"));
}

TEST(Prepare, ReplacesOnlyADataSetAndOnlyWhenAsked) {
  TemporaryFolder t;
  put_pair(t / "c/a", 0.1, "네");
  run(options_for({t / "c", t / "out"}));
  PrepareOptions options = options_for({t / "c", t / "out"});
  EXPECT_EQ(error_of([&] { run(options); })->kind(), ErrorKind::kUsage);
  options.overwrite = true;
  EXPECT_EQ(run(options).accepted, 1);
  options.paths.back() = (t / "c").native();
  EXPECT_EQ(error_of([&] { run(options); })->kind(), ErrorKind::kUsage);
  put(t / "c/dataset.json", "{}");  // even where it looks like one
  EXPECT_THAT(error_of([&] { run(options); })->what(), HasSubstr("is or holds"));
  EXPECT_TRUE(std::filesystem::exists(t / "c/a.pcm"));
}

TEST(Prepare, PutsNoTranscriptIntoErrorsAndRejections) {
  TemporaryFolder t;
  const std::string secret = "비밀문장";
  put_pair(t / "c/train/bad", 0.1, "(" + secret + " 3");
  put_pair(t / "c/train/raw", 0.1, secret + "\x01");
  put(t / "c/train/gone.txt", secret);
  put_pair(t / "c/train/ok", 0.1, "네");
  run(options_for({t / "c", t / "out"}));
  EXPECT_EQ(reasons(t / "out").size(), 3u);
  EXPECT_THAT(read_file(t / "out/rejected.jsonl"), Not(HasSubstr(secret)));
  EXPECT_THAT(read_file(t / "out/dataset.json"), Not(HasSubstr(secret)));
}

TEST(Prepare, CountsItsProgressToTheEnd) {
  TemporaryFolder t;
  put_sentences(t / "c", 230);
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> last;
  prepare(options_for({t / "c", t / "out"}), [&](const std::string& what, std::int64_t done, std::int64_t total) {
    EXPECT_GE(done, last[what].first);
    last[what] = {done, total};
  });
  EXPECT_EQ(last["reading sound"], (std::pair<std::int64_t, std::int64_t>{230, 230}));
  EXPECT_EQ(last["reading transcripts"], (std::pair<std::int64_t, std::int64_t>{230, 230}));
}

TEST(Prepare, RemarksOnWhatAPersonShouldSee) {
  TemporaryFolder t;
  put_pcm(t / "c/a.pcm", 0.1);
  put_pcm(t / "c/b.pcm", 0.1, /*odd=*/true);
  put_pcm(t / "c/c.pcm", 0.1);
  put(t / "c/train.trn", "a.pcm :: 네\n");
  put(t / "c/dev.trn", "b.pcm :: 네.\n");
  EXPECT_THAT(run(options_for({t / "c", t / "out"})).remarks(),
              ElementsAre((t / "c").string() + ": ksponspeech, .trn read as UTF-8, 1 sound files stand in no list",
                          "dev: 1 with odd_bytes", "dev: 1 sentences stand in train too"));
}

TEST(Prepare, FollowsLinksAndCountsThem) {
  TemporaryFolder t;
  put_pair(t / "c/a", 0.1, "네");
  put_pair(t / "elsewhere/b", 0.1, "아니");
  put_pair(t / "elsewhere/far", 0.1, "음");
  put(t / "c/gone.txt", "저");
  std::filesystem::create_directory_symlink(t / "elsewhere", t / "c/train");
  std::filesystem::create_symlink(t / "elsewhere/nothing.pcm", t / "c/gone.pcm");
  std::filesystem::create_directory_symlink(t / "c", t / "c/loop");
  PrepareOptions options = options_for({t / "c", t / "out"});
  options.split = "train";
  const PrepareReport report = run(options);
  EXPECT_THAT(ids(load_dataset(t / "out").split("train")), ElementsAre("a", "train/b", "train/far"));
  EXPECT_EQ(reasons(t / "out"), (std::map<std::string, std::string>{{"gone", "audio_missing"}}));
  EXPECT_THAT(report.remarks(),
              ElementsAre((t / "c").string() + ": ksponspeech, .txt read as UTF-8, 1 links followed",
                          "not followed, because these links lead to nothing or to folders that were read already: "
                          "gone.pcm, loop"));
}

TEST(Prepare, ReadsSoundThatATableNamesElsewhere) {
  TemporaryFolder t;
  put_pcm(t / "sounds/a.pcm", 0.1);
  put_pcm(t / "sounds/b.pcm", 0.2);
  put(t / "c/train.csv", "path,text\n../sounds/a.pcm,네\n" + (t / "sounds/b.pcm").native() + ",아니\n");
  EXPECT_THAT(run(options_for({t / "c", t / "out"})).remarks(),
              ElementsAre(HasSubstr("2 rows name sound outside of this folder")));
  const Dataset d = load_dataset(t / "out");
  EXPECT_THAT(ids(d.split("train")), ElementsAre("../sounds/a", (t / "sounds/b").native()));
  for (const Utterance& u : d.split("train").utterances) EXPECT_TRUE(std::filesystem::exists(u.audio)) << u.audio;
}

TEST(Prepare, NamesTheTablesThatItDidNotUse) {
  TemporaryFolder t;
  put_pcm(t / "c/a.wav", 0.1);
  put(t / "c/train.csv", "path,text\na.wav,네\n");
  put(t / "c/dev.csv", "path,text\n");
  put(t / "c/other.csv", "path,text\na.wav,네\n");
  EXPECT_THAT(run(options_for({t / "c", t / "out"})).remarks(),
              ElementsAre(HasSubstr("table"),
                          "tables not read, because their names are neither metadata nor a split's: other.csv",
                          "tables without a row: dev.csv", "train: 1 with headerless"));
}

TEST(PrepareOptions, TakesSeveralSourcesBeforeTheOutput) {
  PrepareOptions options;
  OptionTable table;
  options.describe(table);
  parse_options(table, {"a", "b", "--text", "spelling", "out", "--overwrite"});
  options.check();
  EXPECT_THAT(options.sources(), ElementsAre("a", "b"));
  EXPECT_EQ(options.out(), "out");
  EXPECT_EQ(options.text, "spelling");
  EXPECT_TRUE(options.overwrite);
  PrepareOptions alone;
  alone.paths = {"a"};
  EXPECT_EQ(error_of([&] { alone.check(); })->kind(), ErrorKind::kUsage);
}

}  // namespace
}  // namespace sori
