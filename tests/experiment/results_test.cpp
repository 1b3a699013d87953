#include "experiment/results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace sori {
namespace {

constexpr const char* kGrid = R"(
report-split = "eval"
further-splits = ["noise"]
baseline = "full"
baseline-steps = 20
[tune]
steps = 20
[[row]]
name = "full"
options = { method = "full" }
rates = [1e-5, 1e-4]
[[row]]
name = "nf4"
options = { base = "nf4" }
rates = [1e-3, 2e-3]
study = { gpu_bytes = 5.7e9 }
[[cells]]
arm = "tuned"
rows = ["full", "nf4"]
steps = [20, 40]
seeds = [0, 1]
further-splits = true
)";

// Two utterances of 10 letters each.
Json score(std::int64_t first, std::int64_t second) {
  return {{"cer", static_cast<double>(first + second) / 20}, {"wer", 0.5}, {"counts", {{first, 10}, {second, 10}}}};
}

Json trained(double seconds, Json scores) {
  return {{"train",
           {{"seconds", seconds},
            {"seconds_per_step", seconds / 20},
            {"energy_joules", nullptr},
            {"peak_resident_bytes", 100}}},
          {"scores", std::move(scores)}};
}

class Results : public ::testing::Test {
 protected:
  void put(const Training& t, Json result) { results[t.name()] = std::move(result); }
  // Both seeds of a row after so many steps; errors of each of two utterances.
  void put(const std::string& row, std::int64_t steps, double rate, std::int64_t errors, double seconds) {
    for (const std::int64_t seed : {0, 1})
      put({row, steps, seed, rate},
          trained(seconds,
                  {{"dev", score(errors, errors)}, {"eval", score(errors, errors + seed)}, {"noise", score(4, 4)}}));
  }
  Json summary() {
    Intervals known;  // of these results alone: tests change them
    return summarise(grid, grid.cells([&](const GridRow& r) { return best_rate(grid, r, results); }), results, known);
  }

  Grid grid = parse_grid(kGrid, "g", "g.toml");
  TrainingResults results;
};

TEST_F(Results, TheBestRateIsTheOneWithTheFewestErrorsOnTheSplitToChooseOn) {
  EXPECT_EQ(best_rate(grid, grid.row("nf4"), results), 0);
  put({"nf4", 20, 0, 2e-3}, trained(1, {{"dev", score(1, 1)}, {"eval", score(9, 9)}}));
  EXPECT_EQ(best_rate(grid, grid.row("nf4"), results), 2e-3);
  put({"nf4", 20, 0, 1e-3}, trained(1, {{"dev", score(1, 2)}, {"eval", score(0, 0)}}));
  EXPECT_EQ(best_rate(grid, grid.row("nf4"), results), 2e-3);
  put({"nf4", 20, 0, 1e-3}, trained(1, {{"dev", score(2, 0)}}));
  EXPECT_EQ(best_rate(grid, grid.row("nf4"), results), 1e-3) << "of equals the lower";
  put({"nf4", 20, 0, 1e-3}, {{"error", {{"exit_code", 6}, {"message", "not a number"}}}});
  EXPECT_EQ(best_rate(grid, grid.row("nf4"), results), 2e-3);
}

TEST_F(Results, GroupsAreMeansOverSeeds) {
  put("full", 20, 1e-4, 2, 40);
  put("nf4", 20, 2e-3, 3, 20);
  const Json s = summary();
  ASSERT_EQ(s.at("groups").size(), 2u);
  const Json& full = s.at("groups")[0];
  EXPECT_EQ(full.at("row"), "full");
  EXPECT_EQ(full.at("seeds"), (Json{0, 1}));
  EXPECT_DOUBLE_EQ(full.at("cer").get<double>(), (0.2 + 0.25) / 2);
  EXPECT_EQ(full.at("seed_cer"), (Json{0.2, 0.25}));
  EXPECT_EQ(full.at("seconds"), 40.0);
  EXPECT_EQ(full.at("peak_resident_bytes"), 100);
  EXPECT_TRUE(full.at("energy_joules").is_null());
  EXPECT_EQ(s.at("cells").size(), 4u);
  EXPECT_TRUE(s.at("cells")[0].at("scores").contains("noise"));
  EXPECT_FALSE(s.at("cells")[0].at("scores").at("eval").contains("counts"));
}

