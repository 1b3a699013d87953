// The files of a corpus folder, sorted by kind, and the transcripts that lie beside sound files.
#pragma once

#include <string>
#include <vector>

#include "base/linked_files.h"
#include "data/corpus.h"
#include "data/transcript_file.h"

namespace sori {

// Paths relative to the root, sorted by bytes.
struct Tree {
  std::vector<std::string> sounds;       // wav, flac, mp3, ogg, pcm
  std::vector<std::string> transcripts;  // .txt
  std::vector<std::string> lists;        // .trn
  LinkedFiles links;                     // what became of the links; without the files
};
Tree list_tree(const Path& root);

// Counts the links of a corpus in its notes.
void note_links(const LinkedFiles& links, Corpus& corpus);

std::string without_extension(const std::string& path);
std::string lower_extension(const std::string& path);  // "wav"; empty when there is none
bool is_table(const std::string& path);                // csv, tsv, jsonl

// Transcript files of one encoding, read and decoded together. Where text[i] is missing, `rejected` says why.
struct TranscriptFiles {
  std::vector<std::optional<DecodedText>> text;
  std::vector<Rejection> rejected;
  EncodingChoice choice;
};
TranscriptFiles read_transcripts(const Path& root, const std::vector<std::string>& paths, Encoding otherwise,
                                 const Progress& progress);

// Pairs x.<sound> with x.txt. Sound without a transcript and transcripts without sound are rejected.
void add_pairs(const Path& root, const std::vector<std::string>& sounds, const std::vector<std::string>& transcripts,
               Encoding otherwise, const Progress& progress, Corpus& corpus);

}  // namespace sori
