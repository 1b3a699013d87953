// Tables of sound and text: csv, tsv, or jsonl as NeMo writes it; a folder may hold one table or one a split.
#include <charconv>

#include "base/error.h"
#include "base/unicode.h"
#include "data/corpus.h"
#include "data/csv.h"
#include "data/tree.h"

namespace sori {
namespace {

using Names = std::vector<std::string>;
const Names kAudio = {"file_name", "audio", "audio_filepath", "path"};
const Names kText = {"text", "transcription", "transcript", "sentence"};
const Names kStart = {"start", "offset", "start_time"};
const Names kEnd = {"end", "end_time"};
const Names kDuration = {"duration"};
const Names kLanguage = {"language", "lang"};
const Names kSplit = {"split"};
const Names kId = {"id", "utt_id"};

// A row by column name. Values are decoded; `line` counts from 1.
struct Row {
  std::size_t line = 0;
  std::map<std::string, std::string> values;
  bool other_encoding = false;
};

struct Table {
  std::string file;  // below the root
  Names columns;
  std::vector<Row> rows;
};

Rejection at_line(const std::string& file, std::size_t line, Reason reason, std::string detail) {
  return {fmt::format("{}:{}", printable(file), line), "", reason, std::move(detail)};
}

std::string text_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.is_number() ? value.dump() : "";
}

void read_jsonl(const std::string& bytes, Table& table, Corpus& corpus) {
  std::size_t number = 0;
  for (const std::string_view line : split_lines(bytes)) {
    ++number;
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    try {
      const Json object = parse_json(line, fmt::format("{}:{}", printable(table.file), number));
      if (!object.is_object()) throw Error{ErrorKind::kInput, "is not an object", "", ""};
      Row row{number, {}, false};
      for (const auto& [key, value] : object.items()) {
        row.values[key] = text_of(value);
        if (std::find(table.columns.begin(), table.columns.end(), key) == table.columns.end())
          table.columns.push_back(key);
      }
      table.rows.push_back(std::move(row));
    } catch (const Error&) {
      corpus.rejected.push_back(at_line(table.file, number, Reason::kBadLine, "is not one JSON object"));
    }
  }
}

// Two columns of one name would leave open which of them is read.
void refuse_same_names(const Table& table) {
  const Names& c = table.columns;
  for (std::size_t i = 0; i < c.size(); ++i)
    if (const auto first = static_cast<std::size_t>(std::find(c.begin(), c.end(), c[i]) - c.begin()); first < i)
      throw Error{ErrorKind::kInput, fmt::format("columns {} and {} have the same name", first + 1, i + 1), table.file,
                  "rename or remove one of them"};
}

std::optional<Row> decode_record(const Record& record, const Names& columns, Encoding encoding) {
  Row row{record.line, {}, false};
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::optional<DecodedText> value = decode_text(record.fields[i], encoding);
    if (!value) return std::nullopt;
    row.other_encoding |= value->other_encoding;
    row.values[columns[i]] = std::move(value->text);
  }
  return row;
}

void read_records(const std::vector<Record>& records, Table& table, Corpus& corpus) {
  if (records.empty())
    throw Error{ErrorKind::kInput, "is empty", table.file, "give a first line with the names of the columns"};
  std::vector<std::string_view> fields;
  for (const Record& r : records) fields.insert(fields.end(), r.fields.begin(), r.fields.end());
  const EncodingChoice choice = choose_encoding(
      fields.size(), [&](std::size_t i) { return fields[i]; }, Encoding::kUtf8);
  corpus.notes["encodings"][printable(table.file)] = choice.record();
  for (const std::string& name : records.front().fields) {
    const std::optional<DecodedText> decoded = decode_text(name, choice.encoding);
    table.columns.push_back(decoded ? decoded->text : printable(name));
  }
  refuse_same_names(table);
  for (std::size_t i = 1; i < records.size(); ++i) {
    const Record& record = records[i];
    if (record.fields.size() != table.columns.size()) {
      corpus.rejected.push_back(
          at_line(table.file, record.line, Reason::kBadLine,
                  fmt::format("has {} fields, the first line {}", record.fields.size(), table.columns.size())));
    } else if (std::optional<Row> row = decode_record(record, table.columns, choice.encoding)) {
      table.rows.push_back(std::move(*row));
    } else {
      corpus.rejected.push_back(
          at_line(table.file, record.line, Reason::kTranscriptEncoding, "is neither UTF-8 nor CP949"));
    }
  }
}

