// Strict JSON over nlohmann: valid UTF-8, no duplicate keys, depth at most 64; errors name the file.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace sori {

using Json = nlohmann::ordered_json;  // keeps the order of keys, so that what we write is stable
using JsonMap =
    nlohmann::json;  // finds a key in a tree: for objects of many thousand keys, where Json would search each

// `where` (a file name, or file:line) goes into the message.
Json parse_json(std::string_view text, const std::string& where);
Json read_json(const Path& path, std::size_t max_bytes = kMaxTextFile);
JsonMap parse_json_map(std::string_view text, const std::string& where);
std::string to_text(const Json& json, int indent = 2);  // ends with a newline; invalid UTF-8 is a Bug

namespace detail {
[[noreturn]] void missing_key(const char* key, const std::string& where);
[[noreturn]] void wrong_type(const char* key, const std::string& where);

// nlohmann turns 3.7 into 3, -1 into 2^64 - 1, true into 1 and 1e300 into undefined behaviour; a value must be what it
// is read as.
template <class T>
inline constexpr bool is_vector = false;
template <class E>
inline constexpr bool is_vector<std::vector<E>> = true;

template <class T, class Object>
bool fits(const Object& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value.is_boolean();
  } else if constexpr (std::is_integral_v<T>) {
    if (value.is_number_unsigned()) return std::in_range<T>(value.template get<std::uint64_t>());
    if (value.is_number_integer()) return std::in_range<T>(value.template get<std::int64_t>());
    if (!value.is_number_float()) return false;
    const double x = value.template get<double>();  // 64.0 is 64
    return std::trunc(x) == x && std::abs(x) <= 0x1p53 && std::in_range<T>(static_cast<std::int64_t>(x));
  } else if constexpr (std::is_floating_point_v<T>) {
    return value.is_number();
  } else if constexpr (is_vector<T>) {
    return value.is_array() &&
           std::all_of(value.begin(), value.end(), [](const Object& v) { return fits<typename T::value_type>(v); });
  } else {
    return true;
  }
}
}  // namespace detail

// What a key names, where it lies: a copy of a vocabulary takes megabytes. Error kInput naming file and key.
template <class Object>
const Object& json_member(const Object& object, const char* key, const std::string& where) {
  if (!object.is_object() || !object.contains(key)) detail::missing_key(key, where);
  return object.at(key);
}

// The value of a key, or Error kInput naming file and key.
template <class T, class Object>
T json_get(const Object& object, const char* key, const std::string& where) {
  const Object& value = json_member(object, key, where);
  if (!detail::fits<T>(value)) detail::wrong_type(key, where);
  try {
    return value.template get<T>();
  } catch (const nlohmann::json::exception&) {
    detail::wrong_type(key, where);
  }
}

// The same with a value for an absent key or null.
template <class T, class Object>
T json_get_or(const Object& object, const char* key, T otherwise, const std::string& where) {
  if (!object.is_object() || !object.contains(key) || object.at(key).is_null()) return otherwise;
  return json_get<T>(object, key, where);
}

}  // namespace sori
