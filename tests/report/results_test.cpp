#include "report/results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/study.h"

namespace sori::test {
namespace {

using sori::testing::error_of;
using sori::testing::message_of;
using ::testing::HasSubstr;

TEST(ReadResults, TakesWhatTheFilesHold) {
  const ExperimentResults e = study();
  EXPECT_EQ(e.title, "LoRA & <full> on 4 bits");
  EXPECT_EQ(e.report_split, "eval_clean");
  EXPECT_EQ(e.runs.size(), 36u);
  ASSERT_EQ(e.groups.size(), 18u);
  EXPECT_EQ(e.groups[0].row, "full");
  EXPECT_EQ(e.groups[0].steps, 50);
  EXPECT_EQ(e.groups[0].seed_cer.size(), 2u);
  EXPECT_EQ(std::ranges::count_if(e.runs, [](const RunResult& r) { return r.failure.has_value(); }), 1);
  EXPECT_EQ(e.study.size(), 5u);
  EXPECT_EQ(e.study[0].gpu_bytes, 32'000'000'000u);
  ASSERT_TRUE(e.memory);
  EXPECT_EQ(e.memory->rows.size(), 2u);
  EXPECT_EQ(e.memory->rows[1].memory.planned_private, 501ull << 20);
  ASSERT_TRUE(e.guard);
  EXPECT_FALSE(e.guard->ok);
  EXPECT_EQ(e.machine[1].name, "threads");
  EXPECT_EQ(e.machine[1].value, "2");
}

TEST(ReadResults, KnowsRowsByWhatTheyTrain) {
  const ExperimentResults e = study();
  EXPECT_TRUE(e.is_full("full"));
  EXPECT_FALSE(e.is_full("lora"));
  EXPECT_TRUE(e.is_nf4("nf4"));
  EXPECT_EQ(e.run_of("no such row"), nullptr);
}

TEST(ReadResults, NeedsNeitherMeasuredValuesNorFilesBeside) {
  ChangedStudy changed;
  for (Json& g : changed.json["groups"]) {
    g["cer"] = nullptr;
    g.erase("seconds");
  }
  for (const char* key : {"study", "parity", "untuned", "machine"}) changed.json.erase(key);
  changed.json["tuning"] = nullptr;
  const ExperimentResults e = changed.read();
  EXPECT_FALSE(e.groups[0].cer.value);
  EXPECT_FALSE(e.groups[0].seconds);
  EXPECT_TRUE(e.tuning.empty());
  EXPECT_FALSE(e.memory);
  EXPECT_FALSE(e.guard);
}

// Where a hostile or damaged file is wrong, and in what.
TEST(ReadResults, NamesThePlaceOfWhatIsWrong) {
  struct Case {
    std::function<void(Json&)> damage;
    const char* says;
  };
  const std::vector<Case> cases{
      {[](Json& j) { j.erase("groups"); }, "results.json: has no \"groups\""},
      {[](Json& j) { j["cells"] = 3; }, "results.json: \"cells\" has the wrong type"},
      {[](Json& j) { j["cells"][3] = "x"; }, "results.json: cells[3]: is no object"},
      {[](Json& j) { j["cells"][3].erase("row"); }, "results.json: cells[3]: has no \"row\""},
      {[](Json& j) { j["cells"][3]["steps"] = 1.5; }, "cells[3]: \"steps\" has the wrong type"},
      {[](Json& j) { j["cells"][3]["steps"] = nullptr; }, "cells[3]: \"steps\" is null"},
      {[](Json& j) { j["cells"][3]["curve"][1]["loss"] = "2"; }, "cells[3]: curve[1]: \"loss\" has the wrong type"},
      {[](Json& j) { j["cells"][3]["scores"]["eval_noise"]["cer"] = -1; },
       "scores.eval_noise: \"cer\" is out of range"},
      {[](Json& j) { j["groups"][0]["steps"] = 0; }, "groups[0]: \"steps\" is 0"},
      {[](Json& j) { j["groups"][0]["steps"] = -4; }, "groups[0]: \"steps\" is out of range"},
      {[](Json& j) { j["groups"][0]["cer"] = 1e300; }, "groups[0]: \"cer\" is out of range"},
      {[](Json& j) { j["groups"][0]["seed_cer"][0] = "x"; }, "groups[0]: \"seed_cer\" has the wrong type"},
      {[](Json& j) { j["groups"][0]["seed_cer"][0] = -1; }, "groups[0]: \"seed_cer\" is out of range"},
      {[](Json& j) { j["groups"][0]["peak_resident_bytes"] = true; }, "\"peak_resident_bytes\" has the wrong type"},
      {[](Json& j) { j["ratios"][2]["low"] = Json::array(); }, "ratios[2]: \"low\" has the wrong type"},
      {[](Json& j) { j["machine"]["cpu"] = Json::object(); }, "machine: \"cpu\" has the wrong type"},
      {[](Json& j) { j["data"]["splits"]["dev"].erase("utterances"); }, "splits.dev: has no \"utterances\""},
      {[](Json& j) {
         j["cells"][4]["examples"] = {{{"id", "1"}, {"said", std::string(10'001, 'a')}, {"heard", ""}}};
       },
       "examples[0]: has a text of more than 10000 characters"}};
  for (const Case& c : cases) {
    ChangedStudy changed;
    c.damage(changed.json);
    const auto error = error_of([&] { changed.read(); });
    ASSERT_TRUE(error) << c.says;
    EXPECT_EQ(error->kind(), ErrorKind::kInput);
    EXPECT_THAT(error->what(), HasSubstr(c.says));
  }
}

TEST(ReadResults, AreAsStrictWithTheFilesBeside) {
  ChangedStudy changed;
  write_file(changed.folder / "memory.json", "{\"rows\": [{\"name\": \"full\", \"batch\": 1}]}");
  EXPECT_THAT(message_of([&] { changed.read(); }), HasSubstr("memory.json: rows[0]: has no \"label\""));
  write_file(changed.folder / "memory.json", "{\"rows\": []}");
  write_file(changed.folder / "guard.json", "{\"checks\": [{\"title\": \"silence\", \"ok\": 1}], \"ok\": true}");
  EXPECT_THAT(message_of([&] { changed.read(); }), HasSubstr("guard.json: checks[0]: \"ok\" has the wrong type"));
}

TEST(ReadResults, OfAnEmptyFolderAreAnError) {
  const sori::testing::TemporaryFolder folder;
  EXPECT_EQ(error_of([&] { read_results(folder.path()); })->kind(), ErrorKind::kIo);
}

}  // namespace
}  // namespace sori::test