Table read_table_file(const std::string& file, Corpus& corpus) {
  Table table{file, {}, {}};
  const std::string bytes = read_file(corpus.root / file);
  const std::string where = (corpus.root / file).string();
  const std::string extension = lower_extension(file);
  if (extension == "jsonl")
    read_jsonl(bytes, table, corpus);
  else
    read_records(extension == "tsv" ? parse_tsv(bytes) : parse_csv(bytes, where), table, corpus);
  return table;
}

// The first of the names that is a column; empty when none is.
std::string column_of(const Table& table, const Names& names) {
  for (const std::string& name : names)
    if (std::find(table.columns.begin(), table.columns.end(), name) != table.columns.end()) return name;
  return "";
}

// Without a line of names the first row's transcript stands in their place, so names are shown only where all of them
// look like names.
std::string describe_columns(const Names& columns) {
  const auto is_plain = [](const std::string& name) {
    return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
  };
  if (!std::all_of(columns.begin(), columns.end(), is_plain))
    return fmt::format("the first line has {} fields that need not be names", columns.size());
  return fmt::format("its columns are: {}", fmt::join(columns, ", "));
}

std::string needed_column(const Table& table, const std::string& asked, const Names& guesses, const char* what) {
  const std::string column = column_of(table, asked.empty() ? guesses : Names{asked});
  if (!column.empty()) return column;
  throw Error{ErrorKind::kInput,
              fmt::format("has no column {} for the {}; {}",
                          asked.empty() ? fmt::format("{}", fmt::join(guesses, ", ")) : asked, what,
                          describe_columns(table.columns)),
              table.file, fmt::format("give a first line of names, or name it with --{}-column", what)};
}

std::optional<double> seconds_of(const std::string& value) {
  double x = 0;
  const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), x);
  const bool whole = code == std::errc{} && end == value.data() + value.size();
  return whole && std::isfinite(x) && x >= 0 ? std::optional(x) : std::nullopt;
}

class TableReader {
 public:
  TableReader(const Table& table, const CorpusOptions& options)
      : table_(table),
        audio_(needed_column(table, options.audio_column, kAudio, "audio")),
        text_(needed_column(table, options.text_column, kText, "text")),
        start_(column_of(table, kStart)),
        end_(column_of(table, kEnd)),
        duration_(column_of(table, kDuration)),
        language_(column_of(table, kLanguage)),
        split_(column_of(table, kSplit)),
        id_(column_of(table, kId)) {}

  void add(const Row& row, Corpus& corpus) const {
    RawUtterance u;
    u.audio = value(row, audio_);
    u.text = value(row, text_);
    u.language = value(row, language_);
    u.other_encoding = row.other_encoding;
    u.split = split(row);
    const auto reject = [&](Reason reason, const char* detail) {
      corpus.rejected.push_back(at_line(table_.file, row.line, reason, detail));
    };
    if (u.audio.empty() || u.audio.find('\0') != std::string::npos)
      return reject(Reason::kBadLine, "names no sound file");
    if (!set_times(row, u)) return reject(Reason::kBadTimes, "start and end are no range in seconds");
    u.id = id(row, u);
    corpus.utterances.push_back(std::move(u));
  }

  Json columns() const {
    Json out = {{"audio", audio_}, {"text", text_}};
    for (const auto& [what, column] :
         {std::pair{"start", &start_}, {"end", &end_}, {"language", &language_}, {"split", &split_}})
      if (!column->empty()) out[what] = *column;
    return out;
  }

