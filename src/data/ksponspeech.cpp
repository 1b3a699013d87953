// KsponSpeech's layouts: .pcm beside CP949 .txt, and UTF-8 .trn lists of "path :: transcript" whose paths may carry a
// prefix that is not on disk. Where a list names a file, the list is obeyed and the .txt beside it is not read.
#include <unordered_map>

#include "base/error.h"
#include "base/unicode.h"
#include "data/corpus.h"
#include "data/tree.h"

namespace sori {
namespace {

constexpr std::string_view kSeparator = " :: ";

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// True when `path` is `tail`, or ends in "/tail".
bool ends_in(std::string_view path, std::string_view tail) {
  return path.ends_with(tail) && (path.size() == tail.size() || path[path.size() - tail.size() - 1] == '/');
}

// Finds the sound that a list means. Only files of the tree can be found, so no list can lead out of it.
class SoundIndex {
 public:
  explicit SoundIndex(const std::vector<std::string>& sounds) : sounds_(sounds), used_(sounds.size()) {
    for (std::size_t i = 0; i < sounds.size(); ++i) by_name_[without_extension(file_name(sounds[i]))].push_back(i);
  }

  struct Found {
    const std::string* path = nullptr;
    bool ambiguous = false;
  };

  // As it stands (from the root or from the list's folder), as the end of a path, the same without its first folder
  // (eval lists say KsponSpeech_eval/), by file name alone. The extension may differ where that leaves one file: sound
  // may be converted.
  Found find(const std::string& path, const std::string& list_folder) {
    const auto same_name = by_name_.find(without_extension(file_name(path)));
    if (same_name == by_name_.end()) return {};
    const std::string stem = without_extension(path);
    const std::string here = list_folder.empty() ? stem : list_folder + "/" + stem;
    const std::string shorter = stem.substr(stem.find('/') + 1);
    const auto pick = [&](auto&& fits) { return choose(same_name->second, lower_extension(path), fits); };
    for (const Found& found : {pick([&](const std::string& s) { return s == here || s == stem; }),
                               pick([&](const std::string& s) { return ends_in(s, stem); }),
                               pick([&](const std::string& s) { return ends_in(s, shorter); }),
                               pick([&](const std::string&) { return true; })})
      if (found.path || found.ambiguous) return found;
    return {};
  }

  std::vector<std::string> unused() const {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < sounds_.size(); ++i)
      if (!used_[i]) out.push_back(sounds_[i]);
    return out;
  }
  void mark(const std::string* sound) { used_[static_cast<std::size_t>(sound - sounds_.data())] = true; }

 private:
  template <class Fits>
  Found choose(const std::vector<std::size_t>& candidates, const std::string& extension, Fits&& fits) const {
    std::vector<const std::string*> all, exact;
    for (const std::size_t i : candidates) {
      if (!fits(without_extension(sounds_[i]))) continue;
      all.push_back(&sounds_[i]);
      if (lower_extension(sounds_[i]) == extension) exact.push_back(&sounds_[i]);
    }
    if (all.size() == 1) return {all[0], false};
    if (exact.size() == 1) return {exact[0], false};
    return {nullptr, !all.empty()};
  }

