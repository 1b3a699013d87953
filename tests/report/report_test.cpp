#include "report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/study.h"

namespace sori::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> titles(const Document& d) {
  std::vector<std::string> all;
  for (const Section& s : d.sections) all.push_back(s.title);
  return all;
}

TEST(Report, HasItsSectionsInOrder) {
  EXPECT_THAT(
      titles(make_report(study(), ReportLanguage(false), true)),
      ElementsAre("In short", "Memory", "Character error rate and steps", "What accuracy costs",
                  "Compared with full fine-tuning", "All results", "How the learning rates were chosen",
                  "Learning curves", "What failed", "What must not get worse", "Examples", "How this was made"));
  EXPECT_THAT(titles(make_report(study(), ReportLanguage(true), false)),
              ElementsAre("요약", "메모리", "문자 오류율과 학습 단계", "정확도의 비용", "전체 미세조정과의 비교",
                          "전체 결과", "학습률 선택", "학습 곡선", "실패한 실행", "나빠지면 안 되는 것", "재현 정보"));
}

// HeardTexts are secret: only --show-text lets them in.
TEST(Report, ShowsTranscriptsOnlyWhereAsked) {
  const std::string shown = to_markdown(make_report(study(), ReportLanguage(false), true));
  const std::string hidden = to_markdown(make_report(study(), ReportLanguage(false), false));
  EXPECT_THAT(shown, HasSubstr("베지에 곡선을 기본으로 한 곡선 개체"));
  EXPECT_THAT(hidden, Not(HasSubstr("곡선")));
  EXPECT_THAT(hidden, Not(HasSubstr("Examples")));
}

TEST(Report, TellsWhatFailedHowRatesWereChosenAndWhereItComesFrom) {
  const std::string text = to_markdown(make_report(study(), ReportLanguage(false), false));
  EXPECT_THAT(text, HasSubstr("| tuned-lora-200-s1 | 5 | sori train --base int8: needs 1.02 GiB"));
  EXPECT_THAT(text, HasSubstr("| full fine-tuning, trying the learning rate 1e-05 | 6 | the loss is not a number |"));
  EXPECT_THAT(text, HasSubstr("| trainings at one time | 2 |"));
  EXPECT_THAT(text, HasSubstr("| full fine-tuning | 0.0001 | 100 | 0 | 6.00 % | ✓ |"));
  EXPECT_THAT(text, HasSubstr("| full fine-tuning | 0.0003 | 100 | 0 | 6.95 % |  |"));
  EXPECT_THAT(text, HasSubstr("The tuned model does not pass every check."));
  EXPECT_THAT(text, HasSubstr("| English speech | WER | 0.051 | 0.42 | ≤ 0.1 | NOT passed |"));
  EXPECT_THAT(text, HasSubstr("| the same beside their parts | CER more | -1.46 | 0.008 | ≤ 0.03 | passed |"));
  EXPECT_THAT(text, HasSubstr("texts that end in a mark: 25.00 % of the transcripts"));
  EXPECT_THAT(text, HasSubstr("    sori experiment study --model whisper-base"));
  EXPECT_THAT(text, HasSubstr("| machine: cpu | AMD EPYC 7B13 |"));
  EXPECT_THAT(text, HasSubstr("2000 utterances, 3.30 h"));
}

TEST(Report, ShowsWhatQuantisingAfterTrainingDid) {
  ChangedStudy changed;
  Json& group = changed.json.at("groups")[0];
  group["quantised"] = {{{"format", "nf4"},
                         {"seeds", 3},
                         {"before", 0.06},
                         {"cer", 0.075},
                         {"cer_low", 0.06},
                         {"cer_high", 0.09},
                         {"ratio", 1.25},
                         {"ratio_low", 1.1},
                         {"ratio_high", 1.4}}};
  const std::string text = to_markdown(make_report(changed.read(), ReportLanguage(false), false));
  EXPECT_THAT(text, HasSubstr("Quantised after training"));
  EXPECT_THAT(text, HasSubstr("| 3 | 6.00 % | nf4 | 7.50 % (6.00 – 9.00) | 1.25 (1.10 – 1.40) |"));
}

TEST(Report, OfUnfinishedExperimentsSaysWhatThereIs) {
  ExperimentResults e;
  e.grid = "study", e.of = 40;
  EXPECT_THAT(titles(make_report(e, ReportLanguage(false), true)), ElementsAre("In short", "How this was made"));
}

}  // namespace
}  // namespace sori::test
