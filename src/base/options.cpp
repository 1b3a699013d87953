#include "base/options.h"

#include <charconv>

#include "base/unicode.h"

namespace sori {
namespace {

Error usage(const std::string& what, const std::string& where, const std::string& remedy) {
  return Error{ErrorKind::kUsage, what, where, remedy};
}

template <class T>
T parse_number(const std::string& name, const std::string& word, T low, T high) {
  T x{};
  const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), x);
  const bool read = code == std::errc{} || code == std::errc::result_out_of_range;
  if (!read || end != word.data() + word.size())
    throw usage(fmt::format("\"{}\" is not a number", word), "--" + name,
                fmt::format("give a value from {} to {}", low, high));
  if (code != std::errc{} || !(x >= low && x <= high))
    throw usage(fmt::format("{} is out of range", word), "--" + name,
                fmt::format("give a value from {} to {}", low, high));
  return x;
}

std::string dashed(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

Error unknown_option(const OptionTable& table, const std::string& name, const std::string& where,
                     const std::string& dashes) {
  std::vector<std::string> known;
  for (const Option& o : table.options())
    if (!o.positional) known.push_back(o.name), known.insert(known.end(), o.aliases.begin(), o.aliases.end());
  const std::string near = nearest_name(name, known);
  return usage("unknown option " + dashes + name, where,
               near.empty() ? "see --help" : fmt::format("did you mean {}{}?", dashes, near));
}

// An option's value as a word of the command line. Text stays text and a number a number: "0.5" is none, and 6 no size.
std::vector<std::string> words_of(const Option& o, const Json& value, const std::string& where) {
  const auto word = [&](const Json& v, const Json& like) {
    const bool fits = (v.is_number() && like.is_number()) || v.type() == like.type();
    if (!fits || v.is_array())
      throw usage(fmt::format("is a {}, not a {}", v.is_array() ? "list" : v.type_name(), like.type_name()), where,
                  like.is_string() ? "put it in quotes" : "write it as --help shows it");
    return v.is_string() ? v.get<std::string>() : v.dump();
  };
  const Json like = o.value();
  if (!like.is_array()) return {word(value, like)};
  if (!value.is_array()) throw usage("is no list", where, "write it as [\"a\", \"b\"]");
  std::vector<std::string> words;
  for (const Json& v : value) words.push_back(word(v, ""));
  return words;
}

std::string joined(const std::vector<std::string>& words, const char* separator) {
  return fmt::format("{}", fmt::join(words, separator));
}

// Words may be paths, whose bytes need not be UTF-8.
Json record_of(const std::vector<std::string>& words) {
  Json list = Json::array();
  for (const std::string& w : words) list.push_back(printable(w));
  return list;
}

}  // namespace

Option& OptionTable::add(std::string name, std::string help, std::string kind, std::string default_text) {
  require(find(name) == nullptr, "an option is listed once");
  Option o;
  o.name = std::move(name);
  o.help = std::move(help);
  o.kind = std::move(kind);
  o.default_text = std::move(default_text);
  return options_.emplace_back(std::move(o));
}

Option& OptionTable::text(std::string name, std::string& value, std::string help) {
  Option& o = add(std::move(name), std::move(help), "TEXT", value);
  o.parse = [&value](const std::string& w) { value = w; };
  o.value = [&value] { return Json(printable(value)); };
  return o;
}

Option& OptionTable::path(std::string name, std::string& value, std::string help) {
  Option& o = text(std::move(name), value, std::move(help));
  o.kind = "PATH";
  return o;
}

Option& OptionTable::output(std::string name, std::string& value, std::string help) {
  Option& o = path(std::move(name), value, std::move(help));
  o.parse = [&value](const std::string& w) {
    if (!w.empty()) check_writable(w);
    value = w;
  };
  return o;
}

Option& OptionTable::integer(std::string name, std::int64_t& value, std::string help, std::int64_t low,
                             std::int64_t high) {
  Option& o = add(name, std::move(help), "N", std::to_string(value));
  o.parse = [&value, name, low, high](const std::string& w) { value = parse_number(name, w, low, high); };
  o.value = [&value] { return Json(value); };
  return o;
}

Option& OptionTable::integer(std::string name, int& value, std::string help, int low, int high) {
  Option& o = add(name, std::move(help), "N", std::to_string(value));
  o.parse = [&value, name, low, high](const std::string& w) { value = parse_number(name, w, low, high); };
  o.value = [&value] { return Json(value); };
  return o;
}

Option& OptionTable::number(std::string name, double& value, std::string help, double low, double high) {
  Option& o = add(name, std::move(help), "X", fmt::format("{}", value));
  o.parse = [&value, name, low, high](const std::string& w) { value = parse_number(name, w, low, high); };
  o.value = [&value] { return Json(value); };
  return o;
}

Option& OptionTable::choice(std::string name, std::string& value, std::string help, std::vector<std::string> choices) {
  Option& o = add(name, std::move(help), joined(choices, "|"), value);
  o.parse = [&value, name, choices](const std::string& w) {
    if (std::find(choices.begin(), choices.end(), w) == choices.end())
      throw usage(fmt::format("\"{}\" is not a choice", w), "--" + name, "choose one of " + joined(choices, ", "));
    value = w;
  };
  o.value = [&value] { return Json(value); };
  return o;
}

Option& OptionTable::flag(std::string name, bool& value, std::string help) {
  Option& o = add(name, std::move(help), "", value ? "on" : "");
  o.parse = [&value](const std::string& w) { value = w != "false"; };
  o.value = [&value] { return Json(value); };
  return o;
}

