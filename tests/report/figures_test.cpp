#include "report/figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/study.h"

namespace sori::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const ReportLanguage kEnglish(false);

TEST(Figures, HaveRowsAndArmsInTheirOrder) {
  EXPECT_THAT(row_names(study()), ElementsAre("full", "lora", "nf4"));
  EXPECT_THAT(arm_names(study()), ElementsAre("tuned", "one rate"));
}

TEST(MemoryFigures, KeepTheStudysQuantityApart) {
  const std::vector<Figures> all = memory_figures(study(), kEnglish);
  ASSERT_EQ(all.size(), 2u);
  ASSERT_EQ(all[0].figures.size(), 2u);  // here, and the study's
  EXPECT_THAT(all[0].figures[0].numbers.rows[2],
              ElementsAre("LoRA, nf4 base", "579.2 MiB", "573.4 MiB", "517.1 MiB", "512.0 MiB"));
  EXPECT_THAT(all[0].figures[1].numbers.rows[3], ElementsAre("LoRA, nf4 base", "5.7 GB"));
  EXPECT_THAT(all[0].caption, HasSubstr("another quantity"));
  ASSERT_EQ(all[1].figures.size(), 1u);  // of one batch
  EXPECT_EQ(all[1].figures[0].numbers.rows[1].back(), "5.7 GB");
}

TEST(ErrorFigures, HaveAPictureAnArmAndTheirNumbers) {
  const Figures f = error_figures(study(), kEnglish);
  ASSERT_EQ(f.figures.size(), 2u);
  EXPECT_EQ(f.figures[1].title, "CER and steps, arm one rate");
  const Table& numbers = f.figures[0].numbers;
  ASSERT_EQ(numbers.columns.size(), 4u);
  EXPECT_EQ(numbers.columns[3].title, "200 steps");
  EXPECT_EQ(numbers.rows[0][3], "4.25 % (3.91 – 4.60)");
  EXPECT_THAT(f.figures[0].svg, HasSubstr("<title>full fine-tuning, 200 steps: CER 4.25 % (3.91 – 4.60)</title>"));
}

TEST(CostFigures, MarkTheFront) {
  ExperimentResults e = study();
  std::erase_if(e.groups, [](const GroupResult& g) { return g.arm != "tuned" || g.steps != 200; });
  ASSERT_EQ(e.groups.size(), 3u);
  const double cer[] = {0.05, 0.06, 0.04};  // nf4 takes least and is best: nothing else stands
  for (std::size_t i = 0; i < 3; ++i) e.groups[i].cer = {cer[i], {}, {}};
  const Figures f = cost_figures(e, kEnglish);
  ASSERT_EQ(f.figures.size(), 2u);
  std::vector<std::string> marks;
  for (const auto& row : f.figures[0].numbers.rows) marks.push_back(row.back());
  EXPECT_THAT(marks, ElementsAre("", "", "✓"));
}

TEST(CurveFigures, ShowTheLongestRunOfEachRow) {
  const Figures f = curve_figures(study(), kEnglish);
  ASSERT_EQ(f.figures.size(), 4u);  // loss and rate of two arms
  EXPECT_EQ(f.figures[0].numbers.rows.size(), 3u);
  for (const auto& row : f.figures[0].numbers.rows) {
    EXPECT_EQ(row[1], "200");
    EXPECT_EQ(row[2], "0");
  }
}

TEST(Figures, OfNothingAreNone) {
  ExperimentResults e = study();
  e.groups.clear(), e.runs.clear(), e.study.clear(), e.memory.reset();
  for (const Figures& f : memory_figures(e, kEnglish)) EXPECT_TRUE(f.figures.empty());
  EXPECT_TRUE(error_figures(e, kEnglish).figures.empty());
  EXPECT_TRUE(cost_figures(e, kEnglish).figures.empty());
  EXPECT_TRUE(curve_figures(e, kEnglish).figures.empty());
}

}  // namespace
}  // namespace sori::test
