#include "cli/run_file.h"

#include "base/toml.h"

namespace sori {
namespace {

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
  const Json options = parse_toml(text, where);
  for (const auto& [name, value] : options.items()) {
    if (value.is_object())
      throw Error{ErrorKind::kUsage, "is a table", where + ": " + name,
                  "write options as name = value, without [sections]"};
    values.emplace_back(name, value);
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
