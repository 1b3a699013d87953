// An option is one line in one table. Parsing, --help, range checks, the JSON record of a run and the documentation
// test all come from it:
//
//   struct TrainOptions {
//     std::string model;  int rank = 32;
//     void describe(OptionTable& t) {
//       t.text("model", model, "model folder in the Hugging Face layout").required();
//       t.integer("lora-rank", rank, "rank R of the adapters", 1, 1024).also("r");
//     }
//   };
//
// The names are Hugging Face's and PEFT's where they have one. Underscores are accepted for dashes.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"

namespace sori {

class Option {
 public:
  Option& required() {
    required_ = true;
    return *this;
  }
  Option& also(std::string alias) {
    aliases.push_back(std::move(alias));
    return *this;
  }  // other names, without dashes
  Option& unit(std::string u) {
    unit_ = std::move(u);
    return *this;
  }
  Option& group(std::string g) {
    group_ = std::move(g);
    return *this;
  }  // heading in --help

  std::string name, help, kind, default_text;  // kind: TEXT, PATH, N, X, a|b|c; empty for a switch
  std::vector<std::string> aliases;
  bool repeats = false, positional = false, given = false;
  std::function<void(const std::string&)> parse;  // throws Error kUsage
  std::function<Json()> value;

  bool is_required() const { return required_; }
  bool is_switch() const { return kind.empty(); }
  const std::string& unit() const { return unit_; }
  const std::string& group() const { return group_; }

 private:
  bool required_ = false;
  std::string unit_, group_;
};

class OptionTable {
 public:
  Option& text(std::string name, std::string& value, std::string help);
  Option& path(std::string name, std::string& value, std::string help);
  // A file to write; one that cannot be written is refused as soon as it is named.
  Option& output(std::string name, std::string& value, std::string help);
  Option& integer(std::string name, std::int64_t& value, std::string help, std::int64_t low, std::int64_t high);
  Option& integer(std::string name, int& value, std::string help, int low, int high);
  Option& number(std::string name, double& value, std::string help, double low, double high);
  Option& choice(std::string name, std::string& value, std::string help, std::vector<std::string> choices);
  Option& flag(std::string name, bool& value, std::string help);
  Option& list(std::string name, std::vector<std::string>& value, std::string help);       // a,b,c or repeated
  Option& argument(std::string name, std::string& value, std::string help);                // positional, required
  Option& arguments(std::string name, std::vector<std::string>& value, std::string help);  // positional, one or more

  std::deque<Option>& options() { return options_; }
  const std::deque<Option>& options() const { return options_; }
  Json record() const;                                // {"name": value, ...}: what the run was asked to do
  const Option* find(const std::string& name) const;  // by name or alias, dashes and underscores alike

 private:
  Option& add(std::string name, std::string help, std::string kind, std::string default_text);
  std::deque<Option> options_;  // a deque: references stay valid
};

// Fills a table from words, then looks for what is required. Unknown names are Error kUsage with the nearest known
// name; so are values out of range, a missing required option and a repeated one. "--name value", "--name=value" and
// "--" are understood; "--no-x" clears a switch.
void parse_options(OptionTable& table, const std::vector<std::string>& words);
void parse_words(OptionTable& table, const std::vector<std::string>& words);
void require_given(const OptionTable& table);

// Fills what is not given yet from a file's names and values, as strict as parse_words(): what words have given stays.
// `where` is the file.
void fill_options(OptionTable& table, const std::vector<std::pair<std::string, Json>>& values,
                  const std::string& where);

// A value as the command line writes it: a list as "a,b,c".
std::string word_of(const Json& value);
// As a shell takes it back: in quotes where it holds what a shell reads otherwise.
std::string shell_word(const std::string& word);

// The known name nearest to a misspelt one by edit distance; empty when none is near.
std::string nearest_name(const std::string& word, const std::vector<std::string>& known);

}  // namespace sori
