// A prepared data set on disk: dataset.json, one JSONL a split in NeMo's names, rejected.jsonl.
//
//   {"id": "KsponSpeech_01/KsponSpeech_0001/KsponSpeech_000001", "audio_filepath":
//   "KsponSpeech_01/.../KsponSpeech_000001.pcm",
//    "source": 0, "duration": 4.1, "text": "...", "raw_text": "...", "spelling": "...", "pronunciation": "...",
//    "flags": []}
//
// audio_filepath is relative to the root of its source (dataset.json, "sources"), which is kept both absolute and
// relative to the data set: either the data set alone or both together can be moved. As in the user's table that it
// comes from, it may lead out of the root or be absolute. A file name that is not UTF-8 has its bytes in hexadecimal in
// audio_filepath_bytes. A part of a file has its start in "offset". spelling and pronunciation only where the corpus
// has both.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"

namespace sori {

struct Utterance {
  std::string id;
  std::string audio;       // bytes of a path: relative to its source in files, ready to open in a loaded data set
  std::size_t source = 0;  // index into the sources
  double offset = 0, duration = 0;  // seconds
  bool cut = false;                 // only [offset, offset + duration) of the file
  std::string text;                 // what the model is to write; NFC, single blanks
  std::string raw_text;             // as the corpus has it
  std::string spelling, pronunciation;
  std::vector<std::string> flags;  // odd_bytes, headerless, silent, other_encoding, malformed, unk, digit, latin
};

struct Split {
  std::string name;
  std::vector<Utterance> utterances;
  double seconds() const;
};

struct Dataset {
  Path folder;
  std::string language, task;  // as Whisper's codes: ko, transcribe
  std::string text_mode;       // pronunciation or spelling
  std::string hash;            // SHA-256 over the splits, 64 digits: names the data in adapters and run files
  Json info;                   // dataset.json
  std::vector<Split> splits;   // those that were loaded, by name

  bool has(const std::string& split) const;           // loaded or not
  const Split& split(const std::string& name) const;  // Error kUsage that names the splits there are
};

inline constexpr int kDatasetVersion = 1;

// Reads and checks a data set. `only`: the splits whose lines are wanted (empty: all); the others are not read. Error
// kInput names file and line; a JSONL that is not the one that was written is an error too.
Dataset load_dataset(const Path& folder, const std::vector<std::string>& only = {});

// Where the sounds of a data set lie now; Error kIo when a source is at neither of its places.
std::vector<Path> find_sources(const Json& info, const Path& folder);

// One line of a JSONL and back. parse_utterance() gives the path relative to its source.
Json line_of(const Utterance& u);
Utterance parse_utterance(const Json& line, const std::string& where);

// The hash of a data set from those of its splits, (name, SHA-256 of the JSONL) by name.
std::string dataset_hash(const std::vector<std::pair<std::string, std::string>>& splits);

// At most `most` of n utterances, evenly spaced and in order, so that a part has a bit of everything; all when most <=
// 0.
std::vector<Utterance> evenly(const std::vector<Utterance>& all, std::int64_t most);

}  // namespace sori
