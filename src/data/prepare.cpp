#include "data/prepare.h"

#include <mutex>
#include <set>
#include <unordered_set>

#include "base/error.h"
#include "base/hash.h"
#include "base/threads.h"
#include "base/unicode.h"
#include "data/dataset.h"
#include "data/examine.h"
#include "text/languages.h"

namespace sori {
namespace {

constexpr std::int64_t kReportEvery = 100;  // utterances

std::string joined(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, ", ")); }

// "corpus/" is "corpus".
Path absolute_folder(const Path& folder) {
  Path path = std::filesystem::absolute(folder).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

// Where a corpus lies, seen from the data set: both may move together.
Path root_from_here(const Path& root, const Path& out) {
  return absolute_folder(root).lexically_relative(absolute_folder(out));
}

std::vector<Corpus> read_corpora(const PrepareOptions& options, const Progress& progress) {
  std::vector<Corpus> corpora;
  for (const std::string& source : options.sources()) {
    corpora.push_back(read_corpus(source, {options.format, options.audio_column, options.text_column}, progress));
    if (!is_utf8(root_from_here(corpora.back().root, options.out()).native()))
      throw Error{ErrorKind::kInput, "has a name that is not UTF-8", printable(source), "rename this folder"};
  }
  if (corpora.size() < 2) return corpora;
  for (std::size_t i = 0; i < corpora.size(); ++i) {  // ids stay distinct
    const std::string prefix = std::to_string(i + 1) + "/";
    for (RawUtterance& u : corpora[i].utterances) u.id.insert(0, prefix);
    for (Rejection& r : corpora[i].rejected) r.id.insert(0, prefix);
  }
  return corpora;
}

// The language asked for, or the only one that tables name, or Korean.
std::string choose_language(const PrepareOptions& options, const std::vector<Corpus>& corpora) {
  if (!options.language.empty()) {
    if (const auto code = language_code(options.language)) return std::string(*code);
    throw Error{ErrorKind::kUsage, "Whisper does not know the language \"" + options.language + "\"", "--language",
                "give a code or an English name, as ko or korean"};
  }
  std::set<std::string> named;
  for (const Corpus& corpus : corpora)
    for (const RawUtterance& u : corpus.utterances)
      if (const auto code = language_code(u.language.substr(0, u.language.find_first_of("-_")))) named.emplace(*code);
  if (named.size() > 1)
    throw Error{ErrorKind::kUsage, "the tables name several languages: " + joined({named.begin(), named.end()}), "",
                "choose one with --language; a data set has one"};
  return named.empty() ? "ko" : *named.begin();
}

// The first utterance of an id keeps it.
void reject_duplicates(Corpus& corpus) {
  std::unordered_set<std::string_view> seen;
  std::vector<bool> again;
  for (const RawUtterance& u : corpus.utterances) again.push_back(!seen.insert(u.id).second);
  std::vector<RawUtterance> kept;
  for (std::size_t i = 0; i < again.size(); ++i) {
    RawUtterance& u = corpus.utterances[i];
    if (again[i]) corpus.rejected.push_back({u.id, u.split, Reason::kDuplicateId, "an earlier utterance has this id"});
  }
  for (std::size_t i = 0; i < again.size(); ++i)
    if (!again[i]) kept.push_back(std::move(corpus.utterances[i]));
  corpus.utterances = std::move(kept);
}

using Verdict = std::variant<Accepted, Rejection>;

std::vector<Verdict> examine_all(const Examiner& examiner, const Corpus& corpus, std::size_t source,
                                 const Progress& progress) {
  const auto n = static_cast<std::int64_t>(corpus.utterances.size());
  std::vector<std::optional<Verdict>> verdicts(corpus.utterances.size());
  std::mutex mutex;
  std::int64_t done = 0;
  parallel_for(n, [&](std::int64_t i) {
    const bool korean_rules = corpus.format == "ksponspeech";
    verdicts[i] = examiner.examine(corpus.utterances[i], corpus.root, source, korean_rules);
    const std::lock_guard lock(mutex);
    if (++done % kReportEvery == 0 || done == n) progress("reading sound", done, n);
  });
  std::vector<Verdict> out;
  for (auto& v : verdicts) out.push_back(std::move(*v));
  return out;
}

// Everything that was decided, in the order of the corpora.
struct Outcome {
  std::map<std::string, std::vector<Accepted>> splits;
  std::vector<Rejection> rejected;
};

void gather(Corpus& corpus, std::vector<Verdict> verdicts, Outcome& outcome) {
  for (Rejection& r : corpus.rejected) outcome.rejected.push_back(std::move(r));
  for (Verdict& v : verdicts) {
    if (auto* a = std::get_if<Accepted>(&v))
      outcome.splits[a->split].push_back(std::move(*a));
    else
      outcome.rejected.push_back(std::move(std::get<Rejection>(v)));
  }
}

// Writes one split and describes it.
Json write_split(const Path& folder, const std::string& name, const std::vector<Accepted>& split,
                 const std::unordered_set<std::uint64_t>& trained) {
  AtomicFile file(folder / (name + ".jsonl"));
  Sha256 hash;
  double seconds = 0;
  std::int64_t shared = 0;
  std::map<std::string, std::int64_t> flags;
  for (const Accepted& a : split) {
    const std::string line = to_text(line_of(a.utterance), -1);
    file.write(line);
    hash.add(line);
    seconds += a.utterance.duration;
    shared += trained.contains(a.sentence);
    for (const std::string& flag : a.utterance.flags) ++flags[flag];
  }
  file.commit();
  Json about = {{"utterances", split.size()}, {"hours", seconds / 3600}, {"sha256", hash.hex()}, {"flags", flags}};
  if (name != "train") about["sentences_also_in_train"] = shared;
  return about;
}

void write_rejected(const Path& folder, const std::vector<Rejection>& rejected) {
  AtomicFile file(folder / "rejected.jsonl");
  for (const Rejection& r : rejected)
    file.write(
        to_text(Json{{"id", r.id}, {"split", r.split}, {"reason", name_of(r.reason)}, {"detail", r.detail}}, -1));
  file.commit();
}

Json sources_of(const std::vector<Corpus>& corpora, const Path& out) {
  Json sources = Json::array();
  for (const Corpus& corpus : corpora)
    sources.push_back({{"root", printable(absolute_folder(corpus.root).native())},
                       {"root_from_here", root_from_here(corpus.root, out).native()},
                       {"format", corpus.format},
                       {"normaliser", corpus.format == "ksponspeech" ? "ksponspeech/1" : "nfc/1"},
                       {"notes", corpus.notes}});
  return sources;
}

Json write_splits(const Path& folder, const Outcome& outcome, Json& info) {
  std::unordered_set<std::uint64_t> trained;
  if (const auto train = outcome.splits.find("train"); train != outcome.splits.end())
    for (const Accepted& a : train->second) trained.insert(a.sentence);
  Json splits = Json::object();
  std::vector<std::pair<std::string, std::string>> hashes;
  for (const auto& [name, split] : outcome.splits) {
    splits[name] = write_split(folder, name, split, trained);
    hashes.emplace_back(name, splits[name]["sha256"].get<std::string>());
  }
  info["hash"] = dataset_hash(hashes);
  return splits;
}

[[noreturn]] void nothing_left(const PrepareOptions& options, const PrepareReport& report) {
  std::string why;
  for (const auto& [reason, n] : report.rejected) why += fmt::format("{}{} {}", why.empty() ? "" : ", ", n, reason);
  throw Error{ErrorKind::kInput,
              "no utterance is left (" + (why.empty() ? "the corpus is empty" : "rejected: " + why) + ")",
              printable(options.sources().front()), "check the corpus, --format and --language"};
}

bool is_dataset(const Path& folder) { return std::filesystem::exists(folder / "dataset.json"); }

}  // namespace

