#include "text/languages.h"

#include <algorithm>
#include <array>
#include <string>

namespace sori {
namespace {

constexpr auto kLanguages =
    std::to_array<Language>({{"af", "afrikaans"},      {"am", "amharic"},     {"ar", "arabic"},
                             {"as", "assamese"},       {"az", "azerbaijani"}, {"ba", "bashkir"},
                             {"be", "belarusian"},     {"bg", "bulgarian"},   {"bn", "bengali"},
                             {"bo", "tibetan"},        {"br", "breton"},      {"bs", "bosnian"},
                             {"ca", "catalan"},        {"cs", "czech"},       {"cy", "welsh"},
                             {"da", "danish"},         {"de", "german"},      {"el", "greek"},
                             {"en", "english"},        {"es", "spanish"},     {"et", "estonian"},
                             {"eu", "basque"},         {"fa", "persian"},     {"fi", "finnish"},
                             {"fo", "faroese"},        {"fr", "french"},      {"gl", "galician"},
                             {"gu", "gujarati"},       {"ha", "hausa"},       {"haw", "hawaiian"},
                             {"he", "hebrew"},         {"hi", "hindi"},       {"hr", "croatian"},
                             {"ht", "haitian creole"}, {"hu", "hungarian"},   {"hy", "armenian"},
                             {"id", "indonesian"},     {"is", "icelandic"},   {"it", "italian"},
                             {"ja", "japanese"},       {"jw", "javanese"},    {"ka", "georgian"},
                             {"kk", "kazakh"},         {"km", "khmer"},       {"kn", "kannada"},
                             {"ko", "korean"},         {"la", "latin"},       {"lb", "luxembourgish"},
                             {"ln", "lingala"},        {"lo", "lao"},         {"lt", "lithuanian"},
                             {"lv", "latvian"},        {"mg", "malagasy"},    {"mi", "maori"},
                             {"mk", "macedonian"},     {"ml", "malayalam"},   {"mn", "mongolian"},
                             {"mr", "marathi"},        {"ms", "malay"},       {"mt", "maltese"},
                             {"my", "myanmar"},        {"ne", "nepali"},      {"nl", "dutch"},
                             {"nn", "nynorsk"},        {"no", "norwegian"},   {"oc", "occitan"},
                             {"pa", "punjabi"},        {"pl", "polish"},      {"ps", "pashto"},
                             {"pt", "portuguese"},     {"ro", "romanian"},    {"ru", "russian"},
                             {"sa", "sanskrit"},       {"sd", "sindhi"},      {"si", "sinhala"},
                             {"sk", "slovak"},         {"sl", "slovenian"},   {"sn", "shona"},
                             {"so", "somali"},         {"sq", "albanian"},    {"sr", "serbian"},
                             {"su", "sundanese"},      {"sv", "swedish"},     {"sw", "swahili"},
                             {"ta", "tamil"},          {"te", "telugu"},      {"tg", "tajik"},
                             {"th", "thai"},           {"tk", "turkmen"},     {"tl", "tagalog"},
                             {"tr", "turkish"},        {"tt", "tatar"},       {"uk", "ukrainian"},
                             {"ur", "urdu"},           {"uz", "uzbek"},       {"vi", "vietnamese"},
                             {"yi", "yiddish"},        {"yo", "yoruba"},      {"yue", "cantonese"},
                             {"zh", "chinese"}});

// Other English names that Whisper's own tools accept.
constexpr auto kOtherNames = std::to_array<Language>({{"ca", "valencian"},
                                                      {"es", "castilian"},
                                                      {"ht", "haitian"},
                                                      {"lb", "letzeburgesch"},
                                                      {"my", "burmese"},
                                                      {"nl", "flemish"},
                                                      {"pa", "panjabi"},
                                                      {"ps", "pushto"},
                                                      {"ro", "moldavian"},
                                                      {"ro", "moldovan"},
                                                      {"si", "sinhalese"},
                                                      {"zh", "mandarin"}});

std::string ascii_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

}  // namespace

std::span<const Language> languages() { return kLanguages; }

std::optional<std::string_view> language_code(std::string_view name_or_code) {
  const std::string wanted = ascii_lower(name_or_code);
  for (const Language& language : kLanguages)
    if (language.code == wanted || language.name == wanted) return language.code;
  for (const Language& other : kOtherNames)
    if (other.name == wanted) return other.code;
  return std::nullopt;
}

std::string_view language_name(std::string_view code) {
  const auto* const found = std::ranges::find(kLanguages, code, &Language::code);
  return found == kLanguages.end() ? code : found->name;
}

}  // namespace sori
