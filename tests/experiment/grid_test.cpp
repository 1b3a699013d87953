#include "experiment/grid.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace sori {
namespace {

constexpr const char* kGrid = R"(
title = "Two"
report-split = "eval_clean"
baseline = "full"
baseline-steps = 20

[tune]
steps = 10
seed = 3

[train]
lora-r = 8
method = "lora"

[[row]]
name = "full"
options = { method = "full" }
rates = [1e-5, 1e-4]

[[row]]
name = "nf4"
label = "LoRA on 4 bits"
options = { base = "nf4", target-modules = ["q_proj", "v_proj"] }
rates = [1e-3, 2e-3]
study = { gpu_bytes = 5.7e9 }

[[cells]]
arm = "tuned"
rows = ["full", "nf4"]
steps = [10, 20]
seeds = [0]

[[cells]]
arm = "tuned"
rows = ["full", "nf4"]
steps = [20]
seeds = [0, 1]
further-splits = true
then-quantize = ["nf4"]

[[cells]]
arm = "one-rate"
rows = ["nf4"]
steps = [20]
seeds = [0]
learning-rate = 1e-5
)";

Grid grid() { return parse_grid(kGrid, "two", "two.toml"); }

std::string without(std::string text, const std::string& part, const std::string& instead) {
  const std::size_t at = text.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  return text.replace(at, part.size(), instead);
}

