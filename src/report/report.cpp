#include "report/report.h"

#include "base/unicode.h"
#include "metrics/normaliser.h"
#include "report/figures.h"
#include "report/numbers.h"
#include "report/summary.h"

namespace sori {
namespace {

constexpr std::size_t kExamples = 8;

class Report {
 public:
  Report(const ExperimentResults& e, const ReportLanguage& say) : e_(e), say_(say), rows_(row_names(e)) {}

  Document document(bool show_text) {
    Document d{say_(words::kReport, e_.title.empty() ? e_.grid : e_.title), {}};
    for (Section& s : std::vector<Section>{{say_(words::kSummary), {Paragraph{summary(e_, say_)}}},
                                           memory(),
                                           errors(),
                                           costs(),
                                           compared(),
                                           all_results(),
                                           quantised(),
                                           tuning(),
                                           curves(),
                                           failures(),
                                           guard(),
                                           show_text ? examples() : Section{},
                                           origin()})
      if (!s.blocks.empty()) d.sections.push_back(std::move(s));
    return d;
  }

 private:
  static void add(Section& s, const Figures& f) {
    if (!f.figures.empty()) s.blocks.emplace_back(f);
  }
  static void add(Section& s, const std::string& note, const Table& t) {
    if (t.rows.empty()) return;
    if (!note.empty()) s.blocks.emplace_back(Paragraph{note});
    s.blocks.emplace_back(t);
  }

  Section memory() const {
    Section s{say_(words::kMemory), {}};
    for (const Figures& f : memory_figures(e_, say_)) add(s, f);
    return s;
  }

  Section errors() const {
    Section s{say_(words::kErrors), {}};
    add(s, error_figures(e_, say_));
    Table study{{{say_(words::kMethod)}, {say_(words::kSteps), true}, {say_(words::kCer), true}}, {}};
    for (const StudyRow& row : e_.study)
      if (row.cer) study.rows.push_back({e_.label_of(row.row), whole(row.cer_steps), percent(row.cer)});
    if (!s.blocks.empty()) add(s, say_(words::kStudyErrorsNote), study);
    return s;
  }

  Section costs() const {
    Section s{say_(words::kCosts), {}};
    add(s, cost_figures(e_, say_));
    return s;
  }

  Section compared() const {
    Section s{say_(words::kCompared), {}};
    Table ratios{{{say_(words::kArm)},
                  {say_(words::kMethod)},
                  {say_(words::kAgainst)},
                  {say_(words::kSteps), true},
                  {say_(words::kSplit)},
                  {say_(words::kRatio), true}},
                 {}};
    for (const RatioResult& r : e_.ratios)
      ratios.rows.push_back(
          {r.arm, e_.label_of(r.row), e_.label_of(r.against), whole(r.steps), r.split, times(r.ratio)});
    add(s, say_(words::kRatiosNote), ratios);
    Table parity{{{say_(words::kArm)},
                  {say_(words::kMethod)},
                  {say_(words::kTarget), true},
                  {say_(words::kStepsToTarget), true},
                  {say_(words::kTime), true},
                  {say_(words::kEnergy), true}},
                 {}};
    for (const ParityResult& p : e_.parity)
      parity.rows.push_back({p.arm, e_.label_of(p.row), percent(p.target_cer),
                             p.steps ? whole(p.steps) : say_(words::kNotReached), seconds_text(p.seconds),
                             joules_text(p.energy_joules)});
    add(s, say_(words::kParityNote), parity);
    return s;
  }

  static std::string seed_range(const GroupResult& g) {
    if (g.seed_cer.size() < 2) return "–";
    const auto [low, high] = std::ranges::minmax(g.seed_cer);
    return fmt::format("{:.2f} – {:.2f} %", 100 * low, 100 * high);
  }

  Section all_results() const {
    Section s{say_(words::kAllResults), {}};
    Table t{{{say_(words::kArm)},
             {say_(words::kMethod)},
             {say_(words::kSteps), true},
             {say_(words::kSeeds), true},
             {say_(words::kRateAxis), true},
             {e_.report_split.empty() ? say_(words::kCer) : say_(words::kCerOn, e_.report_split), true},
             {say_(words::kSeedRange), true},
             {say_(words::kSecondsPerStep), true},
             {say_(words::kTime), true},
             {say_(words::kPeakResident), true},
             {say_(words::kPeakPrivate), true},
             {say_(words::kEnergy), true}},
            {}};
    for (const GroupResult& g : e_.groups)
      t.rows.push_back({g.arm, g.label, whole(g.steps), fmt::format("{}", g.seeds.size()),
                        plain_number(g.learning_rate), percent(g.cer), seed_range(g), plain_number(g.seconds_per_step),
                        seconds_text(g.seconds), bytes_text(g.memory.peak_resident), bytes_text(g.memory.peak_private),
                        joules_text(g.energy_joules)});
    add(s, "", t);
    if (e_.splits.size() > 1) add(s, say_(words::kSplitsNote), splits_table());
    return s;
  }

