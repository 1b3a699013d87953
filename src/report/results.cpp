#include "report/results.h"

#include "base/json.h"
#include "base/unicode.h"

namespace sori {
namespace {

constexpr double kLargest = 1e15;             // of any number: no sum of them overflows
constexpr std::size_t kLongestText = 10'000;  // characters of an utterance: their alignment takes its square
constexpr const char* kCheckFile = "check that the file comes from sori, whole and unchanged";

// An object of the file and its place in it.
class Reader {
 public:
  Reader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) throw bad("is no object");
  }

  std::string text(const char* key) const { return json_get<std::string>(object_, key, where_); }
  std::string text_or(const char* key) const { return json_get_or<std::string>(object_, key, "", where_); }
  bool flag(const char* key) const { return json_get_or(object_, key, false, where_); }

  std::optional<double> number(const char* key) const {
    const auto value = signed_number(key);
    if (value) check_range(*value, 0, key);
    return value;
  }
  // A difference.
  std::optional<double> signed_number(const char* key) const {
    if (!known(key)) return std::nullopt;
    const auto value = json_get<double>(object_, key, where_);
    check_range(value, -kLargest, key);
    return value;
  }
  std::optional<std::int64_t> count(const char* key) const {
    const auto value = number(key);
    return value ? std::optional(json_get<std::int64_t>(object_, key, where_)) : std::nullopt;
  }
  std::int64_t needed_count(const char* key) const {
    json_member(object_, key, where_);
    const auto value = count(key);
    if (!value) throw bad(fmt::format("\"{}\" is null", key));
    return *value;
  }
  std::optional<std::uint64_t> bytes(const char* key) const {
    const auto value = count(key);
    return value ? std::optional(static_cast<std::uint64_t>(*value)) : std::nullopt;
  }
  Estimate estimate(const std::string& value, const std::string& of) const {
    return {number(value.c_str()), number((of + "low").c_str()), number((of + "high").c_str())};
  }
  std::vector<std::string> texts(const char* key) const {
    return json_get_or<std::vector<std::string>>(object_, key, {}, where_);
  }
  template <class T>
  std::vector<T> numbers(const char* key) const {
    const auto all = json_get_or<std::vector<T>>(object_, key, {}, where_);
    for (const T value : all) check_range(static_cast<double>(value), 0, key);
    return all;
  }

  std::optional<Reader> object(const char* key) const {
    return known(key) ? std::optional<Reader>(std::in_place, object_.at(key), place(key)) : std::nullopt;
  }

  // Of each member of an array: what `read` makes of it; nothing where there is no array.
  template <class T>
  std::vector<T> list(const char* key, T (*read)(const Reader&)) const {
    std::vector<T> all;
    if (!known(key)) return all;
    const Json& array = object_.at(key);
    if (!array.is_array()) detail::wrong_type(key, where_);
    for (std::size_t i = 0; i < array.size(); ++i)
      all.push_back(read({array[i], fmt::format("{}[{}]", place(key), i)}));
    return all;
  }
  // The same of an object's members, whose names are data.
  template <class T>
  std::vector<T> members(const char* key, T (*read)(const std::string&, const Reader&)) const {
    std::vector<T> all;
    if (const auto parent = object(key))
      for (const auto& [name, value] : parent->object_.items())
        all.push_back(read(name, {value, fmt::format("{}.{}", parent->where_, printable(name))}));
    return all;
  }

  void need(const char* key) const { json_member(object_, key, where_); }
  const Json& json() const { return object_; }
  const std::string& where() const { return where_; }
  Error bad(const std::string& what) const { return Error{ErrorKind::kInput, what, where_, kCheckFile}; }

 private:
  bool known(const char* key) const { return object_.contains(key) && !object_.at(key).is_null(); }
  void check_range(double value, double lowest, const char* key) const {
    if (!(lowest <= value && value <= kLargest)) throw bad(fmt::format("\"{}\" is out of range", key));
  }
  std::string place(const char* key) const { return fmt::format("{}: {}", where_, key); }

  const Json& object_;
  std::string where_;
};

SplitScore read_score(const std::string& split, const Reader& r) {
  return {split, r.estimate("cer", "cer_"), r.number("cer_with_blanks"), r.number("wer")};
}

