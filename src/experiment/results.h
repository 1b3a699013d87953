// What an experiment says, from what its trainings left: cells, groups over seeds with intervals, ratios to the
// baseline, and steps to parity with it.
#pragma once

#include <map>

#include "experiment/grid.h"
#include "metrics/bootstrap.h"

namespace sori {

// What one training left, by its name: {"train": {"seconds", "seconds_per_step", "energy_joules", peaks and plans},
// "curve": [{"step", "loss", "learning_rate"}], "scores": {SPLIT: SCORE and "counts": [[errors, length], ..]},
// "evaluate_seconds", "quantised": {FORMAT: SCORE on the report split}}, each where it was reached, and {"error":
// {"exit_code", "message"}} where something failed then.
using TrainingResults = std::map<std::string, Json>;

// Error kInput names `where` where they are no counts.
UtteranceCounts counts_of(const Json& score, const std::string& where);

// Intervals that are known already, by what they are of: an experiment is summarised after every cell, and each takes
// thousands of draws. A score never changes while they are kept.
using Intervals = std::map<std::string, Interval>;

// A score as results.json has it: without its counts, with the interval that follows from them. `where` names it.
Json with_interval(const Json& score, const std::string& where, Intervals& known);

// Of a row's trials the rate whose error rate on grid.choose_split is least; of equals the lower rate. 0 where none has
// one.
double best_rate(const Grid& grid, const GridRow& row, const TrainingResults& results);

// "cells", "tuning", "groups", "ratios", "parity" and "study" of results.json, of the cells that have a result so far.
// An error rate that cannot be known is null.
Json summarise(const Grid& grid, const std::vector<Cell>& cells, const TrainingResults& results, Intervals& known);

// The groups, ratios and steps to parity as a table for a terminal.
std::string table_of(const Json& summary);

}  // namespace sori
