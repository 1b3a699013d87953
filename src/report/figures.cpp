#include "report/figures.h"

#include <map>
#include <set>

#include "report/chart.h"
#include "report/numbers.h"
#include "report/pareto.h"

namespace sori {
namespace {

constexpr std::size_t kCurvePoints = 100;  // of a picture: more are no more to see

void add_once(std::vector<std::string>& names, const std::string& name) {
  if (std::ranges::find(names, name) == names.end()) names.push_back(name);
}

std::size_t style_of(const std::vector<std::string>& rows, const std::string& row) {
  return static_cast<std::size_t>(std::ranges::find(rows, row) - rows.begin());
}

// Of an arm and row, by steps.
std::vector<const GroupResult*> groups_of(const ExperimentResults& e, const std::string& arm, const std::string& row) {
  std::vector<const GroupResult*> all;
  for (const GroupResult& g : e.groups)
    if (g.arm == arm && g.row == row && g.cer.value) all.push_back(&g);
  std::ranges::stable_sort(all, {}, &GroupResult::steps);
  return all;
}

PlotPoint cer_point(const GroupResult& g, double x, const ReportLanguage& say) {
  PlotPoint p{x, 100 * *g.cer.value};
  p.hint = fmt::format("{}, {}: CER {}", g.label, say(words::kStepsOf, g.steps), percent(g.cer));
  return p;
}

// Memory.

double gib(std::uint64_t bytes) { return static_cast<double>(bytes) / 0x1p30; }

Bar memory_bar(const std::optional<std::uint64_t>& bytes) {
  return {bytes ? std::optional(gib(*bytes)) : std::nullopt, bytes_text(bytes)};
}

BarChart memory_chart(const std::string& title, const ReportLanguage& say) {
  return {title, title, say(words::kResidentAxis), {say(words::kPlanned), say(words::kMeasured)}, {}};
}

Table memory_table(const ReportLanguage& say) {
  return {{{say(words::kMethod)},
           {say(words::kPlannedResident), true},
           {say(words::kPeakResident), true},
           {say(words::kPlannedPrivate), true},
           {say(words::kPeakPrivate), true}},
          {}};
}

void add_memory_row(BarChart& chart, Table& table, const std::string& label, std::size_t style, const MemoryUse& m) {
  chart.groups.push_back({label, style, {memory_bar(m.planned_resident), memory_bar(m.peak_resident)}});
  table.rows.push_back({label, bytes_text(m.planned_resident), bytes_text(m.peak_resident),
                        bytes_text(m.planned_private), bytes_text(m.peak_private)});
}

std::optional<Figure> memory_here(const ExperimentResults& e, const ReportLanguage& say) {
  const std::string title = say(words::kMemoryHereTitle);
  BarChart chart = memory_chart(title, say);
  Table table = memory_table(say);
  const std::vector<std::string> rows = row_names(e);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const MemoryUse m = e.highest_memory(rows[i]);
    if (m.planned_resident || m.peak_resident) add_memory_row(chart, table, e.label_of(rows[i]), i, m);
  }
  if (chart.groups.empty()) return std::nullopt;
  return Figure{draw(chart), title, table};
}

std::optional<Figure> memory_study(const ExperimentResults& e, const ReportLanguage& say) {
  const std::string title = say(words::kMemoryStudyTitle);
  BarChart chart{title, title, say(words::kGpuAxis), {say(words::kAllocated)}, {}};
  Table table{{{say(words::kMethod)}, {say(words::kAllocated), true}}, {}};
  const std::vector<std::string> rows = row_names(e);
  for (const StudyRow& row : e.study) {
    if (!row.gpu_bytes) continue;
    const double gb = static_cast<double>(*row.gpu_bytes) / 1e9;  // the study's own unit
    const std::string label = e.label_of(row.row), text = fmt::format("{:.3g} GB", gb);
    chart.groups.push_back({label, style_of(rows, row.row), {{gb, text}}});
    table.rows.push_back({label, text});
  }
  if (chart.groups.empty()) return std::nullopt;
  return Figure{draw(chart), title, table};
}

Figure memory_shape(const ExperimentResults& e, std::int64_t batch, const ReportLanguage& say) {
  const std::string title = say(words::kMemoryShapeTitle, e.memory->size, batch);
  BarChart chart = memory_chart(title, say);
  Table table = memory_table(say);
  table.columns.insert(
      table.columns.end(),
      {{say(words::kSaving), true}, {say(words::kSecondsPerStep), true}, {say(words::kStudyGpu), true}});
  const std::vector<std::string> rows = row_names(e);
  for (const MemoryRow& row : e.memory->rows) {
    if (row.batch != batch) continue;
    add_memory_row(chart, table, row.label, style_of(rows, row.name), row.memory);
    const std::string saving = row.saving ? fmt::format("{:.0f} %", 100 * *row.saving) : "–";
    for (const std::string& cell : {saving, plain_number(row.seconds_per_step), row.study_gpu})
      table.rows.back().push_back(cell);
  }
  return {draw(chart), title, table};
}

Figures memory_shapes(const ExperimentResults& e, const ReportLanguage& say) {
  Figures figures{e.memory ? say(words::kMemoryShape, e.memory->size, e.memory->compute) : "", {}};
  if (!e.memory) return figures;
  std::set<std::int64_t> batches;
  for (const MemoryRow& row : e.memory->rows) batches.insert(row.batch);
  for (const std::int64_t batch : batches) figures.figures.push_back(memory_shape(e, batch, say));
  return figures;
}

// CER against something, an arm a picture, all on one scale.

std::vector<double> all_cer(const ExperimentResults& e) {
  std::vector<double> all;
  for (const GroupResult& g : e.groups) {
    for (const auto& cer : {g.cer.value, g.cer.low, g.cer.high})
      if (g.cer.value && cer) all.push_back(100 * *cer);
    for (const double cer : g.seed_cer) all.push_back(100 * cer);
  }
  return all;
}

std::vector<double> all_steps(const std::vector<const GroupResult*>& groups) {
  std::set<double> steps;
  for (const GroupResult* g : groups) steps.insert(static_cast<double>(g->steps));
  return {steps.begin(), steps.end()};
}

Table steps_table(const ExperimentResults& e, const std::string& arm, const std::vector<double>& steps,
                  const ReportLanguage& say) {
  Table table{{{say(words::kMethod)}}, {}};
  for (const double s : steps) table.columns.push_back({say(words::kStepsOf, s), true});
  for (const std::string& row : row_names(e)) {
    const auto groups = groups_of(e, arm, row);
    if (groups.empty()) continue;
    std::vector<std::string> cells{e.label_of(row)};
    for (const double s : steps) {
      const auto group = std::ranges::find(groups, static_cast<std::int64_t>(s), &GroupResult::steps);
      cells.push_back(group == groups.end() ? "–" : percent((*group)->cer));
    }
    table.rows.push_back(cells);
  }
  return table;
}

std::optional<Figure> error_figure(const ExperimentResults& e, const std::string& arm, const ReportLanguage& say) {
  const std::string title = say(words::kErrorsTitle, arm);
  Plot plot{title, say(words::kErrorsChart), {say(words::kStepsAxis)}, {say(words::kCerAxis), {}, false, all_cer(e)}};
  std::vector<const GroupResult*> drawn;
  const std::vector<std::string> rows = row_names(e);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto groups = groups_of(e, arm, rows[i]);
    if (groups.empty()) continue;
    Series series{e.label_of(rows[i]), i, {}};
    for (const GroupResult* g : groups) {
      PlotPoint p = cer_point(*g, static_cast<double>(g->steps), say);
      if (g->cer.low && g->cer.high) p.interval = {100 * *g->cer.low, 100 * *g->cer.high};
      for (const double cer : g->seed_cer) p.single.push_back(100 * cer);
      series.points.push_back(p);
    }
    plot.series.push_back(series);
    drawn.insert(drawn.end(), groups.begin(), groups.end());
  }
  if (drawn.empty()) return std::nullopt;
  plot.x.ticks = all_steps(drawn);
  return Figure{draw(plot), title, steps_table(e, arm, plot.x.ticks, say)};
}