 private:
  static std::string value(const Row& row, const std::string& column) {
    const auto found = column.empty() ? row.values.end() : row.values.find(column);
    return found == row.values.end() ? "" : found->second;
  }

  // A split column may hold names of its own; what a name may be is checked where files are named after it.
  std::string split(const Row& row) const {
    const std::string given = value(row, split_);
    if (given.empty()) return split_of_name(without_extension(table_.file));
    const std::string known = split_of_name(given);
    return known.empty() ? given : known;
  }

  // start and end, or start (offset) and duration. A duration alone describes the whole file.
  bool set_times(const Row& row, RawUtterance& u) const {
    const std::string start = value(row, start_), end = value(row, end_), duration = value(row, duration_);
    if (start.empty() && end.empty()) return true;
    const std::optional<double> from = start.empty() ? std::optional(0.0) : seconds_of(start);
    if (!from) return false;
    u.start = *from;
    if (end.empty() && duration.empty()) return true;
    const std::optional<double> last = seconds_of(end.empty() ? duration : end);
    if (!last) return false;
    u.end = end.empty() ? u.start + *last : *last;
    return u.end > u.start;
  }

  std::string id(const Row& row, const RawUtterance& u) const {
    if (const std::string given = value(row, id_); !given.empty()) return printable(given);
    const std::string stem = printable(without_extension(u.audio));
    if (u.start == 0 && u.end < 0) return stem;
    return u.end < 0 ? fmt::format("{}@{}", stem, u.start) : fmt::format("{}@{}-{}", stem, u.start, u.end);
  }

  const Table& table_;
  std::string audio_, text_, start_, end_, duration_, language_, split_, id_;
};

// A folder's tables: metadata.* and those named after a split, or the only one. The others are noted.
Names tables_in(const Path& folder, Corpus& corpus) {
  Names named, others;
  const LinkedFiles found = list_linked_files(folder, false);
  note_links(found, corpus);
  for (const Path& file : found.files) {
    if (!is_table(file.native())) continue;
    const std::string stem = file.stem().native();
    const bool known = stem == "metadata" || !split_of_name(stem).empty();
    (known ? named : others).push_back(file.native());
  }
  if (named.empty() && others.size() == 1) return others;
  if (named.empty())
    throw Error{ErrorKind::kInput, fmt::format("holds {} tables", others.size()), folder.string(),
                "name the table itself"};
  for (const std::string& file : others) corpus.notes["tables_not_read"].push_back(printable(file));
  return named;
}

// A table is its user's own, so it may name any file that its user can read; how many lie elsewhere is noted.
void note_sound_elsewhere(Corpus& corpus) {
  const Path root = std::filesystem::absolute(corpus.root).lexically_normal();
  const auto elsewhere = std::count_if(corpus.utterances.begin(), corpus.utterances.end(), [&](const RawUtterance& u) {
    const Path from_root = (root / u.audio).lexically_normal().lexically_relative(root);
    return from_root.empty() || *from_root.begin() == "..";
  });
  if (elsewhere > 0) corpus.notes["sound_elsewhere"] = elsewhere;
}

}  // namespace

Corpus read_table(const Path& source, const CorpusOptions& options) {
  Corpus corpus;
  corpus.format = "table";
  std::error_code code;
  const bool folder = std::filesystem::is_directory(source, code);
  corpus.root = folder ? source : source.has_parent_path() ? source.parent_path() : Path{"."};
  for (const std::string& file : folder ? tables_in(source, corpus) : Names{source.filename().native()}) {
    if (!is_table(file)) throw Error{ErrorKind::kInput, "is not a .csv, .tsv or .jsonl file", file, "name a table"};
    const Table table = read_table_file(file, corpus);
    if (table.rows.empty()) {
      corpus.notes["tables_without_rows"].push_back(printable(file));
      continue;
    }
    const TableReader reader(table, options);
    corpus.notes["columns"][printable(file)] = reader.columns();
    for (const Row& row : table.rows) reader.add(row, corpus);
  }
  note_sound_elsewhere(corpus);
  return corpus;
}

}  // namespace sori