  const std::vector<std::string>& sounds_;
  std::vector<bool> used_;
  std::unordered_map<std::string, std::vector<std::size_t>> by_name_;
};

struct ListLine {
  const std::string* list;  // its path below the root
  std::size_t number;
  std::string_view bytes;
};

void add_line(const ListLine& line, Encoding encoding, SoundIndex& index, Corpus& corpus) {
  const std::string place = printable(*line.list) + ":" + std::to_string(line.number);
  std::string split = split_of_name(without_extension(file_name(*line.list)));
  const auto reject = [&](const std::string& id, Reason reason, std::string detail) {
    corpus.rejected.push_back({id, split, reason, place + " " + std::move(detail)});
  };
  const std::size_t cut = line.bytes.find(kSeparator);
  if (cut == std::string_view::npos || cut == 0)
    return reject(place, Reason::kBadLine, "has no \"path :: transcript\"");
  const std::string path(line.bytes.substr(0, cut));
  const std::string name = printable(without_extension(path));
  if (line.bytes.size() > kMaxTranscriptBytes) return reject(name, Reason::kTranscriptTooLong, "is over 64 KiB long");

  const std::string folder =
      line.list->find('/') == std::string::npos ? "" : line.list->substr(0, line.list->rfind('/'));
  const SoundIndex::Found found = index.find(path, folder);
  if (found.ambiguous) return reject(name, Reason::kAudioAmbiguous, "means one of several files of this name");
  if (!found.path) return reject(name, Reason::kAudioMissing, "names a file that is not there");
  index.mark(found.path);
  std::optional<DecodedText> text = decode_text(line.bytes.substr(cut + kSeparator.size()), encoding);
  if (!text) return reject(name, Reason::kTranscriptEncoding, "is neither UTF-8 nor CP949");
  RawUtterance u;
  u.id = printable(without_extension(*found.path));
  u.audio = *found.path;
  u.text = std::move(text->text);
  u.split = split.empty() ? split_of_path(*found.path) : split;
  u.other_encoding = text->other_encoding;
  corpus.utterances.push_back(std::move(u));
}

// The lists' lines, in order; the bytes stay in `contents`.
std::vector<ListLine> lines_of(const std::vector<std::string>& lists, const std::vector<std::string>& contents) {
  std::vector<ListLine> lines;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    std::size_t number = 0;
    for (const std::string_view line : split_lines(contents[i])) {
      ++number;
      if (line.find_first_not_of(" \t") != std::string_view::npos) lines.push_back({&lists[i], number, line});
    }
  }
  return lines;
}

void add_lists(const std::vector<std::string>& lists, SoundIndex& index, const Progress& progress, Corpus& corpus) {
  std::vector<std::string> contents;
  for (const std::string& list : lists) contents.push_back(read_file(corpus.root / list));
  const std::vector<ListLine> lines = lines_of(lists, contents);
  const EncodingChoice choice = choose_encoding(
      lines.size(), [&](std::size_t i) { return lines[i].bytes; }, Encoding::kUtf8);
  corpus.notes["encodings"][".trn"] = choice.record();
  for (const ListLine& line : lines) add_line(line, choice.encoding, index, corpus);
  progress("reading lists", static_cast<std::int64_t>(lines.size()), static_cast<std::int64_t>(lines.size()));
}

}  // namespace

Corpus read_ksponspeech(const Path& source, const Progress& progress) {
  Corpus corpus;
  corpus.format = "ksponspeech";
  std::error_code code;
  const bool one_list = !std::filesystem::is_directory(source, code);
  corpus.root = one_list ? (source.has_parent_path() ? source.parent_path() : Path{"."}) : source;
  Tree tree = list_tree(corpus.root);
  note_links(tree.links, corpus);
  if (one_list) tree.lists = {source.filename().native()};

  SoundIndex index(tree.sounds);
  if (!tree.lists.empty()) add_lists(tree.lists, index, progress, corpus);
  const bool has_train_list = std::any_of(tree.lists.begin(), tree.lists.end(), [](const std::string& list) {
    return split_of_name(without_extension(file_name(list))) == "train";
  });
  const std::vector<std::string> rest = index.unused();
  if (one_list || has_train_list) {  // the lists say what belongs to the corpus
    if (!rest.empty()) corpus.notes["sound_not_listed"] = rest.size();
    return corpus;
  }
  std::vector<std::string> transcripts;
  if (tree.lists.empty()) {
    transcripts = std::move(tree.transcripts);
  } else {  // those of listed sound are not needed
    std::unordered_map<std::string, bool> wanted;
    for (const std::string& sound : rest) wanted.emplace(without_extension(sound), true);
    for (std::string& t : tree.transcripts)
      if (wanted.contains(without_extension(t))) transcripts.push_back(std::move(t));
  }
  add_pairs(corpus.root, rest, transcripts, Encoding::kCp949, progress, corpus);
  return corpus;
}

}  // namespace sori
