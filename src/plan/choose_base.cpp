#include "plan/choose_base.h"

#include "base/log.h"
#include "plan/shapes.h"

namespace sori {
namespace {

std::vector<std::string> candidates(const std::string& own, const std::string& asked) {
  if (is_quantised(own)) return {own};  // what is quantised already stays as it is
  if (find_file_format(asked)) return {asked};
  std::vector<std::string> names{own};
  if (asked == kAutoBase)
    for (const std::string& name : file_format_names()) names.push_back(name);
  return names;
}

// Whether any way fits shows in these few: a larger micro-batch, or more windows side by side, never take less.
RunRequest smallest_of(RunRequest r) {
  r.micro_batch = r.micro_batch.value_or(1);
  if (r.judge) r.judge->batch = 1;
  return r;
}

std::string line_of(const std::string& base, std::uint64_t bytes, const std::string& why) {
  return fmt::format("base {:<5}{:>12}{}", base, format_bytes(bytes), why);
}

}  // namespace

const RunChoice& BaseChoice::best() const { return runs.chosen ? runs.all[*runs.chosen] : runs.smallest(); }

BaseChoices choose_base(const Whisper& model, const std::string& own, const std::string& asked,
                        const RunRequest& request) {
  BaseChoices choices;
  std::optional<std::size_t> first;
  const std::vector<std::string> names = candidates(own, asked);
  for (const std::string& base : names) {
    BaseChoice c{base, {}, model, {}};
    if (base != own) assume_base(c.model, c.how.emplace(quantisation_of(*find_file_format(base))));
    if (names.size() > 1) c.runs = choose_run(c.model, smallest_of(request));
    if (c.runs.chosen && !first) first = choices.all.size();
    choices.all.push_back(std::move(c));
  }
  choices.chosen = first.value_or(names.size() - 1);
  BaseChoice& chosen = choices.all[choices.chosen];
  chosen.runs = choose_run(chosen.model, request);
  return choices;
}

BaseChoice choose_base(const Whisper& model, const Quantisation& how, const RunRequest& request) {
  BaseChoice c{how.base(), how, model, {}};
  assume_base(c.model, how);
  c.runs = choose_run(c.model, request);
  return c;
}

std::vector<RunChoice> least_runs(const BaseChoice& base, RunRequest request) {
  request.ram = 0;  // nothing fits, so that nothing is made larger
  Whisper model = base.model;
  return choose_run(model, smallest_of(request)).all;
}

std::vector<std::string> lines_of(const BaseChoices& choices, std::uint64_t ram) {
  const BaseChoice& chosen = choices.all[choices.chosen];
  const std::string limit = format_bytes(ram);
  std::vector<std::string> lines{line_of(chosen.base, chosen.best().memory.resident_bytes(),
                                         "   chosen: the most precise that fits into " + limit)};
  for (std::size_t i = 0; i < choices.all.size(); ++i)
    if (i != choices.chosen)
      lines.push_back(
          line_of(choices.all[i].base, choices.all[i].runs.smallest().memory.resident_bytes(),
                  i < choices.chosen ? " at least: does not fit into " + limit : " at least: less precise"));
  return lines;
}

Json to_json(const BaseChoices& choices) {
  Json all = Json::array();
  for (const BaseChoice& c : choices.all)
    all.push_back({{"base", c.base}, {"least_resident_bytes", c.runs.smallest().memory.resident_bytes()}});
  return {{"chosen", choices.all[choices.chosen].base}, {"choices", all}};
}

}  // namespace sori
