// What an experiment compares: ways to train (rows) x steps x seeds, each with one learning rate for all or with the
// one that was best for its row. A grid is a TOML file; `sori experiment --show study` prints one to begin from.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace sori {

struct GridRow {
  std::string name, label;      // "nf4", "LoRA on a 4-bit base"
  Json options;                 // of sori train, under their own names
  std::vector<double> rates;    // learning rates that are tried; none: as the options say
  Json study = Json::object();  // what a publication says of it: {"gpu_bytes", "cer", "cer_steps"}
};

// One training.
struct Training {
  std::string row;
  std::int64_t steps = 0, seed = 0;
  double learning_rate = 0;  // 0: sori train's own

  std::string name() const;  // "nf4-100-s0-0.001": of its folder
  auto operator<=>(const Training&) const = default;
};

// A block of cells: every row x steps x seed of it.
struct GridBlock {
  std::string arm;
  std::vector<std::string> rows;
  std::vector<std::int64_t> steps, seeds;
  double learning_rate = 0;                // of all of them; 0: of each row the best that was tried
  bool further_splits = false;             // evaluated on those too
  std::vector<std::string> then_quantize;  // formats: quantised after training, and evaluated once more
};

struct Cell {
  std::string arm;
  Training training;
  bool further_splits = false;
  std::vector<std::string> then_quantize;
  std::string name() const {
    return arm + "-" + training.row + "-" + std::to_string(training.steps) + "-s" + std::to_string(training.seed);
  }
};

struct Grid {
  std::string name, title, hash;
  std::string choose_split = "dev", report_split = "eval";
  std::vector<std::string> further_splits;
  bool untuned = true;              // the model as it comes is judged too
  std::string baseline;             // the row that others are compared with; empty: none
  std::int64_t baseline_steps = 0;  // steps to parity count until its error rate after so many
  std::string guard;                // the row that sori guard is asked about, after so many steps; empty: none
  // Further pairs whose ratio is of interest: {"nf4", "lora"} asks what the 4-bit base alone costs.
  std::vector<std::pair<std::string, std::string>> compare;
  std::int64_t tune_steps = 100, tune_seed = 0;
  Json train = Json::object(), evaluate = Json::object();  // options of every training, of every evaluation
  std::vector<GridRow> rows;
  std::vector<GridBlock> blocks;

  const GridRow& row(const std::string& name) const;  // Error kUsage names the rows there are
  Json options_of(const GridRow& row) const;          // of sori train: the row's own before those of all
  // What has to be trained to choose the rates of the rows that need one.
  std::vector<Training> trials() const;
  // Each cell once, in the grid's order. best(row): the rate that was chosen for it.
  template <class Best>
  std::vector<Cell> cells(Best&& best) const;
};

// Error kInput or kUsage names `where` and the key, with the nearest known one where it is misspelt.
Grid parse_grid(std::string_view text, const std::string& name, const std::string& where);

struct BuiltInGrid {
  const char* name;
  const char* text;
};
const std::vector<BuiltInGrid>& built_in_grids();
const BuiltInGrid* find_built_in(const std::string& name);  // nullptr where there is none of this name

template <class Best>
std::vector<Cell> Grid::cells(Best&& best) const {
  std::vector<Cell> all;
  for (const GridBlock& b : blocks)
    for (const std::int64_t seed : b.seeds)
      for (const std::int64_t steps : b.steps)
        for (const std::string& wanted : b.rows) {
          const GridRow& r = row(wanted);
          const double rate = b.learning_rate > 0 ? b.learning_rate : r.rates.empty() ? 0 : best(r);
          Cell cell{b.arm, {r.name, steps, seed, rate}, b.further_splits, b.then_quantize};
          bool known = false;
          for (Cell& c : all)
            if (c.arm == cell.arm && c.training == cell.training) {
              known = true;
              c.further_splits = c.further_splits || cell.further_splits;
              for (const std::string& format : cell.then_quantize)
                if (std::ranges::find(c.then_quantize, format) == c.then_quantize.end())
                  c.then_quantize.push_back(format);
            }
          if (!known) all.push_back(std::move(cell));
        }
  return all;
}

}  // namespace sori
