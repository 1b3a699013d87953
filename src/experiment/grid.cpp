#include "experiment/grid.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "base/options.h"
#include "base/toml.h"

namespace sori {
namespace {

constexpr std::int64_t kMostSteps = 10'000'000;
constexpr std::size_t kMostCells = 100'000;

// A table of the file, whose keys are known.
class Table {
 public:
  Table(const Json& table, std::string where, const std::vector<std::string>& known)
      : table_(table), where_(std::move(where)) {
    if (!table.is_object()) throw Error{ErrorKind::kInput, "is no table", where_, "see sori experiment --show study"};
    for (const auto& [key, value] : table.items()) {
      if (std::ranges::find(known, key) != known.end()) continue;
      const std::string near = nearest_name(key, known);
      throw Error{
          ErrorKind::kUsage, fmt::format("\"{}\" is no key of a grid", key), where_,
          near.empty() ? fmt::format("it may have {}", fmt::join(known, ", ")) : fmt::format("did you mean {}?", near)};
    }
  }

  bool has(const char* key) const { return table_.contains(key); }
  template <class T>
  T get(const char* key) const {
    return json_get<T>(table_, key, where_);
  }
  template <class T>
  T get(const char* key, T otherwise) const {
    return json_get_or<T>(table_, key, std::move(otherwise), where_);
  }
  std::string text(const char* key) const {
    if (!json_member(table_, key, where_).is_string()) throw wrong(key, "is no text");
    return get<std::string>(key);
  }
  std::string text(const char* key, const std::string& otherwise) const { return has(key) ? text(key) : otherwise; }
  std::vector<std::string> texts(const char* key) const {
    const Json& list = json_member(table_, key, where_);
    if (!list.is_array() || !std::ranges::all_of(list, [](const Json& v) { return v.is_string(); }))
      throw wrong(key, "is no list of texts");
    return list.get<std::vector<std::string>>();
  }
  Json object(const char* key) const {
    if (!has(key)) return Json::object();
    if (!table_.at(key).is_object()) throw wrong(key, "is no table");
    return table_.at(key);
  }
  double rate(const char* key) const {
    const double r = get<double>(key);
    if (!(r > 0 && r <= 1)) throw wrong(key, fmt::format("{} is no learning rate", r));
    return r;
  }
  Error wrong(const char* key, const std::string& what) const {
    return {ErrorKind::kUsage, what, where_ + ": " + key, "see sori experiment --show study"};
  }
  const std::string& where() const { return where_; }

