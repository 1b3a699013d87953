#include "report/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/study.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const ReportLanguage kEnglish(false), kKorean(true);

TEST(Summary, SaysTheBestTheRatioAndTheMemorySaved) {
  const std::string text = summary(study(), kEnglish);
  EXPECT_THAT(text, HasSubstr("17 of 18 runs are finished. 1 failed."));
  EXPECT_THAT(text, HasSubstr("on eval_clean is 4.25 % (3.91 – 4.60): full fine-tuning, 200 steps, arm tuned."));
  EXPECT_THAT(text, HasSubstr("Untuned, the model reaches 162.00 % (140.00 – 190.00)."));
  EXPECT_THAT(text, HasSubstr("Arm tuned, 200 steps: LoRA, nf4 base makes 1.07 (0.98 – 1.16) times the errors of full "
                              "fine-tuning; the interval holds 1, so no difference is shown."));
  EXPECT_THAT(text, HasSubstr("Arm one rate, 200 steps: LoRA, nf4 base makes 0.45 (0.40 – 0.50) times the errors of "
                              "full fine-tuning; the whole interval lies below 1."));
  EXPECT_THAT(text, HasSubstr("takes 573.4 MiB with LoRA, nf4 base and 1.66 GiB with full fine-tuning: 66 % less."));
}

TEST(Summary, SaysItInKorean) {
  const std::string text = summary(study(), kKorean);
  EXPECT_THAT(text, HasSubstr("전체 18개 실행 중 17개가 끝났다. 1개는 실패했다."));
  EXPECT_THAT(text, HasSubstr("LoRA, nf4 base의 오류는 full fine-tuning의 1.07 (0.98 – 1.16)배"));
  EXPECT_THAT(text, HasSubstr("LoRA, nf4 base 573.4 MiB, full fine-tuning 1.66 GiB: 66 % 적다."));
}

TEST(Summary, ClaimsNoMoreThanTheIntervalDoes) {
  ExperimentResults e = study();
  for (RatioResult& r : e.ratios) r.ratio = {1.2, 1.1, 1.3};
  EXPECT_THAT(summary(e, kEnglish),
              HasSubstr("1.20 (1.10 – 1.30) times the errors of full fine-tuning; the whole interval lies above 1."));
  for (RatioResult& r : e.ratios) r.ratio = {1.2, {}, {}};
  EXPECT_THAT(summary(e, kEnglish), HasSubstr("makes 1.20 times the errors of full fine-tuning. "));
  for (RatioResult& r : e.ratios) r.ratio = {};
  EXPECT_THAT(summary(e, kEnglish), Not(HasSubstr("times the errors")));
}

TEST(Summary, NeedsNoResults) {
  ExperimentResults e = study();
  e.groups.clear(), e.ratios.clear(), e.untuned.clear();
  EXPECT_EQ(summary(e, kEnglish), "17 of 18 runs are finished. 1 failed. No run has given a result yet.");
}

}  // namespace
}  // namespace sori::test
