// sori experiment: runs that measure what the documentation states, and the study's comparison on any corpus.
#include "cli/experiment.h"

#include "cli/cli.h"
#include "experiment/grid.h"
#include "experiment/results.h"

namespace sori {
namespace {

struct Options {
  std::string name, output_dir, show;
  bool list = false;
  MemoryExperiment memory;
  GridExperiment grid;

  void describe(OptionTable& t) {
    t.argument("NAME", name, "memory, a built-in grid (see --list), or a grid of your own: a TOML file");
    t.path("output-dir", output_dir, "folder for what is made and measured; kept, and used again").required();
    t.flag("list", list, "name what is built in, and end");
    t.text("show", show, "print a built-in grid, to begin a grid of your own from, and end");
    grid.describe(t);
    memory.describe(t);
  }
};

std::string list() {
  std::string text = "memory      peaks of full fine-tuning, LoRA, LoRA on 8 bits and on 4 bits, measured\n";
  for (const BuiltInGrid& g : built_in_grids())
    text += fmt::format("{:<12}{}\n", g.name, parse_grid(g.text, g.name, g.name).title);
  return text;
}

std::string text_of(const std::string& name) {
  if (const BuiltInGrid* grid = find_built_in(name)) return grid->text;
  throw Error{ErrorKind::kUsage, fmt::format("\"{}\" is no built-in grid", name), "--show",
              "see sori experiment --list"};
}

std::string joined(const std::vector<std::string>& words) {
  std::string line = "sori experiment";
  for (const std::string& word : words) line.append(" ").append(shell_word(word));
  return line;
}

}  // namespace

int run_experiment(const Verb& verb, const std::vector<std::string>& words, Log& log) {
  Options o;
  std::string json_path;
  OptionTable table;
  o.describe(table);
  describe_json(table, json_path);
  if (wants_help(words)) {
    print_result(help_verb(verb, table));
    return 0;
  }
  parse_words(table, words);
  if (o.list || !o.show.empty()) {
    print_result(o.list ? list() : text_of(o.show));
    return 0;
  }
  require_given(table);
  o.memory.output_dir = o.grid.output_dir = o.output_dir;
  o.grid.grid = o.name, o.grid.command = joined(words);
  const bool memory = o.name == "memory";
  const Json result = memory ? o.memory.run(log) : o.grid.run(log);
  write_json(json_path, result);
  print_result(memory ? table_of_memory(result) : o.grid.dry_run ? "" : table_of(result));
  return 0;
}

}  // namespace sori
