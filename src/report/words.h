// Every word of a report, in both languages side by side.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace sori {

// {0}, {1}, ... stand for values; the compiler sees to it that both languages use the same ones.
class Phrase {
 public:
  consteval Phrase(std::string_view english, std::string_view korean) : english_(english), korean_(korean) {
    for (char digit = '0'; digit <= '9'; ++digit)
      if (uses(english, digit) != uses(korean, digit)) throw "the two languages do not use the same values";
  }
  constexpr std::string_view in(bool korean) const { return korean ? korean_ : english_; }

 private:
  static consteval bool uses(std::string_view text, char digit) {
    for (std::size_t i = 0; i + 1 < text.size(); ++i)
      if (text[i] == '{' && text[i + 1] == digit) return true;
    return false;
  }
  std::string_view english_, korean_;
};

class ReportLanguage {
 public:
  explicit ReportLanguage(bool korean) : korean_(korean) {}
  bool korean() const { return korean_; }
  const char* code() const { return korean_ ? "ko" : "en"; }

  template <class... Values>
  std::string operator()(const Phrase& phrase, const Values&... values) const {
    return fmt::format(fmt::runtime(phrase.in(korean_)), values...);
  }

 private:
  bool korean_;
};

namespace words {

// Titles of sections.
inline constexpr Phrase kReport{"Report: {0}", "보고서: {0}"};
inline constexpr Phrase kSummary{"In short", "요약"};
inline constexpr Phrase kMemory{"Memory", "메모리"};
inline constexpr Phrase kErrors{"Character error rate and steps", "문자 오류율과 학습 단계"};
inline constexpr Phrase kCosts{"What accuracy costs", "정확도의 비용"};
inline constexpr Phrase kCompared{"Compared with full fine-tuning", "전체 미세조정과의 비교"};
inline constexpr Phrase kAllResults{"All results", "전체 결과"};
inline constexpr Phrase kQuantised{"Quantised after training", "학습 후 양자화"};
inline constexpr Phrase kTuning{"How the learning rates were chosen", "학습률 선택"};
inline constexpr Phrase kCurves{"Learning curves", "학습 곡선"};
inline constexpr Phrase kFailures{"What failed", "실패한 실행"};
inline constexpr Phrase kGuard{"What must not get worse", "나빠지면 안 되는 것"};
inline constexpr Phrase kExamples{"Examples", "예시"};
inline constexpr Phrase kOrigin{"How this was made", "재현 정보"};

// The summary.
inline constexpr Phrase kProgress{"{0} of {1} runs are finished.", "전체 {1}개 실행 중 {0}개가 끝났다."};
inline constexpr Phrase kFailedRuns{"{0} failed.", "{0}개는 실패했다."};
inline constexpr Phrase kBest{"The lowest character error rate (CER) on {0} is {1}: {2}, {3} steps, arm {4}.",
                              "{0}에서 가장 낮은 문자 오류율(CER)은 {1}: {2}, {3}단계, 실험군 {4}."};
inline constexpr Phrase kUntuned{"Untuned, the model reaches {0}.", "학습 전 모델은 {0}."};
inline constexpr Phrase kRatioMore{
    "Arm {0}, {1} steps: {2} makes {3} times the errors of {4}; the whole interval lies above 1.",
    "실험군 {0}, {1}단계: {2}의 오류는 {4}의 {3}배이며, 구간 전체가 1보다 크다."};
inline constexpr Phrase kRatioFewer{
    "Arm {0}, {1} steps: {2} makes {3} times the errors of {4}; the whole interval lies below 1.",
    "실험군 {0}, {1}단계: {2}의 오류는 {4}의 {3}배이며, 구간 전체가 1보다 작다."};
inline constexpr Phrase kRatioSame{
    "Arm {0}, {1} steps: {2} makes {3} times the errors of {4}; the interval holds 1, so no difference is shown.",
    "실험군 {0}, {1}단계: {2}의 오류는 {4}의 {3}배이며, 구간에 1이 들어 있어 차이가 입증되지 않는다."};
inline constexpr Phrase kRatioPlain{"Arm {0}, {1} steps: {2} makes {3} times the errors of {4}.",
                                    "실험군 {0}, {1}단계: {2}의 오류는 {4}의 {3}배이다."};
inline constexpr Phrase kSaved{"At the highest, training takes {0} with {1} and {2} with {3}: {4} less.",
                               "학습 중 최대 메모리는 {1} {0}, {3} {2}: {4} 적다."};
inline constexpr Phrase kNotSaved{"At the highest, training takes {0} with {1} and {2} with {3}.",
                                  "학습 중 최대 메모리는 {1} {0}, {3} {2}이다."};
inline constexpr Phrase kNoResults{"No run has given a result yet.", "아직 결과가 나온 실행이 없다."};
inline constexpr Phrase kIntervals{"Figures in brackets are 95 % intervals, by resampling the utterances.",
                                   "괄호 안은 95 % 신뢰구간으로, 발화를 재추출하여 구했다."};

// Memory.
inline constexpr Phrase kMemoryHere{"Resident memory of each training run, its highest over all runs of a row.",
                                    "학습 프로세스의 상주 메모리. 같은 방법의 실행 중 최댓값이다."};
inline constexpr Phrase kMemoryShape{"The same, measured on the shape of {0}, computed in {1}.",
                                     "{0} 크기에서 같은 방법으로 측정한 값, 연산 {1}."};
inline constexpr Phrase kMemoryStudy{
    "What the study printed for its GPU: allocated GPU memory of another model, at a batch that it does not state. "
    "It is another quantity than resident memory; only the order of the rows can be compared.",
    "연구 논문이 GPU에 대해 보고한 값: 다른 모델이 할당한 GPU 메모리이며 배치는 밝히지 않았다. 상주 메모리와는 다른 "
    "양이므로 방법 사이의 순서만 비교할 수 있다."};
inline constexpr Phrase kMemoryHereTitle{"Planned and measured", "계획값과 측정값"};
inline constexpr Phrase kMemoryShapeTitle{"On the shape of {0}, batch {1}", "{0} 크기, 배치 {1}"};
inline constexpr Phrase kMemoryStudyTitle{"The study's GPU allocation", "연구의 GPU 할당량"};
inline constexpr Phrase kPlanned{"planned", "계획"};
inline constexpr Phrase kMeasured{"measured", "측정"};
inline constexpr Phrase kAllocated{"allocated on the study's GPU", "연구의 GPU 할당량"};
inline constexpr Phrase kPlannedResident{"planned resident", "계획 상주 메모리"};
inline constexpr Phrase kPeakResident{"peak resident", "최대 상주 메모리"};
inline constexpr Phrase kPlannedPrivate{"planned private", "계획 전용 메모리"};
inline constexpr Phrase kPeakPrivate{"peak private", "최대 전용 메모리"};
inline constexpr Phrase kSaving{"saving", "절감"};
inline constexpr Phrase kStudyGpu{"study's GPU", "연구의 GPU"};
inline constexpr Phrase kBatch{"batch", "배치"};

// Error rates.
inline constexpr Phrase kErrorsChart{
    "Whiskers: 95 % intervals of the mean over seeds. Small dots: single seeds. Steps are drawn on a scale of powers "
    "of two.",
    "오차 막대: 시드 평균의 95 % 신뢰구간. 작은 점: 개별 시드. 단계 축은 2의 거듭제곱 눈금이다."};
inline constexpr Phrase kErrorsTitle{"CER and steps, arm {0}", "CER과 단계, 실험군 {0}"};
inline constexpr Phrase kMemoryCostTitle{"CER and memory, arm {0}", "CER과 메모리, 실험군 {0}"};
inline constexpr Phrase kTimeCostTitle{"CER and training time, arm {0}", "CER과 학습 시간, 실험군 {0}"};
inline constexpr Phrase kFrontChart{
    "Filled marks and the dashed line are the Pareto front: nothing else is as good in both and better in one. Each "
    "mark is one number of steps.",
    "채워진 표식과 점선은 파레토 최적선: 두 축 모두에서 같거나 나은 다른 결과가 없다. 표식 하나가 단계 수 하나이다."};
inline constexpr Phrase kOnFront{"on the front", "최적선"};
inline constexpr Phrase kCerAxis{"CER (%)", "CER(%)"};
inline constexpr Phrase kStepsAxis{"training steps", "학습 단계"};
inline constexpr Phrase kMemoryAxis{"peak resident memory (GiB)", "최대 상주 메모리(GiB)"};
inline constexpr Phrase kGpuAxis{"GPU memory (GB)", "GPU 메모리(GB)"};
inline constexpr Phrase kResidentAxis{"resident memory (GiB)", "상주 메모리(GiB)"};
inline constexpr Phrase kSecondsAxis{"training time (s)", "학습 시간(초)"};
inline constexpr Phrase kMinutesAxis{"training time (min)", "학습 시간(분)"};
inline constexpr Phrase kHoursAxis{"training time (h)", "학습 시간(시간)"};
inline constexpr Phrase kLossAxis{"training loss", "학습 손실"};
inline constexpr Phrase kRateAxis{"learning rate", "학습률"};

// Tables.
inline constexpr Phrase kArm{"arm", "실험군"};
inline constexpr Phrase kMethod{"method", "방법"};
inline constexpr Phrase kSteps{"steps", "단계"};
inline constexpr Phrase kStepsOf{"{0} steps", "{0}단계"};
inline constexpr Phrase kSeeds{"seeds", "시드 수"};
inline constexpr Phrase kSeed{"seed", "시드"};
inline constexpr Phrase kCer{"CER", "CER"};
inline constexpr Phrase kCerOn{"CER on {0}", "{0} CER"};
inline constexpr Phrase kSeedRange{"seeds from – to", "시드별 범위"};
inline constexpr Phrase kSecondsPerStep{"s/step", "초/단계"};
inline constexpr Phrase kTime{"training time", "학습 시간"};
inline constexpr Phrase kEnergy{"energy", "에너지"};
inline constexpr Phrase kChosen{"chosen", "선택"};
inline constexpr Phrase kAgainst{"against", "비교 대상"};
inline constexpr Phrase kSplit{"split", "평가 집합"};
inline constexpr Phrase kRatio{"errors, as a multiple", "오류 배수"};
inline constexpr Phrase kTarget{"target CER", "목표 CER"};
inline constexpr Phrase kStepsToTarget{"steps to it", "도달 단계"};
inline constexpr Phrase kNotReached{"not reached", "도달하지 못함"};
inline constexpr Phrase kRatiosNote{
    "How many errors a row makes for each error of the row that it is compared with, of the same arm and steps.",
    "같은 실험군, 같은 단계에서 비교 대상의 오류 하나당 오류 수."};
inline constexpr Phrase kParityNote{"When each row first reaches the target CER, and what that takes.",
                                    "각 방법이 목표 CER에 처음 도달하는 시점과 그 비용."};
inline constexpr Phrase kTuningNote{
    "Each rate was tried on {0}, which is not the split that results are reported on ({1}).",
    "학습률은 {0}에서 비교하여 골랐고, 결과는 다른 집합인 {1}에서 보고한다."};
inline constexpr Phrase kTuningNoteSame{
    "Each rate was tried on {0}, which results are reported on too: chosen so, they look "
    "better than they are.",
    "학습률을 {0}에서 비교하여 골랐고 결과도 같은 집합에서 보고하므로 실제보다 좋게 보인다."};
inline constexpr Phrase kFormat{"format", "형식"};
inline constexpr Phrase kUnquantised{"before", "양자화 전"};
inline constexpr Phrase kThenQuantised{"after", "양자화 후"};
inline constexpr Phrase kQuantisedNote{
    "The tuned weights (adapters merged with their base first), then quantised: CER before and after, and the errors "
    "after as a multiple of those before.",
    "학습된 가중치(어댑터는 먼저 기본 모델과 병합)를 양자화하기 전과 후의 CER, 그리고 이전 오류에 대한 이후 오류의 "
    "배수."};
inline constexpr Phrase kSplitsNote{"CER on every split, mean over seeds.", "집합별 CER, 시드 평균."};
inline constexpr Phrase kUntunedRow{"untuned", "학습 전"};
inline constexpr Phrase kStudyErrorsNote{"What the study printed of error rates, on another model and corpus:",
                                         "연구 논문이 다른 모델과 말뭉치에서 보고한 오류율:"};

// Curves.
inline constexpr Phrase kCurvesNote{
    "The longest run of each row with its lowest seed; each point is the mean of neighbouring steps.",
    "방법별로 가장 긴 실행 중 시드가 가장 작은 것. 점 하나는 이웃 단계의 평균이다."};
inline constexpr Phrase kLossTitle{"Training loss, arm {0}", "학습 손실, 실험군 {0}"};
inline constexpr Phrase kRateTitle{"Learning rate, arm {0}", "학습률, 실험군 {0}"};
inline constexpr Phrase kFirst{"first", "처음"};
inline constexpr Phrase kMiddle{"middle", "중간"};
inline constexpr Phrase kLast{"last", "마지막"};

// Failures, guard.
inline constexpr Phrase kRun{"run", "실행"};
inline constexpr Phrase kTrial{"{0}, trying the learning rate {1}", "{0}, 학습률 {1} 시험"};
inline constexpr Phrase kExitCode{"exit code", "종료 코드"};
inline constexpr Phrase kReason{"reason", "이유"};
inline constexpr Phrase kGuardOk{"The tuned model passes every check.", "학습된 모델이 모든 검사를 통과했다."};
inline constexpr Phrase kGuardBad{"The tuned model does not pass every check.",
                                  "학습된 모델이 통과하지 못한 검사가 있다."};
inline constexpr Phrase kGuardOf{"Model {0}, tuned {1}. Rates are fractions.",
                                 "모델 {0}, 학습된 것 {1}. 비율은 소수이다."};
inline constexpr Phrase kCheck{"check", "검사"};
inline constexpr Phrase kMeasure{"measure", "척도"};
inline constexpr Phrase kBefore{"before", "학습 전"};
inline constexpr Phrase kAfter{"after", "학습 후"};
inline constexpr Phrase kLimit{"limit", "한계"};
inline constexpr Phrase kVerdict{"verdict", "판정"};
inline constexpr Phrase kPassed{"passed", "통과"};
inline constexpr Phrase kNotPassed{"NOT passed", "통과하지 못함"};
inline constexpr Phrase kTaught{"{0}: {1} of the transcripts are so, and a model learns it from its transcripts.",
                                "{0}: 정답의 {1}가 그러하며, 모델은 정답에서 그것을 배운다."};

// What guard.json says in English: its checks by name.
struct CheckWords {
  std::string_view name, title, measure;
};
inline constexpr CheckWords kKoreanChecks[] = {
    {"target", "데이터의 음성", "CER"},
    {"english", "영어 음성", "WER"},
    {"punctuation", "문장 부호로 끝나는 글", "글의 비율"},
    {"long", "1분짜리 녹음", "말한 글자에 대한 쓴 글자의 비율"},
    {"joins", "이어 붙인 녹음과 그 조각", "늘어난 CER"},
    {"silence", "무음과 아주 작은 잡음", "분당 글자 수"},
    {"noise", "말소리만큼 큰 잡음", "분당 글자 수"},
    {"repetition", "길이 한도에서 잘린 글", "소리의 비율"},
};

// Examples.
inline constexpr Phrase kExamplesNote{
    "Struck out: said, but not heard. Underlined: heard, but not said. Both, one behind the other: heard in place of "
    "what was said. Compared are letters, digits and blanks; ␣ is a blank, which CER does not count.",
    "취소선: 말했으나 인식되지 않은 글자. 밑줄: 말하지 않았으나 인식된 글자. 둘이 이어지면 다른 글자로 인식된 것이다. "
    "글자, 숫자, 빈칸을 비교한다. ␣는 빈칸이며 CER에는 들어가지 않는다."};
inline constexpr Phrase kSaid{"said", "정답"};

// Origin.
inline constexpr Phrase kCommand{"The command that repeats it:", "같은 결과를 얻는 명령:"};
inline constexpr Phrase kWhat{"what", "항목"};
inline constexpr Phrase kValue{"value", "값"};
inline constexpr Phrase kVersion{"version of sori", "sori 버전"};
inline constexpr Phrase kDate{"date", "날짜"};
inline constexpr Phrase kGrid{"grid", "실험 격자"};
inline constexpr Phrase kGridHash{"SHA-256 of the grid", "실험 격자의 SHA-256"};
inline constexpr Phrase kCompute{"type of what enters products", "행렬곱의 수 형식"};
inline constexpr Phrase kJobs{"trainings at one time", "동시에 실행한 학습"};
inline constexpr Phrase kModel{"model", "모델"};
inline constexpr Phrase kModelHash{"SHA-256 of the model", "모델의 SHA-256"};
inline constexpr Phrase kDataHash{"SHA-256 of the data set", "데이터의 SHA-256"};
inline constexpr Phrase kSpoken{"language", "언어"};
inline constexpr Phrase kMachine{"machine: {0}", "컴퓨터: {0}"};
inline constexpr Phrase kSplitSize{"split {0}", "집합 {0}"};
inline constexpr Phrase kUtterances{"{0} utterances, {1} h", "발화 {0}개, {1}시간"};
inline constexpr Phrase kNumbers{"Numbers", "수치"};
inline constexpr Phrase kNotMeasured{"–", "–"};

}  // namespace words
}  // namespace sori
