#include "data/csv.h"

#include "base/error.h"
#include "base/file.h"

namespace sori {
namespace {

class CsvReader {
 public:
  CsvReader(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  std::vector<Record> read() {
    std::vector<Record> records;
    while (at_ < bytes_.size()) {
      Record record{line_, {}};
      const std::size_t begin = at_;
      do record.fields.push_back(at_ < bytes_.size() && bytes_[at_] == '"' ? quoted() : bare());
      while (take(','));
      const bool blank = at_ == begin;
      end_line();
      if (!blank) records.push_back(std::move(record));
    }
    return records;
  }

 private:
  bool take(char c) {
    const bool is = at_ < bytes_.size() && bytes_[at_] == c;
    at_ += is;
    return is;
  }

  std::string bare() {
    const std::size_t end = std::min(bytes_.find_first_of(",\r\n", at_), bytes_.size());
    std::string field(bytes_.substr(at_, end - at_));
    at_ = end;
    return field;
  }

  std::string quoted() {
    const std::size_t opened = line_;
    std::string field;
    for (++at_; at_ < bytes_.size(); ++at_) {
      const char c = bytes_[at_];
      if (c == '"' && at_ + 1 < bytes_.size() && bytes_[at_ + 1] == '"') {
        ++at_;
      } else if (c == '"') {
        ++at_;
        if (at_ < bytes_.size() && std::string_view(",\r\n").find(bytes_[at_]) == std::string_view::npos)
          fail(opened, "has text behind a closing quote");
        return field;
      }
      line_ += c == '\n';
      field += c;
    }
    fail(opened, "opens a quote that is never closed");
  }

  void end_line() {
    take('\r');
    take('\n');
    ++line_;
  }

  [[noreturn]] void fail(std::size_t line, const char* what) const {
    throw Error{ErrorKind::kInput, what, fmt::format("{}:{}", where_, line),
                "quote a field as \"...\" and double the quotes inside it"};
  }

  std::string_view bytes_;
  const std::string& where_;
  std::size_t at_ = 0, line_ = 1;
};

}  // namespace

std::vector<Record> parse_csv(std::string_view bytes, const std::string& where) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  return CsvReader(bytes, where).read();
}

std::vector<Record> parse_tsv(std::string_view bytes) {
  std::vector<Record> records;
  std::size_t number = 0;
  for (const std::string_view line : split_lines(bytes)) {
    ++number;
    if (line.empty()) continue;
    Record record{number, {}};
    for (std::size_t at = 0; at <= line.size();) {
      const std::size_t end = std::min(line.find('\t', at), line.size());
      record.fields.emplace_back(line.substr(at, end - at));
      at = end + 1;
    }
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace sori
