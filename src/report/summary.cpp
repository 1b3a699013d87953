#include "report/summary.h"

#include "report/numbers.h"

namespace sori {
namespace {

const GroupResult* best_group(const ExperimentResults& e) {
  const GroupResult* best = nullptr;
  for (const GroupResult& g : e.groups)
    if (g.cer.value && (!best || *g.cer.value < *best->cer.value)) best = &g;
  return best;
}

std::string split_of(const ExperimentResults& e) { return e.report_split.empty() ? "–" : e.report_split; }

std::string ratio_sentence(const ExperimentResults& e, const RatioResult& r, const ReportLanguage& say) {
  const Phrase& phrase = !r.ratio.low || !r.ratio.high ? words::kRatioPlain
                         : *r.ratio.low > 1            ? words::kRatioMore
                         : *r.ratio.high < 1           ? words::kRatioFewer
                                                       : words::kRatioSame;
  return say(phrase, r.arm, r.steps, e.label_of(r.row), times(r.ratio), e.label_of(r.against));
}

// 4 bits against full fine-tuning where both took the most steps, for each arm in its order.
std::vector<const RatioResult*> nf4_ratios(const ExperimentResults& e) {
  std::vector<const RatioResult*> all;
  for (const RatioResult& r : e.ratios) {
    if (!e.is_nf4(r.row) || !e.is_full(r.against) || r.split != e.report_split || !r.ratio.value) continue;
    const auto same_arm = std::ranges::find(all, r.arm, &RatioResult::arm);
    if (same_arm == all.end())
      all.push_back(&r);
    else if (r.steps > (*same_arm)->steps)
      *same_arm = &r;
  }
  return all;
}

std::string memory_sentence(const ExperimentResults& e, const RatioResult& r, const ReportLanguage& say) {
  const auto ours = e.highest_memory(r.row).peak_resident, full = e.highest_memory(r.against).peak_resident;
  if (!ours || !full || *full == 0) return "";
  const double saved = 1 - static_cast<double>(*ours) / static_cast<double>(*full);
  const std::string row = e.label_of(r.row), against = e.label_of(r.against);
  return saved > 0 ? say(words::kSaved, bytes_text(ours), row, bytes_text(full), against,
                         fmt::format("{:.0f} %", 100 * saved))
                   : say(words::kNotSaved, bytes_text(ours), row, bytes_text(full), against);
}

}  // namespace

std::string summary(const ExperimentResults& e, const ReportLanguage& say) {
  std::vector<std::string> sentences{say(words::kProgress, e.finished, e.of)};
  const auto failed = std::ranges::count_if(e.runs, [](const RunResult& r) { return r.failure.has_value(); });
  if (failed > 0) sentences.push_back(say(words::kFailedRuns, failed));
  const GroupResult* best = best_group(e);
  sentences.push_back(best ? say(words::kBest, split_of(e), percent(best->cer), best->label, best->steps, best->arm)
                           : say(words::kNoResults));
  const auto untuned = std::ranges::find(e.untuned, e.report_split, &SplitScore::split);
  if (untuned != e.untuned.end()) sentences.push_back(say(words::kUntuned, percent(untuned->cer)));
  const std::vector<const RatioResult*> ratios = nf4_ratios(e);
  for (const RatioResult* r : ratios) sentences.push_back(ratio_sentence(e, *r, say));
  if (!ratios.empty()) sentences.push_back(memory_sentence(e, *ratios.front(), say));
  sentences.push_back(best ? say(words::kIntervals) : "");
  std::erase(sentences, "");
  return fmt::format("{}", fmt::join(sentences, " "));
}

}  // namespace sori
