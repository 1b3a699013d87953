#include "cli/cli.h"

namespace sori {
namespace {

// Words flow into lines of at most `width`, later lines indented.
std::string wrapped(const std::string& text, std::size_t indent, std::size_t width) {
  std::string out;
  std::size_t column = indent;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    if (column + end - at > width && column > indent) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += text.substr(at, end - at);
    column += end - at;
    at = end + 1;
  }
  return out;
}

std::string line_of(const Option& o) {
  constexpr std::size_t kColumn = 38, kWidth = 110;
  std::string left = o.positional ? "  " + o.name : "  --" + o.name + (o.is_switch() ? "" : " " + o.kind);
  std::string help = o.help;
  if (!o.unit().empty()) help += " [" + o.unit() + "]";
  if (o.is_required() && !o.positional)
    help += " (required)";
  else if (!o.default_text.empty())
    help += " (default " + o.default_text + ")";
  left += left.size() + 2 > kColumn ? "\n" + std::string(kColumn, ' ') : std::string(kColumn - left.size(), ' ');
  return left + wrapped(help, kColumn, kWidth) + "\n";
}

}  // namespace

std::string help_all() {
  std::string out =
      "sori fine-tunes OpenAI Whisper on one small, disconnected machine.\n\nusage: sori COMMAND [OPTION...]    sori "
      "COMMAND --help\n";
  std::string group;
  for (const Verb& v : verbs()) {
    out += fmt::format("{}  {:<8}{:<12}{}\n", v.group == group ? "" : "\n", v.group == group ? "" : v.group, v.name,
                       v.summary);
    group = v.group;
  }
  return out +
         "\nResults go to standard output, progress to standard error; --json FILE writes the result for programs.\n"
         "exit codes: 0 ok, 2 usage, 3 bad input, 4 reading or writing, 5 memory, 6 not a number, 7 run locked,\n"
         "            8 checkpoint unusable, 10 guard: not safe to replace, 70 a bug in sori, 75 stopped and "
         "resumable\n";
}

std::string help_verb(const Verb& verb, const OptionTable& table) {
  std::string words;
  for (const Option& o : table.options())
    if (o.positional) words += " " + o.name;
  std::string out = fmt::format("sori {}: {}\n\nusage: sori {}{} [OPTION...]\nfor example: {}\n", verb.name,
                                verb.summary, verb.name, words, verb.example);
  std::vector<std::string> groups;
  for (const Option& o : table.options())
    if (std::find(groups.begin(), groups.end(), o.group()) == groups.end()) groups.push_back(o.group());
  for (const std::string& g : groups) {
    out += g.empty() ? "\n" : "\n" + g + "\n";
    for (const Option& o : table.options())
      if (o.group() == g) out += line_of(o);
  }
  return out;
}

}  // namespace sori
