#include "eval/guard.h"

#include "base/unicode.h"
#include "cli/cli.h"
#include "cli/judge.h"
#include "eval/evaluate.h"

namespace sori {
namespace {

struct Options {
  JudgeOptions judge;
  std::string tuned, data, english;
  SplitOptions split{"dev", 100};
  std::vector<std::string> checks;
  bool show_text = false;

  void describe(OptionTable& t) {
    judge.describe(t);
    t.path("tuned", tuned,
           "the tuned model, where it is no --adapter: a model folder made by sori train or sori merge");
    t.path("data", data, "data set made by sori prepare, in the language that the model was tuned for").required();
    split.describe(t);
    t.path("english", english, "data set of English speech, all of whose splits are heard");
    t.list("checks", checks,
           fmt::format("only these of {}; else all that there is data for", fmt::join(guard_checks(), ", ")));
    t.flag("show-text", show_text, "show what both models write of every sound");
  }

  void check() const {
    if (judge.adapter.empty() == tuned.empty())
      throw Error{ErrorKind::kUsage, "names both or none of --adapter and --tuned", "sori guard",
                  "name the one that fine-tuning made"};
  }
};

// English speech to be heard; none without --english.
std::pair<std::vector<Utterance>, std::string> load_english(const Options& o) {
  if (o.english.empty()) return {};
  const Dataset set = load_dataset(o.english);
  if (set.language != kEnglishCode)
    throw Error{ErrorKind::kInput, fmt::format("its language is {}", set.language), o.english,
                "name English recordings that were prepared with --language en"};
  std::vector<Utterance> all;
  for (const Split& s : set.splits) all.insert(all.end(), s.utterances.begin(), s.utterances.end());
  all = evenly(all, o.split.max_eval_samples);
  if (all.empty()) throw Error{ErrorKind::kInput, "has no utterance", o.english, "name another data set"};
  return {std::move(all), set.hash};
}

std::set<std::string> choose_checks(const Options& o) {
  std::set<std::string> chosen;
  for (const std::string& name : o.checks.empty() ? guard_checks() : o.checks) {
    const bool english = parts_of({name}).contains(Part::kEnglish);
    if (!english || !o.english.empty())
      chosen.insert(name);
    else if (!o.checks.empty())
      throw Error{ErrorKind::kUsage, fmt::format("{} needs English speech", name), "--checks",
                  "name a data set of it with --english"};
  }
  return chosen;
}

// One model after the other: the memory of one is free before the other's is taken.
class Guarded {
 public:
  Guarded(const Options& o, const Battery& battery, const Speech& speech, Log& log)
      : battery_(battery), speech_(speech), log_(log) {
    JudgeOptions untuned = o.judge, tuned = o.judge;
    untuned.adapter.clear();
    if (!o.tuned.empty()) tuned.model = o.tuned;
    const ModelFolder model = open_model(o.judge.model);  // said now if it is none, not after the other's work
    if (o.judge.compute == "auto")
      untuned.compute = tuned.compute = name_of(choose_compute("auto", o.judge.base, model.model.config, log));
    after = hear("after", tuned);
    before = hear("before", untuned);
  }

  Behaviour before, after;
  Json judges = Json::object();

 private:
  Behaviour hear(const char* when, const JudgeOptions& options) {
    Judge judge(options, speech_, log_);
    judges[when] = judge.record();
    return behave(judge.recognizer(), battery_, [&](std::size_t done, std::size_t all) {
      log_.progress(when, static_cast<std::int64_t>(done), static_cast<std::int64_t>(all));
    });
  }

  const Battery& battery_;
  const Speech& speech_;
  Log& log_;
};

std::string number(const GuardCheck& c, double x) {
  return c.measure == kLettersPerMinute ? fmt::format("{:.1f}  ", x) : fmt::format("{:.1f} %", 100 * x);
}

std::string table_of(const std::vector<GuardCheck>& checks) {
  std::string text =
      fmt::format("{:<13}{:<29}{:<24}{:>10}{:>10}{:>16}\n", "check", "of", "measure", "before", "after", "limit");
  for (const GuardCheck& c : checks)
    text +=
        fmt::format("{:<13}{:<29}{:<24}{:>10}{:>10}{:>16}  {}\n", c.name, c.title, c.measure, number(c, c.before),
                    number(c, c.after), fmt::format("{} {}", c.bound(), number(c, c.limit)), c.ok() ? "ok" : "NOT OK");
  for (const GuardCheck& c : checks)
    if (c.taught)
      text += fmt::format("{}: {:.0f} % of the transcripts of --data end so, and a model learns it from them\n", c.name,
                          100 * *c.taught);
  return text;
}

std::string verdict_of(const std::vector<GuardCheck>& checks, const std::vector<std::string>& left_out) {
  std::vector<std::string> failed;
  for (const GuardCheck& c : checks)
    if (!c.ok()) failed.push_back(c.name);
  std::string text = failed.empty() ? fmt::format("safe to replace: {0} of {0} checks are ok", checks.size())
                                    : fmt::format("not safe to replace: {}", fmt::join(failed, ", "));
  if (!left_out.empty()) text += fmt::format("; not checked: {}", fmt::join(left_out, ", "));
  return text + "\n";
}

std::string texts_of(const Guarded& g) {
  std::string text;
  for (const auto& [part, heard] : g.before)
    for (std::size_t i = 0; i < heard.size(); ++i)
      text += fmt::format("{}\n  said   {}\n  before {}\n  after  {}\n\n", heard[i].id, heard[i].said,
                          printable(heard[i].text), printable(g.after.at(part)[i].text));
  return text;
}

}  // namespace

int run_guard(const Verb& verb, const std::vector<std::string>& words, Log& log) {
  Options o;
  std::string json_path;
  if (!parse_verb(verb, words, o, json_path)) return 0;
  o.check();
  const std::set<std::string> chosen = choose_checks(o);
  const auto [set, utterances] = load_scored(o.data, o.split);
  const auto [english, english_hash] = load_english(o);
  refuse_unreadable(utterances);
  refuse_unreadable(english);

  const Battery battery = make_battery(parts_of(chosen), utterances, english);
  const Guarded g(o, battery, {set.language, set.task}, log);
  const std::vector<GuardCheck> checks = compare(g.before, g.after, chosen);
  std::vector<std::string> left_out;
  std::ranges::copy_if(guard_checks(), std::back_inserter(left_out),
                       [&](const std::string& name) { return !chosen.contains(name); });

  Json list = Json::array();
  for (const GuardCheck& c : checks) list.push_back(to_json(c));
  write_json(json_path, {{"model", printable(o.judge.model)},
                         {"adapter", printable(o.judge.adapter)},
                         {"tuned", printable(o.tuned)},
                         {"split", o.split.split},
                         {"data_hash", set.hash},
                         {"english_hash", english_hash},
                         {"utterances", utterances.size()},
                         {"english_utterances", english.size()},
                         {"judges", g.judges},
                         {"checks", list},
                         {"not_checked", left_out},
                         {"ok", is_safe(checks)}});
  print_result((o.show_text ? texts_of(g) : "") + table_of(checks) + verdict_of(checks, left_out));
  return is_safe(checks) ? 0 : kExitNotSafe;
}

}  // namespace sori
