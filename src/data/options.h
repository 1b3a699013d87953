// What `sori prepare` can be told.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/options.h"

namespace sori {

struct PrepareOptions {
  std::vector<std::string> paths;  // SRC... OUT
  std::string format = "auto", text = "pronunciation", language, task = "transcribe";
  std::string split, split_percent = "90,5,5";
  std::string audio_column, text_column;
  std::string tokenizer;
  bool strict = false, overwrite = false;

  std::vector<std::string> sources() const { return {paths.begin(), paths.end() - 1}; }
  const std::string& out() const { return paths.back(); }

  void check() const {
    if (paths.size() < 2)
      throw Error{ErrorKind::kUsage, "SRC or OUT is missing", "", "name one or more corpora and the folder to make"};
  }

  void describe(OptionTable& t) {
    t.arguments("SRC... OUT", paths, "corpora (folders, .trn, .csv, .tsv, .jsonl), then the data set to make");
    t.choice("format", format, "layout of the corpora", {"auto", "ksponspeech", "folder", "table"});
    t.choice("text", text, "side of (70%)/(칠 십 퍼센트) to learn", {"pronunciation", "spelling"});
    t.text("language", language,
           "language spoken, as ko or korean; without it the table's language column, otherwise ko");
    t.choice("task", task, "what the model does with the speech", {"transcribe", "translate"});
    t.text("split", split, "put everything into the split of this name");
    t.text("split-percent", split_percent, "train, dev, eval: how to divide what the corpora do not divide").unit("%");
    t.text("audio-column", audio_column,
           "table column of sound files; without it file_name, audio, audio_filepath or path");
    t.text("text-column", text_column,
           "table column of transcripts; without it text, transcription, transcript or sentence");
    t.path("tokenizer", tokenizer, "model folder; rejects training labels that do not fit into its decoder");
    t.flag("strict", strict, "end with exit code 3 when anything was rejected");
    t.flag("overwrite-output-dir", overwrite, "replace a data set that is there already").also("overwrite");
  }
};

}  // namespace sori
