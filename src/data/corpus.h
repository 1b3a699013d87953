// What a corpus says, before any check: one recording and its transcript a piece, whatever the layout on disk.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "data/reason.h"

namespace sori {

struct RawUtterance {
  std::string id;               // the sound file's path without its extension, or the table's own; valid UTF-8
  std::string audio;            // bytes of a path from the corpus' root; a table's may be absolute or lead out of it
  double start = 0, end = -1;   // seconds; end -1: the whole file
  std::string text;             // UTF-8, as the corpus has it
  std::string language, split;  // empty when the corpus does not say
  bool other_encoding = false;  // its transcript was not in the encoding of the others
};

struct Corpus {
  std::string format;  // ksponspeech, folder or table
  Path root;           // what relative paths are relative to
  std::vector<RawUtterance> utterances;
  std::vector<Rejection> rejected;
  Json notes = Json::object();  // decisions worth showing: encodings, columns, what was left out
};

struct CorpusOptions {
  std::string format = "auto";
  std::string audio_column, text_column;  // of tables; empty: guessed
};

using Progress = std::function<void(const std::string& what, std::int64_t done, std::int64_t total)>;

// Reads the lists and transcripts of a corpus (no sound): SRC is a folder, a .trn or a table. Error kInput or kIo when
// nothing can be read; what is wrong with single lines stands in `rejected`.
Corpus read_corpus(const Path& source, const CorpusOptions& options, const Progress& progress);

// The layout that `auto` takes SRC for. Error kInput when it looks like none.
std::string guess_format(const Path& source);

Corpus read_ksponspeech(const Path& source, const Progress& progress);
Corpus read_folder(const Path& source, const Progress& progress);
Corpus read_table(const Path& source, const CorpusOptions& options);

// The split that a name means: train, dev, eval, eval_clean, eval_other, any eval_X; empty for other names.
// "validation" is dev, "test" eval.
std::string split_of_name(const std::string& name);
// The same for the folders of a relative path, the outermost first.
std::string split_of_path(const std::string& path);

}  // namespace sori
