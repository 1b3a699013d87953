// Tables as text: comma-separated with RFC 4180 quotes, or tab-separated without any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sori {

struct Record {
  std::size_t line = 0;             // where it begins, from 1
  std::vector<std::string> fields;  // bytes, not decoded yet: no byte of a CP949 pair is a quote, comma, tab or newline
};

// Rows of fields; lines without any byte are left out. A quoted field may hold commas, newlines and doubled quotes.
// Error kInput naming `where` and the line when a quote is not closed, or closed in the middle of a field.
std::vector<Record> parse_csv(std::string_view bytes, const std::string& where);
std::vector<Record> parse_tsv(std::string_view bytes);

}  // namespace sori