std::int64_t PrepareReport::rejected_total() const {
  std::int64_t sum = 0;
  for (const auto& [reason, n] : rejected) sum += n;
  return sum;
}

std::vector<std::string> PrepareReport::remarks() const {
  std::vector<std::string> lines;
  for (const Json& source : info.at("sources")) {
    const Json& notes = source.at("notes");
    std::string line =
        fmt::format("{}: {}", source.at("root").get<std::string>(), source.at("format").get<std::string>());
    if (notes.contains("encodings"))
      for (const auto& [files, choice] : notes.at("encodings").items())
        line += fmt::format(", {} read as {}", files, choice.at("encoding").get<std::string>());
    if (notes.contains("sound_not_listed"))
      line += fmt::format(", {} sound files stand in no list", notes.at("sound_not_listed").get<std::int64_t>());
    if (notes.contains("sound_elsewhere"))
      line +=
          fmt::format(", {} rows name sound outside of this folder", notes.at("sound_elsewhere").get<std::int64_t>());
    if (notes.contains("links_followed"))
      line += fmt::format(", {} links followed", notes.at("links_followed").get<std::int64_t>());
    lines.push_back(std::move(line));
    if (notes.contains("links_not_followed"))
      lines.push_back("not followed, because these links lead to nothing or to folders that were read already: " +
                      joined(notes.at("links_not_followed")));
    for (const auto& [note, why] :
         {std::pair{"tables_not_read", "not read, because their names are neither metadata nor a split's"},
          std::pair{"tables_without_rows", "without a row"}})
      if (notes.contains(note)) lines.push_back(fmt::format("tables {}: {}", why, joined(notes.at(note))));
  }
  for (const auto& [name, split] : info.at("splits").items()) {
    for (const auto& [flag, n] : split.at("flags").items())
      lines.push_back(fmt::format("{}: {} with {}", name, n.get<std::int64_t>(), flag));
    if (const auto shared = split.value("sentences_also_in_train", std::int64_t{0}); shared > 0)
      lines.push_back(fmt::format("{}: {} sentences stand in train too", name, shared));
  }
  return lines;
}

