// --base: the format of the frozen weights that a run shall have, before anything is quantised.
#pragma once

#include "export/quantise.h"
#include "plan/choose.h"

namespace sori {

// A format, and the ways to run with it.
struct BaseChoice {
  std::string base;                 // "bf16", "nf4"
  std::optional<Quantisation> how;  // it is made; nothing: it is the folder's own
  Whisper model;                    // with its frozen weights so, as plan_memory() wants it
  RunChoices runs;                  // of a base that is not chosen: the smallest ones alone

  const RunChoice& best() const;  // the one that is chosen, or the smallest where none fits
};

struct BaseChoices {
  std::vector<BaseChoice> all;  // most precise first
  std::size_t chosen = 0;       // the first that fits; the last where none does
};

// asked: a quantised format; "auto", which is the folder's own type and every format below it; anything else is the
// folder's own type, `own`. The model has the formats of its folder.
BaseChoices choose_base(const Whisper& model, const std::string& own, const std::string& asked,
                        const RunRequest& request);
// This one alone.
BaseChoice choose_base(const Whisper& model, const Quantisation& how, const RunRequest& request);

// Of each way to run this base, the least memory: the micro-batch of one utterance, and the smallest evaluation.
std::vector<RunChoice> least_runs(const BaseChoice& base, RunRequest request);

// Which one is taken, and why the others are not: a line each, the chosen one first.
std::vector<std::string> lines_of(const BaseChoices& choices, std::uint64_t ram);
Json to_json(const BaseChoices& choices);

}  // namespace sori
