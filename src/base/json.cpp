#include "base/json.h"

#include <set>

namespace sori {
namespace {

constexpr int kMaxDepth = 64;

Error bad(const std::string& what, const std::string& where) {
  return Error{ErrorKind::kInput, what, where, "check that the file is complete and valid JSON"};
}

template <class Tree>
Tree parse_tree(std::string_view text, const std::string& where) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::set<std::string>> keys;  // those seen in each open object
  const auto check = [&](int depth, typename Tree::parse_event_t event, Tree& parsed) {
    const bool opens = event == Tree::parse_event_t::object_start || event == Tree::parse_event_t::array_start;
    if (opens && depth >= kMaxDepth) throw bad(fmt::format("is nested deeper than {} levels", kMaxDepth), where);
    if (event == Tree::parse_event_t::object_start) keys.emplace_back();
    if (event == Tree::parse_event_t::object_end) keys.pop_back();
    if (event == Tree::parse_event_t::key && !keys.back().insert(parsed.template get<std::string>()).second)
      throw bad("has the same key twice in one object", where);
    return true;
  };
  try {
    return Tree::parse(text, check);
  } catch (const typename Tree::parse_error& e) {
    throw bad(fmt::format("is not valid JSON at byte {}", e.byte), where);
  } catch (const typename Tree::exception&) {
    throw bad("is not valid JSON", where);
  }
}

}  // namespace

namespace detail {
void missing_key(const char* key, const std::string& where) {
  throw Error{ErrorKind::kInput, fmt::format("has no \"{}\"", key), where, "check that this is the file you meant"};
}
void wrong_type(const char* key, const std::string& where) {
  throw Error{ErrorKind::kInput, fmt::format("\"{}\" has the wrong type", key), where, "correct the value"};
}
}  // namespace detail

Json parse_json(std::string_view text, const std::string& where) { return parse_tree<Json>(text, where); }
JsonMap parse_json_map(std::string_view text, const std::string& where) { return parse_tree<JsonMap>(text, where); }

Json read_json(const Path& path, std::size_t max_bytes) {
  return parse_json(read_file(path, max_bytes), path.string());
}

std::string to_text(const Json& json, int indent) { return json.dump(indent) + "\n"; }

}  // namespace sori
