#include "cli/run_file.h"

#include <toml++/toml.h>

namespace sori {
namespace {

Json value_of(const toml::node& node, const std::string& where) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* number = node.as_floating_point()) return number->get();
  if (const auto* flag = node.as_boolean()) return flag->get();
  if (const auto* list = node.as_array()) {
    Json values = Json::array();
    for (const toml::node& element : *list) values.push_back(value_of(element, where));
    return values;
  }
  throw Error{ErrorKind::kUsage, "is a table or a date", where, "write options as name = value, without [sections]"};
}

toml::table parse_toml(const std::string& text, const std::string& where) {
  try {
    return toml::parse(std::string_view(text));
  } catch (const toml::parse_error& e) {
    throw Error{ErrorKind::kInput, std::string(e.description()), fmt::format("{}:{}", where, e.source().begin.line),
                "write options as TOML: name = \"text\", name = 3, name = true, name = [\"a\", \"b\"]"};
  }
}

// JSON's escapes are TOML's too; what it leaves alone but for one is allowed in TOML.
std::string toml_of(const Setting& s) {
  std::string text;
  try {
    text = s.value.dump();
  } catch (const nlohmann::json::type_error&) {
    throw Error{ErrorKind::kUsage, "is not UTF-8, which a run file must be", "--" + s.option->name,
                "use another name, or leave --write away"};
  }
  for (std::size_t at = 0; (at = text.find('\x7F', at)) != std::string::npos;) text.replace(at, 1, "\\u007f");
  return text;
}

}  // namespace

void read_run_file(OptionTable& table, const Path& path) {
  const std::string where = path.string(), text = read_file(path, kMaxRunFile);
  std::vector<std::pair<std::string, Json>> values;
  for (const auto& [key, node] : parse_toml(text, where)) {
    const std::string name(key.str());
    values.emplace_back(name, value_of(node, where + ": " + name));
  }
  fill_options(table, values, where);
}

std::string run_file_text(const std::vector<Setting>& settings, const std::vector<std::string>& comment) {
  std::string text;
  for (const std::string& line : comment) text += (line.empty() ? "#" : "# " + line) + "\n";
  text += "\n";
  for (const Setting& s : settings)
    text += s.value.is_null() ? fmt::format("# {} = \"...\"  # wanted: {}\n", s.option->name, s.option->help)
                              : fmt::format("{} = {}  # {}\n", s.option->name, toml_of(s), s.option->help);
  return text;
}

}  // namespace sori
