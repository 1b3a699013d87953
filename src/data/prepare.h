// sori prepare: corpora in, one data set out. Nothing is skipped without a line that says why.
#pragma once

#include <map>
#include <string>

#include "base/json.h"
#include "data/corpus.h"
#include "data/options.h"

namespace sori {

struct PrepareReport {
  Json info;                                     // dataset.json as written
  std::map<std::string, std::int64_t> rejected;  // reason -> utterances, as in rejected.jsonl
  std::int64_t accepted = 0;
  std::int64_t rejected_total() const;
  // What a person should see beside the counts, a line each: format and encodings of each corpus, sound in no list,
  // flags, sentences of other splits that training has too.
  std::vector<std::string> remarks() const;
};

// Reads every transcript and every sound file (on all threads), and writes options.out(). The same corpora and options
// give the same bytes. Error kInput, and nothing written, when no utterance is left; kUsage for options that contradict
// the corpora or a folder that is there already; kIo.
PrepareReport prepare(const PrepareOptions& options, const Progress& progress);

// For --strict, to be called when the report has been shown: Error kInput when something was rejected.
void refuse_rejected(const PrepareOptions& options, const PrepareReport& report);

}  // namespace sori