  Section quantised() const {
    Section s{say_(words::kQuantised), {}};
    Table t{{{say_(words::kArm)},
             {say_(words::kMethod)},
             {say_(words::kSteps), true},
             {say_(words::kSeeds), true},
             {say_(words::kUnquantised), true},
             {say_(words::kFormat)},
             {say_(words::kThenQuantised), true},
             {say_(words::kRatio), true}},
            {}};
    for (const GroupResult& g : e_.groups)
      for (const QuantisedScore& q : g.quantised)
        t.rows.push_back({g.arm, g.label, whole(g.steps), whole(q.seeds), percent(q.before), q.format, percent(q.cer),
                          times(q.ratio)});
    add(s, say_(words::kQuantisedNote), t);
    return s;
  }

  Table splits_table() const {
    Table t{{{say_(words::kArm)}, {say_(words::kMethod)}, {say_(words::kSteps), true}}, {}};
    for (const std::string& split : e_.splits) t.columns.push_back({split, true});
    if (!e_.untuned.empty()) {
      t.rows.push_back({"", say_(words::kUntunedRow), "0"});
      for (const std::string& split : e_.splits) t.rows.back().push_back(percent(score_on(e_.untuned, split)));
    }
    for (const GroupResult& g : e_.groups) {
      t.rows.push_back({g.arm, g.label, whole(g.steps)});
      for (const std::string& split : e_.splits) t.rows.back().push_back(mean_on(g, split));
    }
    return t;
  }

  static std::optional<double> score_on(const std::vector<SplitScore>& scores, const std::string& split) {
    const auto score = std::ranges::find(scores, split, &SplitScore::split);
    return score == scores.end() ? std::nullopt : score->cer.value;
  }

  // Over the seeds that were judged on it, whose number is said where it is not all of them.
  std::string mean_on(const GroupResult& g, const std::string& split) const {
    double sum = 0;
    std::size_t count = 0;
    for (const RunResult& r : e_.runs)
      if (r.arm == g.arm && r.row == g.row && r.steps == g.steps)
        if (const auto cer = score_on(r.scores, split)) sum += *cer, ++count;
    const std::string mean = percent(count > 0 ? std::optional(sum / static_cast<double>(count)) : std::nullopt);
    return count == 0 || count == g.seeds.size() ? mean : fmt::format("{} ({}: {})", mean, say_(words::kSeeds), count);
  }

  Section tuning() const {
    Section s{say_(words::kTuning), {}};
    Table t{{{say_(words::kMethod)},
             {say_(words::kRateAxis), true},
             {say_(words::kSteps), true},
             {say_(words::kSeed), true},
             {say_(words::kCerOn, e_.choose_split), true},
             {say_(words::kChosen)}},
            {}};
    for (const Trial& trial : e_.tuning)
      t.rows.push_back({e_.label_of(trial.row), plain_number(trial.learning_rate), whole(trial.steps),
                        whole(trial.seed), percent(trial.cer), trial.chosen ? "✓" : ""});
    if (e_.choose_split == e_.report_split)
      add(s, say_(words::kTuningNoteSame, e_.choose_split), t);
    else
      add(s, say_(words::kTuningNote, e_.choose_split, e_.report_split), t);
    return s;
  }

  Section curves() const {
    Section s{say_(words::kCurves), {}};
    add(s, curve_figures(e_, say_));
    return s;
  }

  Section failures() const {
    Section s{say_(words::kFailures), {}};
    Table t{{{say_(words::kRun)}, {say_(words::kExitCode), true}, {say_(words::kReason)}}, {}};
    for (const RunResult& r : e_.runs)
      if (r.failure) t.rows.push_back({r.name, whole(r.failure->exit_code), r.failure->message});
    for (const Trial& trial : e_.tuning)
      if (trial.failure)
        t.rows.push_back({say_(words::kTrial, e_.label_of(trial.row), plain_number(trial.learning_rate)),
                          whole(trial.failure->exit_code), trial.failure->message});
    add(s, "", t);
    return s;
  }

  // A check that the report does not know keeps the file's own words.
  words::CheckWords named(const CheckResult& c) const {
    const auto* known = std::ranges::find(words::kKoreanChecks, c.name, &words::CheckWords::name);
    if (say_.korean() && known != std::end(words::kKoreanChecks)) return *known;
    return {c.name, c.title, c.measure};
  }