TEST_F(Results, RatiosAreOfTheSameSeedsAndSteps) {
  put("full", 20, 1e-4, 2, 40);
  put("nf4", 20, 2e-3, 3, 20);
  put("nf4", 40, 2e-3, 1, 40);  // nothing to compare it with
  const Json ratios = summary().at("ratios");
  ASSERT_EQ(ratios.size(), 2u);
  EXPECT_EQ(ratios[0].at("split"), "eval");
  EXPECT_DOUBLE_EQ(ratios[0].at("ratio").get<double>(), (0.3 + 0.35) / (0.2 + 0.25));
  EXPECT_LE(ratios[0].at("low").get<double>(), ratios[0].at("ratio").get<double>());
  EXPECT_EQ(ratios[1].at("split"), "noise");
  EXPECT_EQ(ratios[1].at("ratio"), 1.0);
}

TEST_F(Results, FurtherPairsAreComparedToo) {
  grid.compare = {{"full", "nf4"}, {"nf4", "full"}};
  put("full", 20, 1e-4, 2, 40);
  put("nf4", 20, 2e-3, 2, 20);
  std::vector<std::string> pairs;
  const Json s = summary();
  for (const Json& r : s.at("ratios"))
    if (r.at("split") == "eval")
      pairs.push_back(r.at("row").get<std::string>() + "/" + r.at("against").get<std::string>());
  EXPECT_EQ(pairs, (std::vector<std::string>{"full/nf4", "nf4/full"})) << "each once";
}

TEST_F(Results, ARatioToNoErrorsIsNotKnown) {
  put("full", 20, 1e-4, 0, 40);
  put({"full", 20, 1, 1e-4}, trained(1, {{"eval", score(0, 0)}}));
  put("nf4", 20, 2e-3, 3, 20);
  EXPECT_TRUE(summary().at("ratios")[0].at("ratio").is_null());
}

TEST_F(Results, ParityIsReachedAtTheFirstNumberOfStepsThatIsAsGood) {
  put("full", 20, 1e-4, 2, 40);
  put("nf4", 20, 2e-3, 3, 20);
  put("nf4", 40, 2e-3, 2, 44);
  Json parity = summary().at("parity");
  ASSERT_EQ(parity.size(), 2u);
  EXPECT_EQ(parity[0].at("row"), "full");
  EXPECT_EQ(parity[0].at("steps"), 20);
  EXPECT_EQ(parity[1].at("row"), "nf4");
  EXPECT_EQ(parity[1].at("steps"), 40);
  EXPECT_EQ(parity[1].at("seconds"), 44.0);
  put("nf4", 40, 2e-3, 3, 44);
  EXPECT_TRUE(summary().at("parity")[1].at("steps").is_null());
}

TEST_F(Results, AFailureIsAResult) {
  put("full", 20, 1e-4, 2, 40);
  put("nf4", 20, 2e-3, 3, 20);
  put({"nf4", 20, 1, 2e-3}, {{"error", {{"exit_code", 5}, {"message", "does not fit"}}}});
  const Json s = summary();
  const Json& cell = s.at("cells")[3];
  EXPECT_EQ(cell.at("error").at("message"), "does not fit");
  EXPECT_FALSE(cell.contains("cer"));
  EXPECT_EQ(s.at("groups")[1].at("seeds"), (Json{0}));
  EXPECT_EQ(s.at("ratios")[0].at("seeds"), (Json{0})) << "of the seeds that both have";
  EXPECT_NE(table_of(s).find("does not fit"), std::string::npos);
}

// Scores that were there before something failed count: else a full disk after training would change the chosen rate.
TEST_F(Results, WhatFailedAfterItWasJudgedKeepsItsScores) {
  put("full", 20, 1e-4, 2, 40);
  put("nf4", 20, 2e-3, 3, 20);
  put({"nf4", 20, 0, 1e-3}, trained(1, {{"dev", score(4, 4)}}));
  results[Training{"nf4", 20, 0, 2e-3}.name()]["error"] = {{"exit_code", 4}, {"message", "disk is full"}};
  EXPECT_EQ(best_rate(grid, grid.row("nf4"), results), 2e-3);
  const Json s = summary();
  EXPECT_EQ(s.at("groups")[1].at("seeds"), (Json{0, 1}));
  const Json& cell = s.at("cells")[1];
  EXPECT_EQ(cell.at("error").at("message"), "disk is full");
  EXPECT_TRUE(cell.at("cer").is_number());
}