Option& OptionTable::list(std::string name, std::vector<std::string>& value, std::string help) {
  Option& o = add(name, std::move(help), "A,B,...", joined(value, ","));
  o.repeats = true;
  o.parse = [&value, first = true](const std::string& w) mutable {
    if (std::exchange(first, false)) value.clear();  // what is given replaces the default
    for (std::size_t at = 0; at <= w.size();) {
      const std::size_t comma = std::min(w.find(',', at), w.size());
      if (comma > at) value.push_back(w.substr(at, comma - at));
      at = comma + 1;
    }
  };
  o.value = [&value] { return record_of(value); };
  return o;
}

Option& OptionTable::argument(std::string name, std::string& value, std::string help) {
  Option& o = text(std::move(name), value, std::move(help)).required();
  o.positional = true;
  return o;
}

Option& OptionTable::arguments(std::string name, std::vector<std::string>& value, std::string help) {
  Option& o = add(std::move(name), std::move(help), "TEXT", "");
  o.parse = [&value](const std::string& w) { value.push_back(w); };
  o.value = [&value] { return record_of(value); };
  o.repeats = o.positional = true;
  return o.required();
}

Json OptionTable::record() const {
  Json out = Json::object();
  for (const Option& o : options_) out[o.name] = o.value();
  return out;
}

const Option* OptionTable::find(const std::string& name) const {
  const std::string wanted = dashed(name);
  for (const Option& o : options_) {
    if (dashed(o.name) == wanted) return &o;
    for (const std::string& alias : o.aliases)
      if (dashed(alias) == wanted) return &o;
  }
  return nullptr;
}

void parse_options(OptionTable& table, const std::vector<std::string>& words) {
  parse_words(table, words);
  require_given(table);
}

void parse_words(OptionTable& table, const std::vector<std::string>& words) {
  const auto store = [](Option& o, const std::string& word) {
    if (o.given && !o.repeats) throw usage("is given twice", (o.positional ? "" : "--") + o.name, "give it once");
    o.parse(word);
    o.given = true;
  };
  const auto next_positional = [&]() -> Option* {
    for (Option& o : table.options())
      if (o.positional && (!o.given || o.repeats)) return &o;
    return nullptr;
  };
  bool only_arguments = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (!only_arguments && word == "--") {
      only_arguments = true;
      continue;
    }
    if (only_arguments || !word.starts_with('-') || word == "-") {
      Option* o = next_positional();
      if (!o) throw usage(fmt::format("unexpected argument \"{}\"", word), "", "options start with --; see --help");
      store(*o, word);
      continue;
    }
    std::string name =
        word.substr(word.find_first_not_of('-') == std::string::npos ? word.size() : word.find_first_not_of('-'));
    const std::size_t equals = name.find('=');
    const bool has_value = equals != std::string::npos;
    const std::string value = has_value ? name.substr(equals + 1) : "";
    name = dashed(name.substr(0, equals));
    auto* option = const_cast<Option*>(table.find(name));
    bool negated = false;
    if (!option && name.starts_with("no-")) {
      option = const_cast<Option*>(table.find(name.substr(3)));
      negated = option && option->is_switch();
      if (!negated) option = nullptr;
    }
    if (!option || option->positional) throw unknown_option(table, name, "", "--");
    if (option->is_switch()) {
      if (has_value && value != "true" && value != "false")
        throw usage(fmt::format("\"{}\" is not true or false", value), "--" + name,
                    "give the option alone to switch it on");
      store(*option, negated || value == "false" ? "false" : "true");
    } else if (has_value) {
      store(*option, value);
    } else {
      if (i + 1 == words.size()) throw usage("needs a value", "--" + name, "see --help");
      store(*option, words[++i]);
    }
  }
}

void fill_options(OptionTable& table, const std::vector<std::pair<std::string, Json>>& values,
                  const std::string& where) {
  std::vector<const Option*> filled;
  for (const auto& [name, value] : values) {
    const std::string here = where + ": " + name;
    auto* option = const_cast<Option*>(table.find(name));
    if (!option || option->positional) throw unknown_option(table, name, where, "");
    if (std::find(filled.begin(), filled.end(), option) != filled.end())
      throw usage("is given twice", here, "give it once");
    filled.push_back(option);
    const std::vector<std::string> words = words_of(*option, value, here);
    if (option->given) continue;
    try {
      for (const std::string& word : words) option->parse(word);
    } catch (const Error& e) {
      throw Error{e.kind(), e.what(), where, ""};
    }
    option->given = true;
  }
}

void require_given(const OptionTable& table) {
  for (const Option& o : table.options())
    if (o.is_required() && !o.given)
      throw usage(o.positional ? fmt::format("{} is missing", o.name) : fmt::format("--{} is missing", o.name), "",
                  fmt::format("give {} ({})", o.positional ? o.name : "--" + o.name + " " + o.kind, o.help));
}

std::string shell_word(const std::string& word) {
  constexpr std::string_view kPlain = "%+,-./:=@_";
  const bool plain = !word.empty() && std::ranges::all_of(word, [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || kPlain.find(c) != kPlain.npos;
  });
  if (plain) return word;
  std::string quoted = "'";
  for (const char c : word)
    if (c == '\'')
      quoted.append("'\\''");
    else
      quoted.push_back(c);
  quoted.push_back('\'');
  return quoted;
}

std::string word_of(const Json& value) {
  if (value.is_array()) {
    std::vector<std::string> words;
    for (const Json& v : value) words.push_back(v.get<std::string>());
    return fmt::format("{}", fmt::join(words, ","));
  }
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string nearest_name(const std::string& word, const std::vector<std::string>& known) {
  std::string best;
  std::size_t least = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& k : known) {
    const std::size_t distance = k.starts_with(word) && word.size() >= 3 ? 1 : edit_distance(word, k);
    if (distance < least) {
      least = distance;
      best = k;
    }
  }
  return best;
}

}  // namespace sori
