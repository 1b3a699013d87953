// The command line: verbs, help, and the one place that turns failures into a line and an exit code.
#pragma once

#include <string>
#include <vector>

#include "base/log.h"
#include "base/options.h"

namespace sori {

inline constexpr int kExitNotSafe = 10;  // sori guard: the tuned model fails a check

struct Verb {
  const char* name;
  const char* group;    // data, model, train, judge, machine
  const char* summary;  // one line
  const char* example;  // of use, shown by --help
  int (*run)(const Verb& verb, const std::vector<std::string>& words, Log& log);
};

const std::vector<Verb>& verbs();

// What `sori` does with these words; the exit code. Errors are written to standard error.
int run(const std::vector<std::string>& words);

std::string help_all();
std::string help_verb(const Verb& verb, const OptionTable& table);

// Fills options from words. False when --help was asked for, which is then on standard output.
template <class Options>
bool parse_verb(const Verb& verb, const std::vector<std::string>& words, Options& options, std::string& json_path);

// Adds --config: a file with what the command line leaves open (cli/run_file.h).
void describe_config(OptionTable& table, std::string& path);

// Adds --json to a table: the same result for programs.
void describe_json(OptionTable& table, std::string& json_path);
void write_json(const std::string& json_path, const Json& result);  // nothing where the path is empty
void print_result(const std::string& text);                         // to standard output; Error kIo

bool wants_help(const std::vector<std::string>& words);
bool parse_table(const Verb& verb, OptionTable& table, const std::vector<std::string>& words);

template <class Options>
bool parse_verb(const Verb& verb, const std::vector<std::string>& words, Options& options, std::string& json_path) {
  OptionTable table;
  options.describe(table);
  describe_json(table, json_path);
  return parse_table(verb, table, words);
}

// The verbs.
int run_prepare(const Verb&, const std::vector<std::string>&, Log&);
int run_inspect(const Verb&, const std::vector<std::string>&, Log&);
int run_import(const Verb&, const std::vector<std::string>&, Log&);
int run_quantize(const Verb&, const std::vector<std::string>&, Log&);
int run_prune(const Verb&, const std::vector<std::string>&, Log&);
int run_merge(const Verb&, const std::vector<std::string>&, Log&);
int run_plan(const Verb&, const std::vector<std::string>&, Log&);
int run_train(const Verb&, const std::vector<std::string>&, Log&);
int run_evaluate(const Verb&, const std::vector<std::string>&, Log&);
int run_guard(const Verb&, const std::vector<std::string>&, Log&);
int run_transcribe(const Verb&, const std::vector<std::string>&, Log&);
int run_report(const Verb&, const std::vector<std::string>&, Log&);
int run_bench(const Verb&, const std::vector<std::string>&, Log&);
int run_experiment(const Verb&, const std::vector<std::string>&, Log&);

}  // namespace sori
