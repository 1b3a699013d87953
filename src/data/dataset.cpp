#include "data/dataset.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/unicode.h"
#include "data/split.h"

namespace sori {
namespace {

constexpr const char* kPrepareAgain = "run sori prepare again";

Error bad(const std::string& what, const std::string& where) {
  return Error{ErrorKind::kInput, what, where, kPrepareAgain};
}

std::string to_hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

std::string from_hex(const std::string& hex, const std::string& where) {
  const auto digit = [&](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    throw bad("\"audio_filepath_bytes\" is not hexadecimal", where);
  };
  if (hex.size() % 2 != 0) throw bad("\"audio_filepath_bytes\" has half a byte", where);
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2) out += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  return out;
}

std::string shown(std::string_view bytes) { return to_utf8(code_points(bytes)); }

Split load_split(const std::string& name, const Json& about, const std::vector<Path>& roots, const Path& folder) {
  const Path file = folder / (name + ".jsonl");
  const std::string where = file.string();
  const MappedFile mapped(file);
  const std::string_view bytes(reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size());
  if (sha256_hex(bytes) != json_get<std::string>(about, "sha256", (folder / "dataset.json").string()))
    throw bad("is not the file that sori prepare wrote", where);
  Split split{name, {}};
  std::size_t number = 0;
  for (const std::string_view line : split_lines(bytes)) {
    const std::string at = fmt::format("{}:{}", where, ++number);
    Utterance u = parse_utterance(parse_json(line, at), at);
    if (u.source >= roots.size()) throw bad("names a source that dataset.json does not have", at);
    if (!u.audio.starts_with('/')) u.audio = roots[u.source].native() + "/" + u.audio;
    split.utterances.push_back(std::move(u));
  }
  return split;
}

}  // namespace

double Split::seconds() const {
  double sum = 0;
  for (const Utterance& u : utterances) sum += u.duration;
  return sum;
}

bool Dataset::has(const std::string& name) const { return info.at("splits").contains(name); }

const Split& Dataset::split(const std::string& name) const {
  for (const Split& s : splits)
    if (s.name == name) return s;
  require(!has(name), "the split that is asked for was loaded");
  std::string known;
  for (const auto& [there, about] : info.at("splits").items()) known += (known.empty() ? "" : ", ") + there;
  throw Error{ErrorKind::kUsage, "has no split \"" + name + "\"", folder.string(), "it has: " + known};
}

Json line_of(const Utterance& u) {
  Json line = {{"id", u.id}, {"audio_filepath", shown(u.audio)}};
  if (!is_utf8(u.audio)) line["audio_filepath_bytes"] = to_hex(u.audio);
  line["source"] = u.source;
  if (u.cut) line["offset"] = u.offset;
  line["duration"] = u.duration;
  line["text"] = u.text;
  line["raw_text"] = u.raw_text;
  if (!u.spelling.empty() || !u.pronunciation.empty()) {
    line["spelling"] = u.spelling;
    line["pronunciation"] = u.pronunciation;
  }
  line["flags"] = u.flags;
  return line;
}

Utterance parse_utterance(const Json& line, const std::string& where) {
  Utterance u;
  u.id = json_get<std::string>(line, "id", where);
  u.audio = line.contains("audio_filepath_bytes")
                ? from_hex(json_get<std::string>(line, "audio_filepath_bytes", where), where)
                : json_get<std::string>(line, "audio_filepath", where);
  u.source = json_get<std::size_t>(line, "source", where);
  u.cut = line.contains("offset");
  u.offset = json_get_or<double>(line, "offset", 0, where);
  u.duration = json_get<double>(line, "duration", where);
  u.text = json_get<std::string>(line, "text", where);
  u.raw_text = json_get_or<std::string>(line, "raw_text", "", where);
  u.spelling = json_get_or<std::string>(line, "spelling", "", where);
  u.pronunciation = json_get_or<std::string>(line, "pronunciation", "", where);
  u.flags = json_get_or<std::vector<std::string>>(line, "flags", {}, where);
  if (!(u.duration > 0) || !std::isfinite(u.duration) || !(u.offset >= 0) || !std::isfinite(u.offset))
    throw bad("has no possible duration", where);
  if (u.id.empty() || u.audio.empty() || u.audio.find('\0') != std::string::npos) throw bad("names no sound", where);
  return u;
}

std::string dataset_hash(const std::vector<std::pair<std::string, std::string>>& splits) {
  Sha256 hash;
  for (const auto& [name, digits] : splits) hash.add(name + "\n" + digits + "\n");
  return hash.hex();
}

std::vector<Path> find_sources(const Json& info, const Path& folder) {
  const std::string where = (folder / "dataset.json").string();
  std::vector<Path> roots;
  for (const Json& source : json_get<Json>(info, "sources", where)) {
    const Path kept = json_get<std::string>(source, "root", where);
    const Path beside = folder / json_get<std::string>(source, "root_from_here", where);
    std::error_code code;
    if (std::filesystem::is_directory(kept, code))
      roots.push_back(kept);
    else if (std::filesystem::is_directory(beside, code))
      roots.push_back(beside.lexically_normal());
    else
      throw Error{ErrorKind::kIo, "the recordings are gone from here, and not at " + beside.string(), kept.string(),
                  "put them back, or change \"root\" in " + where};
  }
  return roots;
}

Dataset load_dataset(const Path& folder, const std::vector<std::string>& only) {
  const Path file = folder / "dataset.json";
  const std::string where = file.string();
  std::error_code code;
  if (!std::filesystem::exists(file, code))
    throw Error{ErrorKind::kInput, "has no dataset.json", folder.string(),
                "make a data set with: sori prepare SRC OUT"};
  Dataset d{folder, "", "", "", "", read_json(file), {}};
  const auto version = json_get<int>(d.info, "version", where);
  if (version != kDatasetVersion)
    throw bad(fmt::format("has version {}, this program reads {}", version, kDatasetVersion), where);
  d.language = json_get<std::string>(d.info, "language", where);
  d.task = json_get<std::string>(d.info, "task", where);
  d.text_mode = json_get<std::string>(d.info, "text", where);
  d.hash = json_get<std::string>(d.info, "hash", where);
  const auto splits = json_get<Json>(d.info, "splits", where);
  if (!splits.is_object()) throw bad("\"splits\" is not an object", where);

  const std::vector<Path> roots = find_sources(d.info, folder);
  std::vector<std::pair<std::string, std::string>> hashes;
  for (const auto& [name, about] : splits.items()) {
    if (!is_split_name(name)) throw bad("has a split whose name no file can have", where);
    hashes.emplace_back(name, json_get<std::string>(about, "sha256", where));
    if (only.empty() || std::find(only.begin(), only.end(), name) != only.end())
      d.splits.push_back(load_split(name, about, roots, folder));
  }
  if (dataset_hash(hashes) != d.hash) throw bad("\"hash\" does not fit the splits", where);
  return d;
}

std::vector<Utterance> evenly(const std::vector<Utterance>& all, std::int64_t most) {
  const auto n = static_cast<std::int64_t>(all.size());
  if (most <= 0 || most >= n) return all;
  std::vector<Utterance> some;
  for (std::int64_t i = 0; i < most; ++i) some.push_back(all[static_cast<std::size_t>(i * n / most)]);
  return some;
}

}  // namespace sori