// What a group costs, and how it is said.
struct Cost {
  std::string title, axis, column;
  std::optional<double> (*of)(const GroupResult&);
  std::string (*text)(const GroupResult&);
  double unit;  // what the axis counts in
  SeriesKind kind;
};

Cost memory_cost(const std::string& arm, const ReportLanguage& say) {
  return {say(words::kMemoryCostTitle, arm),
          say(words::kMemoryAxis),
          say(words::kPeakResident),
          [](const GroupResult& g) {
            const auto& bytes = g.memory.peak_resident;
            return bytes ? std::optional(static_cast<double>(*bytes)) : std::nullopt;
          },
          [](const GroupResult& g) { return bytes_text(g.memory.peak_resident); },
          0x1p30,
          SeriesKind::kMarks};
}

Cost time_cost(const ExperimentResults& e, const std::string& arm, const ReportLanguage& say) {
  double longest = 0;
  for (const GroupResult& g : e.groups) longest = std::max(longest, g.seconds.value_or(0));
  const Phrase& axis = longest < 300 ? words::kSecondsAxis : longest < 18000 ? words::kMinutesAxis : words::kHoursAxis;
  return {say(words::kTimeCostTitle, arm),
          say(axis),
          say(words::kTime),
          [](const GroupResult& g) { return g.seconds; },
          [](const GroupResult& g) { return seconds_text(g.seconds); },
          longest < 300     ? 1.0
          : longest < 18000 ? 60.0
                            : 3600.0,
          SeriesKind::kMarkedLine};
}

