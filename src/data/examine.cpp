#include "data/examine.h"

#include <charconv>

#include "audio/read.h"
#include "base/error.h"
#include "base/unicode.h"
#include "data/transcript_file.h"
#include "text/korean.h"
#include "text/languages.h"

namespace sori {
namespace {

// "ko-KR" and "Korean" are ko.
bool same_language(const std::string& given, const std::string& code) {
  const auto exact = language_code(given);
  const auto base = exact ? exact : language_code(given.substr(0, given.find_first_of("-_")));
  return base && *base == code;
}

void add_flag(Utterance& u, bool is, const char* flag) {
  if (is) u.flags.emplace_back(flag);
}

std::optional<Rejection> reject(const Accepted& a, Reason reason, std::string detail) {
  return Rejection{a.utterance.id, a.split, reason, printable(detail)};
}

// What ETRI's rules leave open cannot be learnt, but it must not vanish from an evaluation.
std::optional<Rejection> check_transcript(const Accepted& a, const KsponTranscript& t) {
  if (a.split != "train") return std::nullopt;
  if (t.malformed) return reject(a, Reason::kMalformed, "has a pair or parenthesis out of form");
  if (t.unknown) return reject(a, Reason::kUnintelligible, "has speech that nobody understood (u/)");
  if (t.digit) return reject(a, Reason::kDigit, "has a number without its reading");
  return std::nullopt;
}

AudioLimits limits_of(const RawUtterance& raw, double longest) {
  return {.start = raw.start, .end = raw.end, .max_seconds = longest + 1};  // a little over is too long, not unreadable
}

std::optional<Rejection> check_sound(const RawUtterance& raw, const Path& path, Accepted& a) {
  Utterance& u = a.utterance;
  const bool training = a.split == "train";
  const double longest = training ? kLongestTraining : kLongestEvaluation;
  const auto too_long = [&](double seconds) {
    return reject(
        a, Reason::kAudioTooLong,
        fmt::format("lasts {:.2f} s, over the {} s of {}", seconds, longest, training ? "training" : "evaluation"));
  };
  std::error_code code;
  if (!std::filesystem::exists(path, code)) return reject(a, Reason::kAudioMissing, "there is no such file");
  try {
    const AudioInfo info = audio_info(path);
    const double expected = (raw.end < 0 ? info.seconds : std::min(raw.end, info.seconds)) - raw.start;
    if (expected > longest) return too_long(expected);
    const Audio audio = read_audio(path, limits_of(raw, longest));
    if (audio.seconds > longest) return too_long(audio.seconds);
    if (audio.samples.empty()) return reject(a, Reason::kAudioUnreadable, "holds no sound");
    const bool silent = std::all_of(audio.samples.begin(), audio.samples.end(), [](float x) { return x == 0; });
    if (silent && training) return reject(a, Reason::kAudioSilent, "every sample is zero");
    u.duration = audio.seconds;
    add_flag(u, audio.odd_bytes, "odd_bytes");
    add_flag(u, audio.header_missing, "headerless");
    add_flag(u, silent, "silent");
  } catch (const Error& e) {
    return reject(a, Reason::kAudioUnreadable, e.what());
  }
  return std::nullopt;
}

}  // namespace

int ksponspeech_number(const std::string& id) {
  const std::string name = id.substr(id.rfind('/') + 1);
  for (const std::string_view prefix : {"KsponSpeech_", "KaiSpeech_"}) {
    if (!name.starts_with(prefix)) continue;
    int number = 0;
    const auto [end, code] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), number);
    return code == std::errc{} && end == name.data() + name.size() && number > 0 ? number : 0;
  }
  return 0;
}

Examiner::Examiner(const PrepareOptions& options, std::string language)
    : language_(std::move(language)),
      text_mode_(options.text),
      split_(options.split),
      rule_(SplitRule::parse(options.split_percent)) {
  if (options.tokenizer.empty()) return;
  tokenizer_ = Tokenizer::load(options.tokenizer);
  prompt_ = prompt_tokens(*tokenizer_, language_, options.task);
}

std::variant<Accepted, Rejection> Examiner::examine(const RawUtterance& raw, const Path& root, std::size_t source,
                                                    bool korean_rules) const {
  Accepted a;
  Utterance& u = a.utterance;
  u.id = raw.id;
  u.audio = raw.audio;
  u.source = source;
  u.offset = raw.start;
  u.cut = raw.start > 0 || raw.end >= 0;
  a.split = split_.empty() ? raw.split : split_;
  if (auto r = read_transcript(raw, korean_rules, a)) return *r;
  if (auto r = check_labels(a)) return *r;
  if (auto r = check_sound(raw, root / raw.audio, a)) return *r;
  return a;
}

std::optional<Rejection> Examiner::read_transcript(const RawUtterance& raw, bool korean_rules, Accepted& a) const {
  Utterance& u = a.utterance;
  if (!a.split.empty() && !is_split_name(a.split)) {
    a.split.clear();
    return reject(a, Reason::kBadLine, "names a split that no file can be named after");
  }
  if (!raw.language.empty() && !same_language(raw.language, language_))
    return reject(a, Reason::kOtherLanguage, "is not in the language of the data set");
  if (raw.text.size() > kMaxTranscriptBytes) return reject(a, Reason::kTranscriptTooLong, "is over 64 KiB long");
  if (has_control(raw.text)) return reject(a, Reason::kTranscriptControl, "has control characters");
  u.raw_text = raw.text;
  u.text = plain_text(raw.text);
  if (u.text.empty()) return reject(a, Reason::kTranscriptEmpty, "is empty");

  KsponTranscript t;
  if (korean_rules) {
    t = parse_ksponspeech(u.text, ksponspeech_number(raw.id));
    u.spelling = t.spelling;
    u.pronunciation = t.pronunciation;
    u.text = text_mode_ == "spelling" ? t.spelling : t.pronunciation;
    if (t.empty || u.text.empty()) return reject(a, Reason::kTranscriptEmpty, "holds nothing but labels and marks");
  }
  add_flag(u, raw.other_encoding, "other_encoding");
  add_flag(u, t.malformed, "malformed");
  add_flag(u, t.unknown, "unk");
  add_flag(u, t.digit, "digit");
  add_flag(u, t.latin, "latin");
  a.sentence = sentence_key(korean_rules ? u.spelling : u.text);  // the same split in both text modes
  if (a.split.empty()) a.split = rule_.split_of(a.sentence);
  return check_transcript(a, t);
}

std::optional<Rejection> Examiner::check_labels(const Accepted& a) const {
  if (!tokenizer_ || a.split != "train") return std::nullopt;
  const std::size_t positions = make_labels(*tokenizer_, prompt_, a.utterance.text).input.size();
  if (positions <= kMaxLabels) return std::nullopt;
  return reject(a, Reason::kTooManyTokens, fmt::format("has {} tokens, the decoder takes {}", positions, kMaxLabels));
}

}  // namespace sori