MemoryUse read_memory_use(const Reader& r) {
  return {r.bytes("planned_resident_bytes"), r.bytes("peak_resident_bytes"), r.bytes("planned_private_bytes"),
          r.bytes("peak_private_bytes")};
}

CurvePoint read_curve_point(const Reader& r) {
  return {r.needed_count("step"), r.number("loss"), r.number("learning_rate")};
}

ReadAloud read_example(const Reader& r) {
  ReadAloud e{r.text("id"), r.text("said"), r.text("heard"), r.number("cer")};
  for (const std::string* text : {&e.said, &e.heard})
    if (code_points(*text).size() > kLongestText)
      throw r.bad(fmt::format("has a text of more than {} characters", kLongestText));
  return e;
}

std::optional<Failure> read_failure(const Reader& r) {
  const auto error = r.object("error");
  return error ? std::optional(Failure{error->needed_count("exit_code"), error->text("message")}) : std::nullopt;
}

RunResult read_run(const Reader& r) {
  RunResult run;
  run.name = r.text("name"), run.arm = r.text("arm"), run.row = r.text("row"), run.label = r.text("label");
  run.method = r.text_or("method"), run.base = r.text_or("base");
  run.steps = r.needed_count("steps"), run.seed = r.needed_count("seed");
  run.learning_rate = r.number("learning_rate");
  run.scores = r.members("scores", read_score);
  run.curve = r.list("curve", read_curve_point);
  run.examples = r.list("examples", read_example);
  run.failure = read_failure(r);
  return run;
}

QuantisedScore read_quantised(const Reader& r) {
  return {r.text("format"), r.needed_count("seeds"), r.number("before"), r.estimate("cer", "cer_"),
          r.estimate("ratio", "ratio_")};
}

GroupResult read_group(const Reader& r) {
  GroupResult g;
  g.arm = r.text("arm"), g.row = r.text("row"), g.label = r.text("label");
  g.steps = r.needed_count("steps");
  if (g.steps == 0) throw r.bad("\"steps\" is 0");
  g.seeds = r.numbers<std::int64_t>("seeds");
  g.seed_cer = r.numbers<double>("seed_cer");
  g.cer = r.estimate("cer", "cer_");
  g.learning_rate = r.number("learning_rate"), g.seconds = r.number("seconds");
  g.seconds_per_step = r.number("seconds_per_step"), g.energy_joules = r.number("energy_joules");
  g.memory = read_memory_use(r);
  g.quantised = r.list("quantised", read_quantised);
  return g;
}

RatioResult read_ratio(const Reader& r) {
  return {r.text("arm"),   r.text("row"),           r.text("against"),
          r.text("split"), r.needed_count("steps"), r.estimate("ratio", "")};
}

ParityResult read_parity(const Reader& r) {
  return {r.text("arm"),   r.text("row"), r.number("target_cer"), r.number("seconds"), r.number("energy_joules"),
          r.count("steps")};
}

Trial read_trial(const Reader& r) {
  return {r.text("row"),
          r.needed_count("steps"),
          r.count("seed").value_or(0),
          r.number("learning_rate"),
          r.number("cer"),
          r.flag("chosen"),
          read_failure(r)};
}

StudyRow read_study_row(const Reader& r) {
  return {r.text("row"), r.bytes("gpu_bytes"), r.number("cer"), r.count("cer_steps")};
}

SplitSize read_split_size(const std::string& name, const Reader& r) {
  return {name, r.needed_count("utterances"), r.number("hours")};
}

// Of the machine: whatever its members are called, in their order.
std::vector<Fact> read_facts(const Reader& r) {
  std::vector<Fact> facts;
  for (const auto& [name, value] : r.json().items()) {
    if (value.is_structured()) throw r.bad(fmt::format("\"{}\" has the wrong type", printable(name)));
    if (!value.is_null()) facts.push_back({name, value.is_string() ? value.get<std::string>() : value.dump()});
  }
  return facts;
}

MemoryRow read_memory_row(const Reader& r) {
  MemoryRow row{r.text("name"), r.text("label"), r.text_or("study_gpu"), r.needed_count("batch"), read_memory_use(r)};
  row.memory.planned_private = r.bytes("planned_bytes");
  row.seconds_per_step = r.number("seconds_per_step"), row.saving = r.signed_number("saving");
  return row;
}