std::vector<double> all_costs(const ExperimentResults& e, const Cost& cost) {
  std::vector<double> all;
  for (const GroupResult& g : e.groups)
    if (const auto value = cost.of(g)) all.push_back(*value / cost.unit);
  return all;
}

std::optional<Figure> cost_figure(const ExperimentResults& e, const std::string& arm, const Cost& cost,
                                  const ReportLanguage& say) {
  struct Drawn {
    const GroupResult* group;
    std::size_t style;
  };
  std::vector<Drawn> drawn;
  std::vector<Costs> costs;
  const std::vector<std::string> rows = row_names(e);
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (const GroupResult* g : groups_of(e, arm, rows[i])) {
      if (!cost.of(*g)) continue;
      drawn.push_back({g, i});
      costs.push_back({*cost.of(*g) / cost.unit, *g->cer.value});
    }
  if (drawn.empty()) return std::nullopt;
  Plot plot{cost.title,
            say(words::kFrontChart),
            {cost.axis, {}, false, all_costs(e, cost)},
            {say(words::kCerAxis), {}, false, all_cer(e)},
            cost.kind};
  std::vector<bool> on_front(drawn.size());
  for (const std::size_t i : pareto_front(costs)) {
    on_front[i] = true;
    plot.front.emplace_back(costs[i].x, 100 * costs[i].y);
  }
  Table table{{{say(words::kMethod)},
               {say(words::kSteps), true},
               {cost.column, true},
               {say(words::kCer), true},
               {say(words::kOnFront)}},
              {}};
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const GroupResult& g = *drawn[i].group;
    if (i == 0 || drawn[i - 1].style != drawn[i].style) plot.series.push_back({e.label_of(g.row), drawn[i].style, {}});
    PlotPoint p = cer_point(g, costs[i].x, say);
    p.filled = on_front[i];
    p.hint += ", " + cost.text(g);
    plot.series.back().points.push_back(p);
    table.rows.push_back({g.label, fmt::format("{}", g.steps), cost.text(g), percent(g.cer), on_front[i] ? "✓" : ""});
  }
  return Figure{draw(plot), cost.title, table};
}

// Curves.

// The longest run of an arm and row, and of those the one with the lowest seed.
const RunResult* longest_run(const ExperimentResults& e, const std::string& arm, const std::string& row) {
  const RunResult* longest = nullptr;
  for (const RunResult& r : e.runs) {
    if (r.arm != arm || r.row != row || r.curve.empty()) continue;
    if (!longest || std::pair(r.steps, -r.seed) > std::pair(longest->steps, -longest->seed)) longest = &r;
  }
  return longest;
}

using CurveValue = std::optional<double> CurvePoint::*;

