#include "base/toml.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include "base/error.h"

namespace sori {
namespace {

Json json_of(const toml::node& node, const std::string& where) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* number = node.as_floating_point()) return number->get();
  if (const auto* flag = node.as_boolean()) return flag->get();
  if (const auto* list = node.as_array()) {
    Json values = Json::array();
    for (const toml::node& element : *list) values.push_back(json_of(element, where));
    return values;
  }
  if (const auto* table = node.as_table()) {
    Json values = Json::object();
    for (const auto& [key, value] : *table)
      values[std::string(key.str())] = json_of(value, fmt::format("{}: {}", where, key.str()));
    return values;
  }
  throw Error{ErrorKind::kUsage, "is a date", where, "write text, a number, true, false or a list"};
}

}  // namespace

Json parse_toml(std::string_view text, const std::string& where) {
  try {
    return json_of(toml::parse(text), where);
  } catch (const toml::parse_error& e) {
    throw Error{ErrorKind::kInput, std::string(e.description()), fmt::format("{}:{}", where, e.source().begin.line),
                "write TOML: name = \"text\", name = 3, name = true, name = [\"a\", \"b\"]"};
  }
}

}  // namespace sori
