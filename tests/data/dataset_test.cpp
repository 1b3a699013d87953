#include "data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "data/corpus_files.h"
#include "data/prepare.h"

namespace sori {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

// Two utterances of a plain folder, one in train and one in dev.
void make_dataset(const Path& corpus, const Path& out) {
  put_pcm(corpus / "train/a.wav", 0.2);
  put(corpus / "train/a.txt", "가");
  put_pcm(corpus / "dev/b.wav", 0.3);
  put(corpus / "dev/b.txt", "나");
  PrepareOptions options;
  options.paths = {corpus.native(), out.native()};
  prepare(options, no_progress());
}

void edit(const Path& file, const std::string& from, const std::string& to) {
  std::string text = read_file(file);
  const std::size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  put(file, text.replace(at, from.size(), to));
}

// dataset.json with the hashes that fit train.jsonl, so that the lines themselves are judged.
void seal(const Path& dataset) {
  Json info = read_json(dataset / "dataset.json");
  std::vector<std::pair<std::string, std::string>> hashes;
  for (auto& [name, about] : info["splits"].items()) {
    about["sha256"] = sha256_hex(read_file(dataset / (name + ".jsonl")));
    hashes.emplace_back(name, about["sha256"]);
  }
  info["hash"] = dataset_hash(hashes);
  put(dataset / "dataset.json", to_text(info));
}

TEST(Dataset, ComesBackAsItWasWritten) {
  TemporaryFolder t;
  make_dataset(t / "c", t / "out");
  const Dataset d = load_dataset(t / "out");
  EXPECT_EQ(d.language, "ko");
  EXPECT_EQ(d.task, "transcribe");
  EXPECT_EQ(d.hash.size(), 64u);
  ASSERT_EQ(d.splits.size(), 2u);
  const Utterance& u = d.split("train").utterances.at(0);
  EXPECT_EQ(u.id, "train/a");
  EXPECT_EQ(u.audio, (t / "c/train/a.wav").native());
  EXPECT_EQ(u.duration, 0.2);
  EXPECT_FALSE(u.cut);
  EXPECT_EQ(u.text, "가");
  EXPECT_DOUBLE_EQ(d.split("dev").seconds(), 0.3);
  EXPECT_THAT(error_of([&] { (void)d.split("eval"); })->what(), HasSubstr("it has: dev, train"));
}

TEST(Dataset, ReadsOnlyTheSplitsAskedFor) {
  TemporaryFolder t;
  make_dataset(t / "c", t / "out");
  std::filesystem::remove(t / "out/dev.jsonl");
  const Dataset d = load_dataset(t / "out", {"train"});
  EXPECT_EQ(d.splits.size(), 1u);
  EXPECT_TRUE(d.has("dev"));
  EXPECT_FALSE(d.has("eval"));
  EXPECT_THROW((void)d.split("dev"), Bug);
}

TEST(Dataset, MayMoveAloneOrWithItsRecordings) {
  TemporaryFolder t;
  make_dataset(t / "both/c", t / "both/out");
  std::filesystem::rename(t / "both/out", t / "elsewhere");
  EXPECT_EQ(load_dataset(t / "elsewhere").split("train").utterances[0].audio, (t / "both/c/train/a.wav").native());
  std::filesystem::rename(t / "elsewhere", t / "both/out");
  std::filesystem::rename(t / "both", t / "moved");
  EXPECT_EQ(load_dataset(t / "moved/out").split("train").utterances[0].audio, (t / "moved/c/train/a.wav").native());
  std::filesystem::rename(t / "moved/c", t / "moved/lost");
  const auto error = error_of([&] { load_dataset(t / "moved/out"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kIo);
}

TEST(Dataset, RefusesLinesThatPrepareDidNotWrite) {
  TemporaryFolder t;
  make_dataset(t / "c", t / "out");
  edit(t / "out/train.jsonl", "가", "다");
  const auto error = error_of([&] { load_dataset(t / "out"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kInput);
  EXPECT_THAT(error->what(), HasSubstr("train.jsonl"));
  seal(t / "out");
  EXPECT_FALSE(error_of([&] { load_dataset(t / "out"); }));
}

TEST(Dataset, NamesTheLineThatIsNoUtterance) {
  const std::pair<const char*, const char*> edits[] = {{"\"duration\":0.2", "\"duration\":0"},
                                                       {"\"duration\":0.2", "\"duration\":-1"},
                                                       {"\"duration\":0.2", "\"duration\":\"x\""},
                                                       {"\"duration\":0.2", "\"length\":1"},
                                                       {"\"duration\":0.2", "\"duration\":1e999"},
                                                       {"\"id\":\"train/a\"", "\"id\":\"\""},
                                                       {"\"source\":0", "\"source\":1"},
                                                       {"\"source\":0", "\"source\":-1"},
                                                       {"\"source\":0", "\"source\":0,\"offset\":-2"},
                                                       {"train/a.wav", "a\\u0000b"},
                                                       {"\"flags\":[\"headerless\"]", "\"flags\":[1]"},
                                                       {"\"source\":0", "\"source\":0,\"audio_filepath_bytes\":\"6g\""},
                                                       {"\"source\":0", "\"source\":0,\"audio_filepath_bytes\":\"6\""},
                                                       {"\"text\":\"가\"", "\"text\":null"}};
  for (const auto& [from, to] : edits) {
    TemporaryFolder t;
    make_dataset(t / "c", t / "out");
    edit(t / "out/train.jsonl", from, to);
    seal(t / "out");
    const auto error = error_of([&] { load_dataset(t / "out"); });
    ASSERT_TRUE(error) << to;
    EXPECT_EQ(error->kind(), ErrorKind::kInput) << to;
    EXPECT_THAT(error->what(), HasSubstr("train.jsonl:1")) << to;
  }
}

TEST(Dataset, RefusesAnInfoThatIsNotOurs) {
  const std::pair<const char*, const char*> edits[] = {{"\"version\": 1", "\"version\": 2"},
                                                       {"\"hash\": \"", "\"hash\": \"0"},
                                                       {"\"language\": \"ko\"", "\"language\": 3"},
                                                       {"\"train\": {", "\"../train\": {"},
                                                       {"\"sources\"", "\"sauces\""},
                                                       {"{", ""}};
  for (const auto& [from, to] : edits) {
    TemporaryFolder t;
    make_dataset(t / "c", t / "out");
    edit(t / "out/dataset.json", from, to);
    const auto error = error_of([&] { load_dataset(t / "out"); });
    ASSERT_TRUE(error) << to;
    EXPECT_EQ(error->kind(), ErrorKind::kInput) << to;
  }
  TemporaryFolder t;
  EXPECT_THAT(error_of([&] { load_dataset(t.path()); })->what(), HasSubstr("sori prepare"));
}

TEST(Dataset, KeepsFileNamesThatAreNotUtf8) {
  TemporaryFolder t;
  const std::string name = "\xC8\xB8\xC0\xC7.wav";
  put_pcm(t / "c/train" / name, 0.1);
  put(t / "c/train/\xC8\xB8\xC0\xC7.txt", "가");
  PrepareOptions options;
  options.paths = {(t / "c").native(), (t / "out").native()};
  prepare(options, no_progress());
  EXPECT_EQ(json_lines(t / "out/train.jsonl").at(0)["audio_filepath_bytes"], "747261696e2fc8b8c0c72e776176");
  EXPECT_EQ(load_dataset(t / "out").split("train").utterances[0].audio, (t / "c/train" / name).native());
}

TEST(Evenly, TakesAPartOfEverything) {
  std::vector<Utterance> all(10);
  for (std::size_t i = 0; i < all.size(); ++i) all[i].source = i;
  const auto picked = [&](std::int64_t most) {
    std::vector<std::size_t> out;
    for (const Utterance& u : evenly(all, most)) out.push_back(u.source);
    return out;
  };
  EXPECT_THAT(picked(3), ElementsAre(0, 3, 6));
  EXPECT_THAT(picked(1), ElementsAre(0));
  EXPECT_EQ(picked(0).size(), 10u);
  EXPECT_EQ(picked(11).size(), 10u);
}

}  // namespace
}  // namespace sori
