#include "experiment/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace sori {
namespace {

bool failed(const Json& result) { return result.contains("error"); }

Json finite(double x) { return std::isfinite(x) ? Json(x) : Json(); }

// nullptr where it was not judged so. What failed later does not undo it.
const Json* judged(const TrainingResults& results, const std::string& training, const char* kind,
                   const std::string& name) {
  const auto found = results.find(training);
  if (found == results.end() || !found->second.contains(kind)) return nullptr;
  const Json& scores = found->second.at(kind);
  return scores.contains(name) ? &scores.at(name) : nullptr;
}

const Json* score_of(const TrainingResults& results, const std::string& training, const std::string& split) {
  return judged(results, training, "scores", split);
}

// Of what a training gave and was then quantised to a format.
const Json* quantised_score_of(const TrainingResults& results, const std::string& training, const std::string& format) {
  return judged(results, training, "quantised", format);
}

double rate_of(const Json& score, const std::string& where) { return json_get<double>(score, "cer", where); }

std::string where_of(const std::string& training, const std::string& split) { return training + ", " + split; }

// Cells that differ in their seeds alone.
struct Group {
  std::string arm, row, label;
  std::int64_t steps = 0;
  Json learning_rate;
  std::vector<std::int64_t> seeds;
  std::vector<std::string> trainings;  // of each seed
  Interval cer{};                      // of the report split

  std::string key(const std::string& split) const {
    return where_of(fmt::format("{}", fmt::join(trainings, " ")), split);
  }
};

template <class Draw>
Interval interval(Intervals& known, const std::string& key, Draw&& draw) {
  const auto found = known.find(key);
  return found != known.end() ? found->second : known.emplace(key, draw()).first->second;
}

class Summary {
 public:
  Summary(const Grid& grid, const std::vector<Cell>& cells, const TrainingResults& results, Intervals& known)
      : grid_(grid), cells_(cells), results_(results), known_(known) {
    for (const Cell& c : cells) add(c);
    for (Group& g : groups_) {
      const std::vector<UtteranceCounts> runs = counts(g, grid_.report_split);
      g.cer = interval(known_, g.key(grid_.report_split), [&] { return bootstrap_rate(runs); });
    }
  }

  Json go() {
    Json out;
    out["cells"] = Json::array();
    for (const Cell& c : cells_)
      if (results_.contains(c.training.name())) out["cells"].push_back(of(c));
    out["tuning"] = tuning();
    out["groups"] = Json::array();
    for (const Group& g : groups_) out["groups"].push_back(of(g));
    out["ratios"] = ratios();
    out["parity"] = parity();
    out["study"] = study();
    return out;
  }

 private:
  // A seed belongs to a group once it has been judged.
  void add(const Cell& c) {
    for (const std::string& format : c.then_quantize)
      if (std::ranges::find(formats_, format) == formats_.end()) formats_.push_back(format);
    if (!score_of(results_, c.training.name(), grid_.report_split)) return;
    auto group = std::ranges::find_if(groups_, [&](const Group& g) {
      return g.arm == c.arm && g.row == c.training.row && g.steps == c.training.steps;
    });
    if (group == groups_.end())
      group = groups_.insert(
          group,
          {c.arm, c.training.row, grid_.row(c.training.row).label, c.training.steps, shown_rate(c.training), {}, {}});
    group->seeds.push_back(c.training.seed);
    group->trainings.push_back(c.training.name());
  }

  // Null where it is sori train's own.
  Json shown_rate(const Training& t) const {
    if (t.learning_rate > 0) return t.learning_rate;
    const Json options = grid_.options_of(grid_.row(t.row));
    return options.contains("learning-rate") ? options.at("learning-rate") : Json();
  }

  // Of every seed that this split was judged with.
  std::vector<UtteranceCounts> counts(const Group& g, const std::string& split) const {
    std::vector<UtteranceCounts> all;
    for (const std::string& training : g.trainings)
      if (const Json* score = score_of(results_, training, split))
        all.push_back(counts_of(*score, where_of(training, split)));
    return all;
  }