 private:
  const Json& table_;
  std::string where_;
};

// It becomes the name of a folder.
void check_name(const std::string& name, const Table& t, const char* key) {
  const bool fits = !name.empty() && name.size() <= 60 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  if (!fits) throw t.wrong(key, fmt::format("\"{}\" is no name of small letters, digits, - and _", name));
}

GridRow row_of(const Json& json, const std::string& where) {
  const Table t(json, where, {"name", "label", "options", "rates", "study"});
  GridRow r;
  r.name = t.text("name");
  check_name(r.name, t, "name");
  r.label = t.text("label", r.name);
  r.options = t.object("options");
  r.rates = t.get<std::vector<double>>("rates", {});
  for (const double rate : r.rates)
    if (!(rate > 0 && rate <= 1)) throw t.wrong("rates", fmt::format("{} is no learning rate", rate));
  if (!r.rates.empty() && r.options.contains("learning-rate"))
    throw t.wrong("rates", "has rates beside a learning-rate in its options");
  if (t.has("study")) {
    const Table study(json.at("study"), where + ": study", {"gpu_bytes", "cer", "cer_steps"});
    r.study = json.at("study");
    for (const auto& [key, value] : r.study.items())
      if (!value.is_number()) throw study.wrong(key.c_str(), "is no number");
  }
  return r;
}

std::vector<std::int64_t> numbers(const Table& t, const char* key, std::int64_t low, std::int64_t high) {
  std::vector<std::int64_t> all = t.get<std::vector<std::int64_t>>(key);
  if (all.empty()) throw t.wrong(key, "is empty");
  for (const std::int64_t n : all)
    if (n < low || n > high) throw t.wrong(key, fmt::format("{} is not in {} .. {}", n, low, high));
  return all;
}

GridBlock block_of(const Json& json, const Grid& grid, const std::string& where) {
  const Table t(json, where, {"arm", "rows", "steps", "seeds", "learning-rate", "further-splits", "then-quantize"});
  GridBlock b;
  b.arm = t.text("arm");
  check_name(b.arm, t, "arm");
  b.rows = t.texts("rows");
  for (const std::string& name : b.rows) grid.row(name);
  b.steps = numbers(t, "steps", 1, kMostSteps);
  b.seeds = numbers(t, "seeds", 0, std::int64_t{1} << 62);
  if (t.has("learning-rate")) b.learning_rate = t.rate("learning-rate");
  b.further_splits = t.get<bool>("further-splits", false);
  if (t.has("then-quantize")) b.then_quantize = t.texts("then-quantize");
  return b;
}

// Equal budgets: a method that is tried more often is not better for it.
void check_budgets(const Grid& g, const std::string& where) {
  for (const GridRow& r : g.rows)
    for (const GridRow& other : g.rows)
      if (!r.rates.empty() && !other.rates.empty() && r.rates.size() != other.rates.size())
        throw Error{ErrorKind::kUsage,
                    fmt::format("tries {} rates, row {} tries {}: that is no fair comparison", r.rates.size(),
                                other.name, other.rates.size()),
                    fmt::format("{}: row {}", where, r.name), "try equally many"};
}

}  // namespace

std::string Training::name() const {
  return fmt::format("{}-{}-s{}{}", row, steps, seed, learning_rate > 0 ? fmt::format("-{}", learning_rate) : "");
}

const GridRow& Grid::row(const std::string& wanted) const {
  std::vector<std::string> names;
  for (const GridRow& r : rows) {
    if (r.name == wanted) return r;
    names.push_back(r.name);
  }
  throw Error{ErrorKind::kUsage, fmt::format("has no row \"{}\"", wanted), "grid " + name,
              fmt::format("choose of {}", fmt::join(names, ", "))};
}

Json Grid::options_of(const GridRow& r) const {
  Json options = train;
  options.update(r.options);
  return options;
}

std::vector<Training> Grid::trials() const {
  std::vector<Training> all;
  for (const GridRow& r : rows) {
    const bool wanted = std::ranges::any_of(blocks, [&](const GridBlock& b) {
      return b.learning_rate == 0 && std::ranges::find(b.rows, r.name) != b.rows.end();
    });
    if (wanted)
      for (const double rate : r.rates) all.push_back({r.name, tune_steps, tune_seed, rate});
  }
  return all;
}

Grid parse_grid(std::string_view text, const std::string& name, const std::string& where) {
  const Json json = parse_toml(text, where);
  const Table t(json, where,
                {"title", "choose-split", "report-split", "further-splits", "untuned", "baseline", "baseline-steps",
                 "compare", "guard", "tune", "train", "evaluate", "row", "cells"});
  Grid g;
  g.name = name;
  g.hash = sha256_hex(text);
  g.title = t.text("title", name);
  g.choose_split = t.text("choose-split", g.choose_split);
  g.report_split = t.text("report-split", g.report_split);
  if (t.has("further-splits")) g.further_splits = t.texts("further-splits");
  g.untuned = t.get<bool>("untuned", true);
  g.train = t.object("train");
  g.evaluate = t.object("evaluate");
  if (t.has("tune")) {
    const Table tune(json.at("tune"), where + ": tune", {"steps", "seed"});
    g.tune_steps = tune.get<std::int64_t>("steps", g.tune_steps);
    g.tune_seed = tune.get<std::int64_t>("seed", g.tune_seed);
    if (g.tune_steps < 1 || g.tune_steps > kMostSteps) throw tune.wrong("steps", "is out of range");
    if (g.tune_seed < 0) throw tune.wrong("seed", "is negative");
  }
  const Json &rows = json_member(json, "row", where), &blocks = json_member(json, "cells", where);
  if (!rows.is_array() || rows.empty()) throw t.wrong("row", "holds no [[row]]");
  if (!blocks.is_array() || blocks.empty()) throw t.wrong("cells", "holds no [[cells]]");
  for (const Json& row : rows) {
    g.rows.push_back(row_of(row, fmt::format("{}: row {}", where, g.rows.size() + 1)));
    for (std::size_t i = 0; i + 1 < g.rows.size(); ++i)
      if (g.rows[i].name == g.rows.back().name)
        throw t.wrong("row", fmt::format("\"{}\" stands twice", g.rows[i].name));
  }
  std::size_t cells = 0;
  for (const Json& block : blocks) {
    g.blocks.push_back(block_of(block, g, fmt::format("{}: cells {}", where, g.blocks.size() + 1)));
    const GridBlock& b = g.blocks.back();
    for (const GridBlock& other : g.blocks)
      if (other.arm == b.arm && other.learning_rate != b.learning_rate)
        throw t.wrong("cells", fmt::format("of arm \"{}\" have two learning rates: name two arms", b.arm));
    cells += b.rows.size() * b.steps.size() * b.seeds.size();
    if (cells > kMostCells) throw t.wrong("cells", fmt::format("are over {}", kMostCells));
  }
  if (t.has("baseline")) {
    g.baseline = t.text("baseline");
    g.row(g.baseline);
    g.baseline_steps = t.get<std::int64_t>("baseline-steps", g.tune_steps);
  }
  if (t.has("guard")) {
    g.guard = g.row(t.text("guard")).name;
    if (g.baseline.empty()) throw t.wrong("guard", "needs a baseline, whose baseline-steps it is asked after");
  }
  for (const Json& pair : t.has("compare") ? json.at("compare") : Json::array()) {
    const bool two = pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_string();
    if (!two) throw t.wrong("compare", "holds what is no pair of rows");
    g.compare.emplace_back(g.row(pair[0].get<std::string>()).name, g.row(pair[1].get<std::string>()).name);
  }
  check_budgets(g, where);
  return g;
}

}  // namespace sori