PrepareReport prepare(const PrepareOptions& options, const Progress& progress) {
  options.check();
  if (!options.split.empty() && !is_split_name(options.split))
    throw Error{ErrorKind::kUsage, "is no name for a split", "--split", "use letters, digits, - and _"};
  if (options.overwrite) {
    const std::vector<std::string> sources = options.sources();
    std::vector<Path> needed(sources.begin(), sources.end());
    needed.emplace_back(options.tokenizer);
    check_replaceable(options.out(), "a data set", is_dataset, needed);
  }
  AtomicFolder folder(options.out(),
                      options.overwrite ? AtomicFolder::Existing::kReplace : AtomicFolder::Existing::kRefuse);

  std::vector<Corpus> corpora = read_corpora(options, progress);
  const std::string language = choose_language(options, corpora);
  const Examiner examiner(options, language);
  Outcome outcome;
  for (std::size_t i = 0; i < corpora.size(); ++i) {
    if (corpora[i].format == "ksponspeech" && language != "ko")
      throw Error{ErrorKind::kUsage, "has KsponSpeech's layout, whose rules are for Korean", corpora[i].root.string(),
                  "use --format folder or table, or --language ko"};
    reject_duplicates(corpora[i]);
    gather(corpora[i], examine_all(examiner, corpora[i], i, progress), outcome);
  }

  PrepareReport report;
  for (const Rejection& r : outcome.rejected) ++report.rejected[std::string(name_of(r.reason))];
  for (const auto& [name, split] : outcome.splits) report.accepted += static_cast<std::int64_t>(split.size());
  if (report.accepted == 0) nothing_left(options, report);

  PrepareOptions said = options;
  OptionTable table;
  said.describe(table);
  report.info = {{"format", "sori-dataset"},
                 {"version", kDatasetVersion},
                 {"sori", SORI_VERSION},
                 {"language", language},
                 {"task", options.task},
                 {"text", options.text},
                 {"hash", ""}};
  report.info["sources"] = sources_of(corpora, options.out());
  report.info["splits"] = write_splits(folder.path(), outcome, report.info);
  report.info["rejected"] = report.rejected;
  report.info["options"] = table.record();
  write_rejected(folder.path(), outcome.rejected);
  write_file(folder.path() / "dataset.json", to_text(report.info));
  folder.commit();
  return report;
}

void refuse_rejected(const PrepareOptions& options, const PrepareReport& report) {
  if (!options.strict || report.rejected.empty()) return;
  throw Error{ErrorKind::kInput,
              fmt::format("{} of {} utterances were rejected", report.rejected_total(),
                          report.rejected_total() + report.accepted),
              (Path(options.out()) / "rejected.jsonl").string(), "correct them, or leave out --strict"};
}

}  // namespace sori