  Json of(const Cell& c) const {
    const Training& t = c.training;
    const GridRow& row = grid_.row(t.row);
    const std::string name = t.name();
    const Json &result = results_.at(name), options = grid_.options_of(row);
    Json cell{{"name", c.name()},
              {"training", name},
              {"arm", c.arm},
              {"row", t.row},
              {"label", row.label},
              {"method", options.value("method", "lora")},
              {"base", options.value("base", "model")},
              {"options", options},
              {"steps", t.steps},
              {"seed", t.seed},
              {"learning_rate", shown_rate(t)}};
    if (failed(result)) cell["error"] = result.at("error");
    if (!result.contains("train")) return cell;
    Json scores = Json::object();
    const auto add_score = [&](const std::string& split) {
      if (const Json* score = score_of(results_, name, split))
        scores[split] = with_interval(*score, where_of(name, split), known_);
    };
    add_score(grid_.report_split);
    if (c.further_splits)
      for (const std::string& split : grid_.further_splits) add_score(split);
    if (scores.contains(grid_.report_split))
      for (const char* key : {"cer", "cer_low", "cer_high"}) cell[key] = scores.at(grid_.report_split).at(key);
    cell["scores"] = std::move(scores);
    cell.update(json_member(result, "train", name));
    Json quantised = Json::object();
    for (const std::string& format : c.then_quantize)
      if (const Json* score = quantised_score_of(results_, name, format))
        quantised[format] = with_interval(*score, where_of(name, "in " + format), known_);
    if (!quantised.empty()) cell["quantised"] = std::move(quantised);
    for (const char* key : {"evaluate_seconds", "curve", "examples"})
      if (result.contains(key)) cell[key] = result.at(key);
    return cell;
  }

  Json of(const Group& g) const {
    Json seed_cer = Json::array();
    for (const std::string& t : g.trainings)
      seed_cer.push_back(rate_of(*score_of(results_, t, grid_.report_split), where_of(t, grid_.report_split)));
    Json group{{"arm", g.arm},        {"row", g.row},         {"label", g.label},
               {"steps", g.steps},    {"seeds", g.seeds},     {"learning_rate", g.learning_rate},
               {"cer", g.cer.value},  {"cer_low", g.cer.low}, {"cer_high", g.cer.high},
               {"seed_cer", seed_cer}};
    for (const char* key : {"seconds", "seconds_per_step", "energy_joules", "planned_resident_bytes",
                            "peak_resident_bytes", "planned_private_bytes", "peak_private_bytes"})
      group[key] = median(g, key);
    if (Json all = quantised(g); !all.empty()) group["quantised"] = std::move(all);
    return group;
  }

  // What each format makes of the errors of those seeds that were quantised to it.
  Json quantised(const Group& g) const {
    Json all = Json::array();
    for (const std::string& format : formats_) {
      std::vector<UtteranceCounts> before, after;
      std::string key = "in " + format;
      for (const std::string& training : g.trainings)
        if (const Json* score = quantised_score_of(results_, training, format)) {
          const std::string where = where_of(training, "in " + format);
          after.push_back(counts_of(*score, where));
          before.push_back(counts_of(*score_of(results_, training, grid_.report_split), training));
          key += " " + training;
        }
      if (after.empty()) continue;
      const Interval was = interval(known_, key + ", before", [&] { return bootstrap_rate(before); });
      const Interval cer = interval(known_, key, [&] { return bootstrap_rate(after); });
      const Interval ratio = interval(known_, key + " / itself", [&] { return bootstrap_ratio(after, before); });
      all.push_back({{"format", format},
                     {"seeds", after.size()},
                     {"before", was.value},
                     {"cer", cer.value},
                     {"cer_low", cer.low},
                     {"cer_high", cer.high},
                     {"ratio", finite(ratio.value)},
                     {"ratio_low", finite(ratio.low)},
                     {"ratio_high", finite(ratio.high)}});
    }
    return all;
  }

  // Over the seeds for which it is known.
  Json median(const Group& g, const char* key) const {
    std::vector<double> all;
    bool whole = true;
    for (const std::string& t : g.trainings) {
      const Json& train = json_member(results_.at(t), "train", t);
      if (!train.contains(key) || train.at(key).is_null()) continue;
      whole = whole && train.at(key).is_number_integer();
      all.push_back(json_get<double>(train, key, t));
    }
    if (all.empty()) return nullptr;
    std::ranges::sort(all);
    const double middle = (all[(all.size() - 1) / 2] + all[all.size() / 2]) / 2;
    return whole ? Json(static_cast<std::int64_t>(middle)) : Json(middle);
  }

  Json tuning() const {
    Json all = Json::array();
    for (const Training& t : grid_.trials()) {
      const auto found = results_.find(t.name());
      if (found == results_.end()) continue;
      const Json* score = score_of(results_, t.name(), grid_.choose_split);
      Json trial{{"row", t.row}, {"learning_rate", t.learning_rate}, {"steps", t.steps}, {"seed", t.seed}};
      if (score)
        trial["cer"] = rate_of(*score, t.name());
      else if (failed(found->second))
        trial["error"] = found->second.at("error");
      else
        continue;
      trial["chosen"] = best_rate(grid_, grid_.row(t.row), results_) == t.learning_rate;
      all.push_back(std::move(trial));
    }
    return all;
  }