// The error of the grid with one part exchanged.
std::string error_of(const std::string& part, const std::string& instead) {
  try {
    parse_grid(without(kGrid, part, instead), "two", "two.toml");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Grid, RowsGoBeforeWhatHoldsForAll) {
  const Grid g = grid();
  EXPECT_EQ(g.options_of(g.row("full")).at("method"), "full");
  EXPECT_EQ(g.options_of(g.row("nf4")).at("method"), "lora");
  EXPECT_EQ(g.options_of(g.row("nf4")).at("lora-r"), 8);
  EXPECT_EQ(g.row("full").label, "full");
  EXPECT_EQ(g.row("nf4").study.at("gpu_bytes"), 5.7e9);
}

TEST(Grid, TriesEachRateOnce) {
  std::vector<std::string> names;
  for (const Training& t : grid().trials()) names.push_back(t.name());
  EXPECT_THAT(names,
              ::testing::ElementsAre("full-10-s3-1e-05", "full-10-s3-0.0001", "nf4-10-s3-0.001", "nf4-10-s3-0.002"));
}

TEST(Grid, TriesNothingForCellsThatNameTheirRate) {
  const Grid g = parse_grid(without(without(kGrid, "seeds = [0]", "seeds = [0]\nlearning-rate = 1e-5"),
                                    "further-splits = true", "learning-rate = 1e-5"),
                            "two", "two.toml");
  EXPECT_TRUE(g.trials().empty());
}

TEST(Grid, NamesEachCellOnceWithAllThatIsWantedOfIt) {
  std::vector<std::string> names;
  const std::vector<Cell> cells = grid().cells([](const GridRow& r) { return r.rates.back(); });
  for (const Cell& c : cells)
    names.push_back(fmt::format("{}{}{}", c.name(), c.further_splits ? "+" : "", fmt::join(c.then_quantize, "")));
  EXPECT_THAT(names, ::testing::ElementsAre("tuned-full-10-s0", "tuned-nf4-10-s0", "tuned-full-20-s0+nf4",
                                            "tuned-nf4-20-s0+nf4", "tuned-full-20-s1+nf4", "tuned-nf4-20-s1+nf4",
                                            "one-rate-nf4-20-s0"));

  EXPECT_EQ(cells[1].training.learning_rate, 2e-3);
  EXPECT_EQ(cells.back().training.learning_rate, 1e-5);
}

TEST(Grid, SaysWhatIsWrong) {
  using ::testing::HasSubstr;
  EXPECT_THAT(error_of("arm = \"one-rate\"\nrows", "arm = \"one-rate\"\nrow"), HasSubstr("did you mean rows?"));
  EXPECT_THAT(error_of("rows = [\"nf4\"]", "rows = [\"nf5\"]"), HasSubstr("choose of full, nf4"));
  EXPECT_THAT(error_of("steps = [10, 20]", "steps = [0]"), HasSubstr("0 is not in 1"));
  EXPECT_THAT(error_of("steps = [10, 20]", "steps = 10"), HasSubstr("steps"));
  EXPECT_THAT(error_of("learning-rate = 1e-5", "learning-rate = 2"), HasSubstr("no learning rate"));
  EXPECT_THAT(error_of("learning-rate = 1e-5",
                       "learning-rate = 1e-5\n[[cells]]\narm = \"one-rate\"\nrows = [\"full\"]\nsteps "
                       "= [5]\nseeds = [0]\nlearning-rate = 1e-4"),
              HasSubstr("two learning rates"));
  EXPECT_THAT(error_of("rates = [1e-5, 1e-4]", "rates = [1e-5]"), HasSubstr("no fair comparison"));
  EXPECT_THAT(error_of("name = \"nf4\"", "name = \"full\""), HasSubstr("stands twice"));
  EXPECT_THAT(error_of("name = \"full\"", "name = \"../full\""), HasSubstr("is no name"));
  EXPECT_THAT(error_of("arm = \"one-rate\"", "arm = \"a/b\""), HasSubstr("is no name"));
  EXPECT_THAT(error_of("method = \"full\" }", "learning-rate = 1e-4 }"), HasSubstr("beside a learning-rate"));
  EXPECT_THAT(error_of("gpu_bytes = 5.7e9", "gpu_bytes = \"5.7\""), HasSubstr("is no number"));
  EXPECT_THAT(error_of("baseline = \"full\"", "baseline = \"half\""), HasSubstr("has no row"));
  EXPECT_THAT(error_of("title = \"Two\"", "title = 2"), HasSubstr("is no text"));
  EXPECT_THAT(error_of("title = \"Two\"", "compare = [[\"nf4\"]]"), HasSubstr("no pair of rows"));
  EXPECT_THAT(error_of("title = \"Two\"", "compare = [[\"nf4\", \"int8\"]]"), HasSubstr("choose of full, nf4"));
  EXPECT_THAT(error_of("title = \"Two\"", "guard = \"int8\""), HasSubstr("choose of full, nf4"));
  EXPECT_THAT(error_of("baseline = \"full\"\nbaseline-steps = 20", "guard = \"nf4\""), HasSubstr("needs a baseline"));
  EXPECT_THAT(error_of("[\"nf4\"]\n\n", "\"nf4\"\n\n"), HasSubstr("no list of texts"));
  EXPECT_THAT(error_of("[[cells]]", "[[cells"), HasSubstr("two.toml:"));
}

TEST(Grid, BuiltInOnesCanBeRead) {
  for (const BuiltInGrid& b : built_in_grids()) {
    const Grid g = parse_grid(b.text, b.name, b.name);
    EXPECT_FALSE(g.trials().empty()) << b.name;
    EXPECT_EQ(g.baseline, "full") << b.name;
  }
}

// The study's rows, with what it printed of them, at its steps.
TEST(Grid, StudyHasTheStudysRows) {
  const Grid g = parse_grid(built_in_grids().front().text, "study", "study");
  EXPECT_EQ(g.row("full").study.at("gpu_bytes"), 32e9);
  EXPECT_EQ(g.row("lora").study.at("gpu_bytes"), 11e9);
  EXPECT_EQ(g.row("int8").study.at("gpu_bytes"), 6.9e9);
  EXPECT_EQ(g.row("nf4").study.at("gpu_bytes"), 5.7e9);
  EXPECT_THAT(g.blocks.back().steps, ::testing::ElementsAre(25, 50, 100, 200, 400));
  EXPECT_EQ(g.blocks.back().learning_rate, 1e-5);
}

}  // namespace
}  // namespace sori