// What is 0, as a rate that warms up at first, has no place on a logarithmic scale.
std::vector<PlotPoint> curve(const RunResult& run, CurveValue value) {
  std::vector<PlotPoint> points;
  const std::size_t every = (run.curve.size() + kCurvePoints - 1) / kCurvePoints;
  for (std::size_t begin = 0; begin < run.curve.size(); begin += every) {
    const std::size_t end = std::min(begin + every, run.curve.size());
    double step = 0, sum = 0, count = 0;
    for (std::size_t i = begin; i < end; ++i)
      if (const auto& v = run.curve[i].*value; v && *v > 0)
        step += static_cast<double>(run.curve[i].step), sum += *v, ++count;
    if (count > 0) points.push_back({step / count, sum / count});
  }
  return points;
}

std::optional<Figure> curve_figure(const ExperimentResults& e, const std::string& arm, const std::string& title,
                                   const std::string& axis, CurveValue value, const ReportLanguage& say) {
  Plot plot{title, say(words::kCurvesNote), {say(words::kStepsAxis), {}, true}, {axis}, SeriesKind::kLine};
  Table table{{{say(words::kMethod)},
               {say(words::kSteps), true},
               {say(words::kSeed), true},
               {say(words::kFirst), true},
               {say(words::kMiddle), true},
               {say(words::kLast), true}},
              {}};
  const std::vector<std::string> rows = row_names(e);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const RunResult* run = longest_run(e, arm, rows[i]);
    if (!run) continue;
    const std::vector<PlotPoint> points = curve(*run, value);
    if (points.empty()) continue;
    plot.series.push_back({run->label, i, points});
    table.rows.push_back({run->label, fmt::format("{}", run->steps), fmt::format("{}", run->seed),
                          plain_number(points.front().y), plain_number(points[points.size() / 2].y),
                          plain_number(points.back().y)});
  }
  if (plot.series.empty()) return std::nullopt;
  return Figure{draw(plot), title, table};
}

void add(Figures& figures, std::optional<Figure> figure) {
  if (figure) figures.figures.push_back(std::move(*figure));
}

}  // namespace

std::vector<std::string> row_names(const ExperimentResults& e) {
  std::vector<std::string> names;
  for (const RunResult& r : e.runs) add_once(names, r.row);
  for (const GroupResult& g : e.groups) add_once(names, g.row);
  return names;
}

std::vector<std::string> arm_names(const ExperimentResults& e) {
  std::vector<std::string> names;
  for (const RunResult& r : e.runs) add_once(names, r.arm);
  for (const GroupResult& g : e.groups) add_once(names, g.arm);
  return names;
}

std::vector<Figures> memory_figures(const ExperimentResults& e, const ReportLanguage& say) {
  Figures rows{say(words::kMemoryHere), {}};
  add(rows, memory_here(e, say));
  if (auto study = memory_study(e, say)) {
    rows.caption = fmt::format("{} {}", rows.caption, say(words::kMemoryStudy));
    add(rows, std::move(study));
  }
  return {rows, memory_shapes(e, say)};
}

Figures error_figures(const ExperimentResults& e, const ReportLanguage& say) {
  Figures figures{say(words::kErrorsChart), {}};
  for (const std::string& arm : arm_names(e)) add(figures, error_figure(e, arm, say));
  return figures;
}

Figures cost_figures(const ExperimentResults& e, const ReportLanguage& say) {
  Figures figures{say(words::kFrontChart), {}};
  for (const std::string& arm : arm_names(e)) {
    add(figures, cost_figure(e, arm, memory_cost(arm, say), say));
    add(figures, cost_figure(e, arm, time_cost(e, arm, say), say));
  }
  return figures;
}

Figures curve_figures(const ExperimentResults& e, const ReportLanguage& say) {
  Figures figures{say(words::kCurvesNote), {}};
  for (const std::string& arm : arm_names(e)) {
    add(figures, curve_figure(e, arm, say(words::kLossTitle, arm), say(words::kLossAxis), &CurvePoint::loss, say));
    add(figures,
        curve_figure(e, arm, say(words::kRateTitle, arm), say(words::kRateAxis), &CurvePoint::learning_rate, say));
  }
  return figures;
}

}  // namespace sori