  const Group* group(const std::string& arm, const std::string& row, std::int64_t steps) const {
    for (const Group& g : groups_)
      if (g.arm == arm && g.row == row && g.steps == steps) return &g;
    return nullptr;
  }

  // The rows that a row is compared with.
  std::vector<std::string> against(const std::string& row) const {
    std::vector<std::string> all;
    if (!grid_.baseline.empty() && row != grid_.baseline) all.push_back(grid_.baseline);
    for (const auto& [one, other] : grid_.compare)
      if (one == row && std::ranges::find(all, other) == all.end()) all.push_back(other);
    return all;
  }

  // Over the seeds that both were judged with on this split.
  std::pair<Group, Group> paired(const Group& g, const Group& other, const std::string& split) const {
    Group a = g, b = other;
    a.seeds.clear(), a.trainings.clear(), b.seeds.clear(), b.trainings.clear();
    for (std::size_t i = 0; i < g.seeds.size(); ++i)
      for (std::size_t k = 0; k < other.seeds.size(); ++k)
        if (g.seeds[i] == other.seeds[k] && score_of(results_, g.trainings[i], split) &&
            score_of(results_, other.trainings[k], split)) {
          a.seeds.push_back(g.seeds[i]), a.trainings.push_back(g.trainings[i]);
          b.seeds.push_back(g.seeds[i]), b.trainings.push_back(other.trainings[k]);
        }
    return {a, b};
  }

  Json ratios() const {
    Json all = Json::array();
    std::vector<std::string> splits{grid_.report_split};
    splits.insert(splits.end(), grid_.further_splits.begin(), grid_.further_splits.end());
    for (const std::string& split : splits)
      for (const Group& g : groups_)
        for (const std::string& row : against(g.row)) {
          const Group* other = group(g.arm, row, g.steps);
          if (!other) continue;
          const auto [mine, theirs] = paired(g, *other, split);
          if (mine.seeds.empty()) continue;
          const std::vector<UtteranceCounts> above = counts(mine, split), below = counts(theirs, split);
          const Interval r = interval(known_, mine.key(split) + " / " + theirs.key(split),
                                      [&] { return bootstrap_ratio(above, below); });
          all.push_back({{"arm", g.arm},
                         {"row", g.row},
                         {"against", row},
                         {"steps", g.steps},
                         {"split", split},
                         {"seeds", mine.seeds},
                         {"ratio", finite(r.value)},
                         {"low", finite(r.low)},
                         {"high", finite(r.high)}});
        }
    return all;
  }

  Json parity() const {
    Json all = Json::array();
    for (const Group& target : groups_) {
      if (target.row != grid_.baseline || target.steps != grid_.baseline_steps) continue;
      const double wanted = target.cer.value;
      for (const GridRow& row : grid_.rows) {
        const Group* first = nullptr;
        bool known = false;
        for (const Group& g : groups_) {
          if (g.arm != target.arm || g.row != row.name) continue;
          known = true;
          if (g.cer.value <= wanted && (!first || g.steps < first->steps)) first = &g;
        }
        if (!known) continue;
        all.push_back({{"arm", target.arm},
                       {"row", row.name},
                       {"target_cer", wanted},
                       {"steps", first ? Json(first->steps) : Json()},
                       {"seeds", first ? first->seeds.size() : 0},
                       {"target_seeds", target.seeds.size()},
                       {"seconds", first ? median(*first, "seconds") : Json()},
                       {"energy_joules", first ? median(*first, "energy_joules") : Json()}});
      }
    }
    return all;
  }

  Json study() const {
    Json all = Json::array();
    for (const GridRow& row : grid_.rows) {
      if (row.study.empty()) continue;
      Json line{{"row", row.name}};
      line.update(row.study);
      all.push_back(std::move(line));
    }
    return all;
  }

  const Grid& grid_;
  const std::vector<Cell>& cells_;
  const TrainingResults& results_;
  Intervals& known_;
  std::vector<Group> groups_;
  std::vector<std::string> formats_;  // that anything is quantised to after training
};

std::string percent(const Json& rate) {
  return rate.is_number() ? fmt::format("{:.2f} %", 100 * rate.get<double>()) : "-";
}

}  // namespace