  static std::string limit_of(const CheckResult& c) {
    const std::string limit = plain_number(c.limit);
    return c.bound == "at least" ? "≥ " + limit : c.bound == "at most" ? "≤ " + limit : limit;
  }

  Section guard() const {
    Section s{say_(words::kGuard), {}};
    if (!e_.guard) return s;
    Table t{{{say_(words::kCheck)},
             {say_(words::kMeasure)},
             {say_(words::kBefore), true},
             {say_(words::kAfter), true},
             {say_(words::kLimit), true},
             {say_(words::kVerdict)}},
            {}};
    for (const CheckResult& c : e_.guard->checks) {
      const words::CheckWords name = named(c);
      t.rows.push_back({std::string(name.title), std::string(name.measure), plain_number(c.before),
                        plain_number(c.after), limit_of(c), say_(c.ok ? words::kPassed : words::kNotPassed)});
    }
    add(s,
        fmt::format(
            "{} {}", say_(e_.guard->ok ? words::kGuardOk : words::kGuardBad),
            say_(words::kGuardOf, e_.guard->model, e_.guard->adapter.empty() ? e_.guard->tuned : e_.guard->adapter)),
        t);
    for (const CheckResult& c : e_.guard->checks)
      if (c.taught) s.blocks.emplace_back(Paragraph{say_(words::kTaught, named(c).title, percent(c.taught))});
    return s;
  }

  // Of each row the longest run that has examples, and of those the first.
  std::vector<const RunResult*> example_runs() const {
    std::vector<const RunResult*> runs;
    for (const std::string& row : rows_) {
      const RunResult* longest = nullptr;
      for (const RunResult& r : e_.runs)
        if (r.row == row && !r.examples.empty() && (!longest || r.steps > longest->steps)) longest = &r;
      if (longest) runs.push_back(longest);
    }
    return runs;
  }

  Section examples() const {
    Section s{say_(words::kExamples), {}};
    const std::vector<const RunResult*> runs = example_runs();
    if (runs.empty()) return s;
    s.blocks.emplace_back(Paragraph{say_(words::kExamplesNote)});
    const std::vector<ReadAloud>& first = runs.front()->examples;
    for (std::size_t i = 0; i < std::min(first.size(), kExamples); ++i) {
      const std::vector<char32_t> said = code_points(normalise_for_wer(first[i].said));
      HeardTexts t{first[i].id, {{say_(words::kSaid), align(said, said), ""}}};
      for (const RunResult* run : runs) {
        const auto heard = std::ranges::find(run->examples, first[i].id, &ReadAloud::id);
        if (heard == run->examples.end()) continue;
        t.lines.push_back({fmt::format("{}, {}, {}", run->label, run->arm, say_(words::kStepsOf, run->steps)),
                           align(said, code_points(normalise_for_wer(heard->heard))),
                           heard->cer ? "CER " + percent(heard->cer) : ""});
      }
      s.blocks.emplace_back(t);
    }
    return s;
  }

  Section origin() const {
    Section s{say_(words::kOrigin), {}};
    if (!e_.command.empty())
      s.blocks.emplace_back(Paragraph{say_(words::kCommand)}), s.blocks.emplace_back(Code{e_.command});
    Table t{{{say_(words::kWhat)}, {say_(words::kValue)}}, {}};
    const auto fact = [&](const std::string& name, const std::string& value) {
      if (!value.empty()) t.rows.push_back({name, value});
    };
    fact(say_(words::kVersion), e_.version);
    fact(say_(words::kDate), e_.date);
    for (const Fact& f : e_.machine) fact(say_(words::kMachine, f.name), f.value);
    fact(say_(words::kCompute), e_.compute);
    fact(say_(words::kJobs), e_.jobs ? whole(e_.jobs) : "");
    fact(say_(words::kModel), e_.model);
    fact(say_(words::kModelHash), e_.model_hash);
    fact(say_(words::kGrid), e_.grid);
    fact(say_(words::kGridHash), e_.grid_hash);
    fact(say_(words::kSpoken), e_.language);
    fact(say_(words::kDataHash), e_.data_hash);
    for (const SplitSize& d : e_.data)
      fact(say_(words::kSplitSize, d.name),
           say_(words::kUtterances, d.utterances, d.hours ? fmt::format("{:.2f}", *d.hours) : "–"));
    add(s, "", t);
    return s;
  }

  const ExperimentResults& e_;
  const ReportLanguage& say_;
  std::vector<std::string> rows_;
};

}  // namespace

Document make_report(const ExperimentResults& results, const ReportLanguage& language, bool show_text) {
  return Report(results, language).document(show_text);
}

}  // namespace sori
