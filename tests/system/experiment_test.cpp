// A grid of trainings, as the built program runs it: results, what is made once, and what is left when it is stopped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "base/json.h"
#include "cli/tiny_world.h"
#include "system/program.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kGrid = R"(
choose-split = "dev"
report-split = "dev"
baseline = "full"
baseline-steps = 2
[tune]
steps = 2
[train]
compute = "f32"
train-batch-size = 2
max-eval-samples = 1
max-new-tokens = 3
lora-r = 2
[evaluate]
compute = "f32"
max-new-tokens = 3
[[row]]
name = "full"
options = { method = "full" }
rates = [1e-4, 1e-3]
[[row]]
name = "lora"
rates = [1e-3, 1e-2]
[[cells]]
arm = "tuned"
rows = ["full", "lora"]
steps = [1, 2]
seeds = [0, 1]
)";

class Experiment : public ::testing::Test {
 protected:
  Experiment() {
    write_model(folder / "model");
    write_recordings(folder / "corpus");
    where.folder = folder.path();
    EXPECT_EQ(run({"prepare", "corpus", "data"}).code, 0);
    write_file(folder / "grid.toml", kGrid);
  }

  Ended run(const std::vector<std::string>& words) const { return run_program(where, words); }
  std::vector<std::string> words(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"experiment", "grid.toml", "--model",      "model",
                                 "--data",     "data",      "--output-dir", "out"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Json results() const { return read_json(folder / "out/results.json"); }
  std::set<std::string> runs() const {
    std::set<std::string> names;
    for (const auto& e : std::filesystem::directory_iterator(folder / "out/runs")) names.insert(e.path().filename());
    return names;
  }
  // When each training was done.
  std::map<std::string, std::filesystem::file_time_type> times() const {
    std::map<std::string, std::filesystem::file_time_type> all;
    for (const std::string& name : runs())
      if (std::filesystem::exists(folder / "out/runs" / name / "train.json"))
        all[name] = std::filesystem::last_write_time(folder / "out/runs" / name / "train.json");
    return all;
  }
  // What does not depend on the clock.
  static Json timeless(Json results) {
    for (Json& cell : results.at("cells"))
      for (const char* key : {"seconds", "seconds_per_step", "evaluate_seconds", "energy_joules", "peak_resident_bytes",
                              "peak_private_bytes", "planned_resident_bytes", "planned_private_bytes"})
        cell.erase(key);
    return results.at("cells");
  }

  TemporaryFolder folder;
  Surroundings where;
};

TEST_F(Experiment, TrainsChoosesAndJudges) {
  const Ended e = run(words({"--json", "again.json"}));
  ASSERT_EQ(e.code, 0) << e.err;
  const Json r = results();
  EXPECT_EQ(r, read_json(folder / "again.json"));
  ASSERT_EQ(r.at("cells").size(), 8u);
  for (const Json& cell : r.at("cells")) {
    EXPECT_FALSE(cell.contains("error")) << cell;
    EXPECT_LE(cell.at("cer_low").get<double>(), cell.at("cer").get<double>());
    EXPECT_EQ(std::ssize(cell.at("curve")), cell.at("steps").get<std::int64_t>());
    EXPECT_GT(cell.at("peak_resident_bytes").get<std::int64_t>(), 0);
    EXPECT_FALSE(cell.contains("examples")) << "texts only where they may be shown";
  }
  ASSERT_EQ(r.at("tuning").size(), 4u);
  ASSERT_EQ(r.at("groups").size(), 4u);
  EXPECT_EQ(r.at("groups")[0].at("seeds"), (Json{0, 1}));
  EXPECT_EQ(r.at("ratios").size(), 2u);
  EXPECT_THAT(e.out, HasSubstr("tuned"));
  EXPECT_EQ(r.at("compute"), "f32");
  EXPECT_THAT(e.out + e.err, Not(HasSubstr("the faster of"))) << "the grid says what multiplies";
  // Cells have the rate that was chosen, and a trial that is also a cell was trained once.
  EXPECT_EQ(std::ranges::count_if(r.at("tuning"), [](const Json& t) { return t.at("chosen").get<bool>(); }), 2);
  for (const Json& t : r.at("tuning"))
    if (t.at("chosen").get<bool>())
      for (const Json& cell : r.at("cells"))
        if (cell.at("row") == t.at("row")) {
          EXPECT_EQ(cell.at("learning_rate"), t.at("learning_rate"));
        }
  EXPECT_EQ(runs().size(), 1u + 4 + 6);
  // Whole models are gone, adapters are not.
  for (const std::string& name : runs())
    EXPECT_EQ(std::filesystem::exists(folder / "out/runs" / name / "run"), name.starts_with("lora")) << name;
}

TEST_F(Experiment, MakesNothingTwice) {
  ASSERT_EQ(run(words()).code, 0);
  const auto before = times();
  const Json first = results();
  ASSERT_EQ(run(words()).code, 0);
  EXPECT_EQ(times(), before);
  EXPECT_EQ(timeless(results()), timeless(first));
}

TEST_F(Experiment, GoesOnWhereItWasStopped) {
  ASSERT_EQ(run(words()).code, 0);
  const Json whole = timeless(results());
  std::filesystem::remove_all(folder / "out");
  Program program(where, words());
  ASSERT_TRUE(program.said("1 of 4"));
  program.signal(SIGTERM);
  const Ended e = program.end();
  EXPECT_EQ(e.code, 75) << e.err;
  EXPECT_THAT(e.errors().at(0), HasSubstr("go on with the same command"));
  const Ended rest = run(words());
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(timeless(results()), whole);
}

// A training that another process still works on (of an experiment that was killed) is no failure.
TEST_F(Experiment, WaitsForNoOneElsesTraining) {
  make_folder(folder / "out/runs/full-2-s0-0.0001/run");
  {
    const FolderLock lock(folder / "out/runs/full-2-s0-0.0001/run");
    const Ended e = run(words());
    EXPECT_EQ(e.code, 7) << e.err;
  }
  ASSERT_EQ(run(words()).code, 0);
  const Json r = results();
  for (const Json& cell : r.at("cells")) EXPECT_FALSE(cell.contains("error")) << cell;
}

// A row's own model is known by its bytes, as the experiment's is.
TEST_F(Experiment, NeverMixesModels) {
  std::string text = kGrid;
  text.replace(text.find("rates = [1e-3, 1e-2]"), 0, "options = { model = \"other\" }\n");
  write_file(folder / "grid.toml", text);
  write_model(folder / "other", 0.5f);
  ASSERT_EQ(run(words()).code, 0);
  write_model(folder / "other", 0.6f);
  const Ended e = run(words());
  EXPECT_EQ(e.code, 2) << e.err;
  EXPECT_THAT(e.err, HasSubstr("made otherwise"));
}

TEST_F(Experiment, GuardsAnewWithOtherEnglish) {
  std::string text = kGrid;
  text.replace(text.find("baseline-steps"), 0, "guard = \"lora\"\n");
  write_file(folder / "grid.toml", text);
  ASSERT_EQ(run({"prepare", "corpus", "english", "--language", "en"}).code, 0);
  const auto checks = [&](const std::vector<std::string>& more) {
    EXPECT_EQ(run(words(more)).code, 0);
    return read_json(folder / "out/guard.json").at("checks").size();
  };
  EXPECT_EQ(checks({}), 7u);
  EXPECT_EQ(checks({"--english", "english"}), 8u);
  EXPECT_EQ(checks({}), 8u) << "what was heard stays";
}

TEST_F(Experiment, RetriesWhatFailedAlone) {
  std::string text = kGrid;
  text.replace(text.find("baseline-steps"), 0, "guard = \"lora\"\n");
  write_file(folder / "grid.toml", text);
  ASSERT_EQ(run(words()).code, 0);
  const Json whole = timeless(results());
  const auto before = times();
  for (const std::string& name : runs()) {
    const Path file = folder / "out/runs" / name / "result.json";
    Json result = read_json(file);
    result["error"] = {{"exit_code", 4}, {"message", "the disk is full"}};
    write_file(file, result.dump());
  }
  std::filesystem::remove_all(folder / "out/runs/untuned");  // without it there is nothing to compare with
  ASSERT_EQ(run(words()).code, 0);
  EXPECT_TRUE(results().at("cells")[0].contains("error"));
  ASSERT_EQ(run(words({"--retry-failed"})).code, 0);
  EXPECT_EQ(timeless(results()), whole);
  EXPECT_EQ(times(), before) << "nothing is trained anew";
}

TEST_F(Experiment, GivesTheSameWithSeveralAtATime) {
  ASSERT_EQ(run(words()).code, 0);
  const Json one = timeless(results());
  std::filesystem::remove_all(folder / "out");
  ASSERT_EQ(run(words({"--jobs", "3"})).code, 0);
  EXPECT_EQ(timeless(results()), one);
}

// What does not fit, or goes wrong, is a result like any other, with its reason; the rest of the grid is made.
TEST_F(Experiment, AFailureIsKeptWithItsReason) {
  std::string text = kGrid;
  text.replace(text.find("method = \"full\""), 15, "method = \"full\", ram = \"1M\"");
  write_file(folder / "grid.toml", text);
  const Ended e = run(words());
  ASSERT_EQ(e.code, 0) << e.err;
  int failures = 0;
  const Json r = results();
  for (const Json& cell : r.at("cells"))
    if (cell.contains("error")) {
      ++failures;
      EXPECT_EQ(cell.at("row"), "full");
    }
  EXPECT_EQ(failures, 4);
  for (const Json& trial : r.at("tuning"))
    if (trial.at("row") == "full") {
      EXPECT_EQ(trial.at("error").at("exit_code"), 5);
      EXPECT_THAT(trial.at("error").at("message").get<std::string>(), HasSubstr("ram"));
    }
  EXPECT_EQ(r.at("groups").size(), 2u);
  EXPECT_THAT(e.out, HasSubstr("tuned-full-1-s0 failed"));
}

TEST_F(Experiment, SaysWhatIsWrongBeforeTheFirstStep) {
  const auto refused = [&](const std::string& part, const std::string& instead) {
    std::string text = kGrid;
    text.replace(text.find(part), part.size(), instead);
    write_file(folder / "grid.toml", text);
    const Ended e = run(words());
    EXPECT_NE(e.code, 0) << instead;
    EXPECT_FALSE(std::filesystem::exists(folder / "out")) << instead;
    return e.errors().empty() ? std::string() : e.errors().back();
  };
  EXPECT_THAT(refused("lora-r = 2", "lora-q = 2"), HasSubstr("lora-q"));
  EXPECT_THAT(refused("lora-r = 2", "target-modules = [1]"), HasSubstr("target-modules: is a number, not a string"));
  EXPECT_THAT(refused("lora-r = 2", "lora-r = [2]"), HasSubstr("lora-r: is a list"));
  EXPECT_THAT(refused("method = \"full\"", "method = \"half\""), HasSubstr("half"));
  EXPECT_THAT(refused("method = \"full\"", "method = \"full\", base = \"nf4\""),
              HasSubstr("quantised weights cannot learn"));
  EXPECT_THAT(refused("seeds = [0, 1]", "seeds = [0, 1]\nthen-quantize = [\"int4\"]"), HasSubstr("no format"));
  EXPECT_THAT(refused("report-split = \"dev\"", "report-split = \"eval\""), HasSubstr("eval"));
  EXPECT_THAT(refused("[evaluate]", "[evaluate]\nbase = \"nf4\""), HasSubstr("base"));
  EXPECT_THAT(refused("[evaluate]", "[evaluate]\nsplit = \"dev\""), HasSubstr("choose-split"));
}

TEST_F(Experiment, NeverMixesTwo) {
  ASSERT_EQ(run(words()).code, 0);
  std::string text = kGrid;
  text.replace(text.find("lora-r = 2"), 10, "lora-r = 3");
  write_file(folder / "grid.toml", text);
  const Ended e = run(words());
  EXPECT_EQ(e.code, 2);
  EXPECT_THAT(e.errors().at(0), HasSubstr("was made otherwise"));
}

TEST_F(Experiment, ShowsTextsWhereItIsAsked) {
  ASSERT_EQ(run(words({"--show-text"})).code, 0);
  const Json r = results();
  for (const Json& cell : r.at("cells")) EXPECT_EQ(cell.at("examples").size(), 3u) << cell.at("name");
}

// What was trained is quantised and judged once more, and one row is asked what it broke.
TEST_F(Experiment, QuantisesAfterTrainingAndGuardsARow) {
  std::string text = kGrid;
  text.replace(text.find("baseline-steps"), 0, "guard = \"lora\"\n");
  text.replace(text.find("steps = [1, 2]"), 14, "then-quantize = [\"int8\", \"nf4\"]\nsteps = [2]");
  write_file(folder / "grid.toml", text);
  const Ended e = run(words());
  ASSERT_EQ(e.code, 0) << e.err;
  const Json r = results();
  ASSERT_EQ(r.at("cells").size(), 4u);
  for (const Json& cell : r.at("cells")) {
    const Path run = folder / "out/runs" / cell.at("training").get<std::string>();
    for (const char* format : {"int8", "nf4"}) {
      EXPECT_TRUE(cell.at("quantised").at(format).at("cer").is_number()) << cell.at("name");
      EXPECT_EQ(read_json(run / (std::string(format) + ".json")).at("judge").at("base"), format);
    }
    EXPECT_FALSE(std::filesystem::exists(run / "merged"));
    EXPECT_FALSE(std::filesystem::exists(run / "quantised"));
  }
  ASSERT_EQ(r.at("groups").size(), 2u);
  for (const Json& group : r.at("groups")) EXPECT_EQ(group.at("quantised").size(), 2u);
  EXPECT_THAT(e.out, HasSubstr("lora then quantised to nf4"));
  const Json guard = read_json(folder / "out/guard.json");
  EXPECT_THAT(guard.at("adapter").get<std::string>(), HasSubstr("lora-2-s0"));
  const auto before = times();
  ASSERT_EQ(run(words()).code, 0);
  EXPECT_EQ(times(), before);
  EXPECT_EQ(timeless(results()), timeless(r));
}

TEST_F(Experiment, SaysWhatItWillTake) {
  const Ended e = run(words({"--dry-run"}));
  ASSERT_EQ(e.code, 0) << e.err;
  EXPECT_THAT(e.err, HasSubstr("10 trainings"));
  EXPECT_THAT(e.err, HasSubstr("disk: at most"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out/results.json"));
}

}  // namespace
}  // namespace sori::test