UtteranceCounts counts_of(const Json& score, const std::string& where) {
  UtteranceCounts counts;
  const auto rows = json_get<std::vector<std::vector<std::int64_t>>>(score, "counts", where);
  for (const std::vector<std::int64_t>& row : rows) {
    if (row.size() != 2 || row[0] < 0 || row[1] < 0)
      throw Error{ErrorKind::kInput, "holds counts that are no pairs of errors and length", where,
                  "remove it: it will be made again"};
    counts.errors.push_back(row[0]), counts.lengths.push_back(row[1]);
  }
  return counts;
}

Json with_interval(const Json& score, const std::string& where, Intervals& known) {
  const std::vector<UtteranceCounts> run{counts_of(score, where)};
  const Interval cer = interval(known, where, [&] { return bootstrap_rate(run); });
  Json out{{"cer", rate_of(score, where)}, {"cer_low", cer.low}, {"cer_high", cer.high}};
  for (const auto& [key, value] : score.items())
    if (key != "cer" && key != "counts") out[key] = value;
  return out;
}

double best_rate(const Grid& grid, const GridRow& row, const TrainingResults& results) {
  double best = 0, least = 0;
  std::vector<double> rates = row.rates;
  std::ranges::sort(rates);
  for (const double rate : rates) {
    const std::string name = Training{row.name, grid.tune_steps, grid.tune_seed, rate}.name();
    const Json* score = score_of(results, name, grid.choose_split);
    if (!score) continue;
    const double cer = rate_of(*score, name);
    if (best == 0 || cer < least) best = rate, least = cer;
  }
  return best;
}

Json summarise(const Grid& grid, const std::vector<Cell>& cells, const TrainingResults& results, Intervals& known) {
  return Summary(grid, cells, results, known).go();
}

std::string table_of(const Json& s) {
  std::string text = fmt::format("{:<10}{:<28}{:>6}{:>6}{:>10}{:>10}{:>20}{:>10}{:>10}\n", "arm", "row", "steps",
                                 "seeds", "rate", "CER", "95 %", "s/step", "MiB");
  for (const Json& g : s.at("groups")) {
    const Json &seconds = g.at("seconds_per_step"), &bytes = g.at("peak_resident_bytes"), &rate = g.at("learning_rate");
    text += fmt::format("{:<10}{:<28}{:>6}{:>6}{:>10}{:>10}{:>20}{:>10}{:>10}\n", g.at("arm").get<std::string>(),
                        g.at("label").get<std::string>(), g.at("steps").get<std::int64_t>(), g.at("seeds").size(),
                        rate.is_number() ? fmt::format("{:g}", rate.get<double>()) : "-", percent(g.at("cer")),
                        percent(g.at("cer_low")) + " - " + percent(g.at("cer_high")),
                        seconds.is_number() ? fmt::format("{:.2f}", seconds.get<double>()) : "-",
                        bytes.is_number() ? fmt::format("{:.0f}", bytes.get<double>() / 0x1p20) : "-");
  }
  for (const Json& r : s.at("ratios")) {
    if (!r.at("ratio").is_number()) continue;
    text += fmt::format("{}, {} steps, {}: {} makes {:.3f} times the errors of {}{}\n", r.at("arm").get<std::string>(),
                        r.at("steps").get<std::int64_t>(), r.at("split").get<std::string>(),
                        r.at("row").get<std::string>(), r.at("ratio").get<double>(), r.at("against").get<std::string>(),
                        r.at("high").is_number() ? fmt::format(" (95 %: {:.3f} - {:.3f})", r.at("low").get<double>(),
                                                               r.at("high").get<double>())
                                                 : "");
  }
  for (const Json& g : s.at("groups"))
    for (const Json& q : g.value("quantised", Json::array()))
      text += fmt::format("{}, {} steps: {} then quantised to {}: {} ({} before)\n", g.at("arm").get<std::string>(),
                          g.at("steps").get<std::int64_t>(), g.at("row").get<std::string>(),
                          q.at("format").get<std::string>(), percent(q.at("cer")), percent(q.at("before")));
  for (const Json& p : s.at("parity"))
    text += fmt::format(
        "{}: {} reaches {} {}\n", p.at("arm").get<std::string>(), p.at("row").get<std::string>(),
        percent(p.at("target_cer")),
        p.at("steps").is_number()
            ? fmt::format("in {} steps ({} seeds, the target is the mean of {})", p.at("steps").get<std::int64_t>(),
                          p.at("seeds").get<std::int64_t>(), p.at("target_seeds").get<std::int64_t>())
            : "in none of the numbers of steps that were tried");
  for (const Json& c : s.at("cells"))
    if (c.contains("error"))
      text += fmt::format("{} failed: {}\n", c.at("name").get<std::string>(),
                          c.at("error").value("message", std::string("no reason is known")));
  return text;
}

}  // namespace sori
