#include "data/corpus.h"

#include "base/error.h"
#include "data/tree.h"

namespace sori {

std::string split_of_name(const std::string& name) {
  static const std::map<std::string, std::string> kKnown = {{"train", "train"},
                                                            {"training", "train"},
                                                            {"dev", "dev"},
                                                            {"valid", "dev"},
                                                            {"validation", "dev"},
                                                            {"val", "dev"},
                                                            {"eval", "eval"},
                                                            {"test", "eval"},
                                                            {"evaluation", "eval"},
                                                            {"eval_clean", "eval_clean"},
                                                            {"eval_other", "eval_other"}};
  std::string lower = name;
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const auto found = kKnown.find(lower);
  if (found != kKnown.end()) return found->second;
  // eval_noise, eval_phone: more lists of the same kind keep their names.
  const bool further = lower.starts_with("eval_") && lower.size() <= 40 && std::ranges::all_of(lower, [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
                       });
  return further ? lower : "";
}

std::string split_of_path(const std::string& path) {
  for (std::size_t at = 0, slash = 0; (slash = path.find('/', at)) != std::string::npos; at = slash + 1)
    if (std::string split = split_of_name(path.substr(at, slash - at)); !split.empty()) return split;
  return "";
}

std::string guess_format(const Path& source) {
  std::error_code code;
  if (!std::filesystem::is_directory(source, code)) {
    if (!std::filesystem::exists(source, code))
      throw Error{ErrorKind::kIo, "does not exist", source.string(), "check the name"};
    if (lower_extension(source.native()) == "trn") return "ksponspeech";
    if (is_table(source.native())) return "table";
    throw Error{ErrorKind::kInput, "is neither a folder nor a .trn, .csv, .tsv or .jsonl file", source.string(),
                "name a corpus"};
  }
  const std::vector<Path> top = list_linked_files(source, false).files;
  for (const Path& file : top)
    if (file.stem() == "metadata" && is_table(file.native())) return "table";
  const Tree tree = list_tree(source);
  const auto is_pcm = [](const std::string& path) { return lower_extension(path) == "pcm"; };
  if (!tree.lists.empty() || std::any_of(tree.sounds.begin(), tree.sounds.end(), is_pcm)) return "ksponspeech";
  if (!tree.sounds.empty() && !tree.transcripts.empty()) return "folder";
  if (std::any_of(top.begin(), top.end(), [](const Path& file) { return is_table(file.native()); })) return "table";
  throw Error{ErrorKind::kInput, "has neither .pcm nor .trn files, nor sound beside .txt files, nor a table",
              source.string(), "put x.txt beside each x.wav, or name a .csv, .tsv or .jsonl table"};
}

Corpus read_corpus(const Path& source, const CorpusOptions& options, const Progress& progress) {
  const std::string format = options.format == "auto" ? guess_format(source) : options.format;
  if (format == "ksponspeech") return read_ksponspeech(source, progress);
  if (format == "folder") return read_folder(source, progress);
  require(format == "table", "the format of a corpus is known");
  return read_table(source, options);
}

}  // namespace sori