TEST_F(Results, RatiosOnASplitAreOfTheSeedsThatWereJudgedOnIt) {
  put("full", 20, 1e-4, 2, 40);
  put("nf4", 20, 2e-3, 3, 20);
  put({"nf4", 20, 1, 2e-3}, trained(20, {{"eval", score(3, 3)}}));
  const Json ratios = summary().at("ratios");
  ASSERT_EQ(ratios.size(), 2u);
  EXPECT_EQ(ratios[0].at("seeds"), (Json{0, 1}));
  EXPECT_EQ(ratios[1].at("split"), "noise");
  EXPECT_EQ(ratios[1].at("seeds"), (Json{0}));
}

TEST_F(Results, ARateThatIsNotTriedIsTheOptionsOwnOrNull) {
  grid.rows[0].rates.clear();
  grid.rows[1].rates.clear();
  grid.rows[1].options["learning-rate"] = 3e-4;
  put("full", 20, 0, 2, 40);
  put("nf4", 20, 0, 3, 20);
  const Json s = summary();
  EXPECT_TRUE(s.at("groups")[0].at("learning_rate").is_null());
  EXPECT_EQ(s.at("groups")[1].at("learning_rate"), 3e-4);
  EXPECT_NE(table_of(s).find("0.0003"), std::string::npos);
}

TEST_F(Results, TheMedianOfTwoIsBetweenThem) {
  put("full", 20, 1e-4, 2, 40);
  results[Training{"full", 20, 1, 1e-4}.name()]["train"]["seconds"] = 50;
  EXPECT_EQ(summary().at("groups")[0].at("seconds"), 45.0);
}

TEST_F(Results, TrialsSayWhichWasChosen) {
  put("full", 20, 1e-4, 2, 40);
  put("full", 20, 1e-5, 3, 40);
  const Json tuning = summary().at("tuning");
  ASSERT_EQ(tuning.size(), 2u);
  EXPECT_FALSE(tuning[0].at("chosen").get<bool>());
  EXPECT_TRUE(tuning[1].at("chosen").get<bool>());
}

TEST_F(Results, CountsThatAreNoneAreRefused) {
  EXPECT_THROW(counts_of({{"counts", {{1, 2, 3}}}}, "r"), Error);
  EXPECT_THROW(counts_of({{"counts", {{-1, 2}}}}, "r"), Error);
  EXPECT_THROW(counts_of({{"counts", "none"}}, "r"), Error);
  EXPECT_THROW(counts_of(Json::object(), "r"), Error);
}

TEST_F(Results, AFormatAfterTrainingIsComparedWithWhatTheTrainingGave) {
  std::string text = kGrid;
  text.replace(text.find("further-splits = true"), 21, "then-quantize = [\"nf4\"]");
  grid = parse_grid(text, "g", "g.toml");
  put("nf4", 20, 1e-3, 2, 40);
  for (const std::int64_t seed : {0, 1})
    results[Training{"nf4", 20, seed, 1e-3}.name()]["quantised"]["nf4"] = score(4, 4 + 2 * seed);
  const Json s = summary();
  EXPECT_DOUBLE_EQ(s.at("cells")[1].at("quantised").at("nf4").at("cer").get<double>(), 0.5);
  ASSERT_EQ(s.at("groups").size(), 1u);
  ASSERT_EQ(s.at("groups")[0].at("quantised").size(), 1u);
  const Json& after = s.at("groups")[0].at("quantised")[0];
  EXPECT_EQ(after.at("format"), "nf4");
  EXPECT_DOUBLE_EQ(after.at("cer").get<double>(), 18.0 / 40);
  EXPECT_DOUBLE_EQ(after.at("ratio").get<double>(), 2);
  EXPECT_DOUBLE_EQ(after.at("ratio_low").get<double>(), 2);
  EXPECT_THAT(table_of(s), ::testing::HasSubstr("nf4 then quantised to nf4: 45.00 % (22.50 % before)"));
  // Of the seeds that were quantised alone: 2 and 2 errors before, 4 and 4 after.
  results[Training{"nf4", 20, 1, 1e-3}.name()].erase("quantised");
  const Json one = summary().at("groups")[0].at("quantised")[0];
  EXPECT_EQ(one.at("seeds"), 1);
  EXPECT_DOUBLE_EQ(one.at("before").get<double>(), 0.2);
  EXPECT_DOUBLE_EQ(one.at("cer").get<double>(), 0.4);
}

}  // namespace
}  // namespace sori
