#include "data/tree.h"

#include <mutex>
#include <unordered_map>

#include "base/threads.h"
#include "base/unicode.h"

namespace sori {
namespace {

constexpr std::int64_t kReportEvery = 500;  // files

}  // namespace

std::string without_extension(const std::string& path) {
  const std::size_t slash = path.rfind('/'), dot = path.rfind('.');
  const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  return dot == std::string::npos || dot <= name ? path : path.substr(0, dot);
}

std::string lower_extension(const std::string& path) {
  std::string extension = path.substr(without_extension(path).size());
  if (!extension.empty()) extension.erase(0, 1);
  for (char& c : extension)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return extension;
}

bool is_table(const std::string& path) {
  const std::string extension = lower_extension(path);
  return extension == "csv" || extension == "tsv" || extension == "jsonl";
}

Tree list_tree(const Path& root) {
  Tree tree;
  tree.links = list_linked_files(root);
  for (const Path& file : std::exchange(tree.links.files, {})) {
    const std::string extension = lower_extension(file.native());
    const bool sound =
        extension == "wav" || extension == "flac" || extension == "mp3" || extension == "ogg" || extension == "pcm";
    if (sound) tree.sounds.push_back(file.native());
    if (extension == "txt") tree.transcripts.push_back(file.native());
    if (extension == "trn") tree.lists.push_back(file.native());
  }
  return tree;
}

void note_links(const LinkedFiles& links, Corpus& corpus) {
  if (links.followed > 0) corpus.notes["links_followed"] = links.followed;
  for (const Path& link : links.not_followed) corpus.notes["links_not_followed"].push_back(printable(link.native()));
}

TranscriptFiles read_transcripts(const Path& root, const std::vector<std::string>& paths, Encoding otherwise,
                                 const Progress& progress) {
  const auto n = static_cast<std::int64_t>(paths.size());
  std::vector<std::string> bytes(paths.size());
  std::vector<std::string> failure(paths.size());
  std::mutex mutex;
  std::int64_t done = 0;
  parallel_for(n, [&](std::int64_t i) {
    try {
      bytes[i] = read_file(root / paths[i], kMaxTranscriptBytes);
    } catch (const Error& e) {
      failure[i] = e.what();
    }
    const std::lock_guard lock(mutex);
    if (++done % kReportEvery == 0 || done == n) progress("reading transcripts", done, n);
  });

  TranscriptFiles files;
  files.choice = choose_encoding(
      paths.size(), [&](std::size_t i) { return std::string_view(bytes[i]); }, otherwise);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const std::string id = printable(without_extension(paths[i]));
    files.text.emplace_back();
    if (!failure[i].empty()) {
      files.rejected.push_back({id, "", Reason::kTranscriptUnreadable, printable(failure[i])});
    } else if (!(files.text.back() = decode_text(bytes[i], files.choice.encoding))) {
      files.rejected.push_back({id, "", Reason::kTranscriptEncoding, "is neither UTF-8 nor CP949"});
    }
    std::string().swap(bytes[i]);
  }
  return files;
}

void add_pairs(const Path& root, const std::vector<std::string>& sounds, const std::vector<std::string>& transcripts,
               Encoding otherwise, const Progress& progress, Corpus& corpus) {
  TranscriptFiles files = read_transcripts(root, transcripts, otherwise, progress);
  if (!transcripts.empty()) corpus.notes["encodings"][".txt"] = files.choice.record();
  std::unordered_map<std::string, std::size_t> transcript_of;
  for (std::size_t i = 0; i < transcripts.size(); ++i) transcript_of.emplace(without_extension(transcripts[i]), i);
  std::vector<bool> used(transcripts.size());

  for (const std::string& sound : sounds) {
    const std::string stem = without_extension(sound);
    const auto found = transcript_of.find(stem);
    if (found == transcript_of.end()) {
      corpus.rejected.push_back(
          {printable(stem), split_of_path(sound), Reason::kTranscriptMissing, "no .txt beside it"});
      continue;
    }
    used[found->second] = true;
    const std::optional<DecodedText>& text = files.text[found->second];
    if (!text) continue;  // its rejection stands in files.rejected
    RawUtterance u;
    u.id = printable(stem);
    u.audio = sound;
    u.text = text->text;
    u.split = split_of_path(sound);
    u.other_encoding = text->other_encoding;
    corpus.utterances.push_back(std::move(u));
  }
  for (Rejection& r : files.rejected) {
    r.split = split_of_path(r.id);
    corpus.rejected.push_back(std::move(r));
  }
  for (std::size_t i = 0; i < transcripts.size(); ++i)
    if (!used[i] && files.text[i])
      corpus.rejected.push_back({printable(without_extension(transcripts[i])), split_of_path(transcripts[i]),
                                 Reason::kAudioMissing, "a transcript without sound beside it"});
}

}  // namespace sori
