// Small corpora, written by the tests that read them.
#pragma once

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "data/corpus.h"
#include "data/options.h"
#include "support/temporary.h"

namespace sori {

inline void put(const Path& path, std::string_view bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

// A tone as KsponSpeech's pcm; one byte too many where asked.
inline void put_pcm(const Path& path, double seconds, bool odd = false, double amplitude = 0.1) {
  std::string bytes;
  const auto n = static_cast<std::int64_t>(std::llround(seconds * 16000));
  for (std::int64_t i = 0; i < n; ++i) {
    const auto x = static_cast<std::int16_t>(std::lround(32767 * amplitude * std::sin(0.17 * static_cast<double>(i))));
    bytes += static_cast<char>(x & 0xFF);
    bytes += static_cast<char>((x >> 8) & 0xFF);
  }
  if (odd) bytes += '\x7F';
  put(path, bytes);
}

// CP949 bytes. The first three are invalid as UTF-8; U+C9F1 is valid as both.
inline const std::string kMon949 = "\xB8\xF3 \xBC\xD2\xB8\xAE\xBE\xDF";           // 몬 소리야
inline const std::string kHello949 = "\xBE\xC8\xB3\xE7\xC7\xCF\xBC\xBC\xBF\xE4";  // 안녕하세요
inline const std::string kBwelk949 = "\x94\xEE";                                  // 뷁, which EUC-KR lacks
inline const std::string kJjang949 = "\xC2\xAF";                                  // 짱

inline Progress no_progress() {
  return [](const std::string&, std::int64_t, std::int64_t) {};
}

inline std::string rejections(const std::vector<Rejection>& rejected) {
  std::string out;
  for (const Rejection& r : rejected) out += (out.empty() ? "" : "; ") + r.id + " " + std::string(name_of(r.reason));
  return out;
}

// id -> text
inline std::map<std::string, std::string> texts(const Corpus& corpus) {
  std::map<std::string, std::string> out;
  for (const RawUtterance& u : corpus.utterances) out[u.id] = u.text;
  return out;
}

inline std::vector<Json> json_lines(const Path& path) {
  std::vector<Json> out;
  const std::string bytes = read_file(path);
  for (const std::string_view line : split_lines(bytes)) out.push_back(parse_json(line, path.string()));
  return out;
}

}  // namespace sori