CheckResult read_check(const Reader& r) {
  return {r.text_or("name"),        r.text("title"),           r.text_or("measure"),
          r.text_or("bound"),       r.signed_number("before"), r.signed_number("after"),
          r.signed_number("limit"), r.signed_number("taught"), json_get<bool>(r.json(), "ok", r.where())};
}

// A file that may lie beside the results.
std::optional<Json> read_beside(const Path& path) {
  std::error_code code;
  return std::filesystem::exists(path, code) ? std::optional(read_json(path)) : std::nullopt;
}

std::optional<MemoryResult> read_memory(const Path& path) {
  const auto json = read_beside(path);
  if (!json) return std::nullopt;
  const Reader r(*json, path.string());
  r.need("rows");
  return MemoryResult{r.text_or("size"), r.text_or("compute"), r.list("rows", read_memory_row)};
}

std::optional<GuardResult> read_guard(const Path& path) {
  const auto json = read_beside(path);
  if (!json) return std::nullopt;
  const Reader r(*json, path.string());
  r.need("checks");
  return GuardResult{r.text_or("model"), r.text_or("adapter"), r.text_or("tuned"), r.list("checks", read_check),
                     json_get<bool>(*json, "ok", r.where())};
}

void take_larger(std::optional<std::uint64_t>& highest, const std::optional<std::uint64_t>& value) {
  if (value) highest = std::max(highest.value_or(0), *value);
}

}  // namespace

const RunResult* ExperimentResults::run_of(const std::string& row) const {
  const auto run = std::ranges::find(runs, row, &RunResult::row);
  return run == runs.end() ? nullptr : &*run;
}

std::string ExperimentResults::label_of(const std::string& row) const {
  const auto group = std::ranges::find(groups, row, &GroupResult::row);
  if (group != groups.end()) return group->label;
  const RunResult* run = run_of(row);
  return run ? run->label : row;
}

MemoryUse ExperimentResults::highest_memory(const std::string& row) const {
  MemoryUse all;
  for (const GroupResult& g : groups) {
    if (g.row != row) continue;
    take_larger(all.planned_resident, g.memory.planned_resident);
    take_larger(all.peak_resident, g.memory.peak_resident);
    take_larger(all.planned_private, g.memory.planned_private);
    take_larger(all.peak_private, g.memory.peak_private);
  }
  return all;
}

bool ExperimentResults::is_full(const std::string& row) const {
  const RunResult* run = run_of(row);
  return run && run->method == "full";
}

bool ExperimentResults::is_nf4(const std::string& row) const {
  const RunResult* run = run_of(row);
  return run && run->base == "nf4";
}

ExperimentResults read_results(const Path& folder) {
  const Path path = folder / "results.json";
  const Json json = read_json(path);
  const Reader r(json, path.string());
  for (const char* key : {"cells", "groups"}) r.need(key);
  ExperimentResults e;
  e.version = r.text_or("sori"), e.command = r.text_or("command"), e.date = r.text_or("date"),
  e.compute = r.text_or("compute");
  if (const auto grid = r.object("grid"))
    e.grid = grid->text_or("name"), e.title = grid->text_or("title"), e.grid_hash = grid->text_or("hash");
  if (const auto machine = r.object("machine")) e.machine = read_facts(*machine);
  if (const auto model = r.object("model")) e.model = model->text_or("name"), e.model_hash = model->text_or("hash");
  if (const auto data = r.object("data")) {
    e.data_hash = data->text_or("hash"), e.language = data->text_or("language");
    e.data = data->members("splits", read_split_size);
  }
  e.choose_split = r.text_or("choose_split"), e.report_split = r.text_or("report_split");
  e.splits = r.texts("splits");
  e.finished = r.count("finished").value_or(0), e.of = r.count("of").value_or(0), e.jobs = r.count("jobs");
  if (const auto untuned = r.object("untuned")) e.untuned = untuned->members("scores", read_score);
  e.runs = r.list("cells", read_run);
  e.tuning = r.list("tuning", read_trial);
  e.groups = r.list("groups", read_group);
  e.ratios = r.list("ratios", read_ratio);
  e.parity = r.list("parity", read_parity);
  e.study = r.list("study", read_study_row);
  e.memory = read_memory(folder / "memory.json");
  e.guard = read_guard(folder / "guard.json");
  return e;
}

}  // namespace sori
