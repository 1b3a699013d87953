#include "eval/guard.h"

#include "base/unicode.h"
#include "eval/evaluate.h"
#include "metrics/normaliser.h"
#include "text/prompt.h"

namespace sori {
namespace {

std::vector<Heard> heard_of(const std::vector<Utterance>& utterances, const EvalResult& r) {
  std::vector<Heard> all;
  for (std::size_t i = 0; i < utterances.size(); ++i) {
    const Utterance& u = utterances[i];
    const Prediction& p = r.predictions[i];
    all.push_back({u.id, u.text, p.text, u.duration, p.ended});
  }
  return all;
}

std::int64_t letters(const std::string& text) { return std::ssize(code_points(normalise_for_cer(text))); }

Score score_of(const std::vector<Heard>& all) {
  Score sum;
  for (const Heard& h : all) sum += score_pair(h.said, h.text);
  return sum;
}

double letters_per_minute(const std::vector<Heard>& all) {
  std::int64_t written = 0;
  double seconds = 0;
  for (const Heard& h : all) written += letters(h.text), seconds += h.seconds;
  return static_cast<double>(written) / (seconds / 60);
}

double letters_per_letter(const std::vector<Heard>& all) {
  std::int64_t written = 0, said = 0;
  for (const Heard& h : all) written += letters(h.text), said += letters(h.said);
  return static_cast<double>(written) / static_cast<double>(std::max<std::int64_t>(said, 1));
}

// Behind the last letter or digit stands a mark that ends sentences.
bool ends_in_a_mark(const std::string& text) {
  static constexpr std::u32string_view kMarks = U".?!\u2026\u3002\uFF1F\uFF01";
  const std::vector<char32_t> points = code_points(text);
  for (auto c = points.rbegin(); c != points.rend() && !is_letter(*c) && !is_number(*c); ++c)
    if (kMarks.find(*c) != kMarks.npos) return true;
  return false;
}

double share_of(const std::vector<Heard>& all, const std::function<bool(const Heard&)>& is) {
  return static_cast<double>(std::ranges::count_if(all, is)) /
         static_cast<double>(std::max<std::size_t>(all.size(), 1));
}

// The measures.
double target(const Behaviour& b) { return score_of(b.at(Part::kSpeech)).cer.rate(); }
double english(const Behaviour& b) { return score_of(b.at(Part::kEnglish)).wer.rate(); }
double punctuation(const Behaviour& b) {
  return share_of(b.at(Part::kSpeech), [](const Heard& h) { return ends_in_a_mark(h.text); });
}
double long_text(const Behaviour& b) { return letters_per_letter(b.at(Part::kLong)); }
double joins(const Behaviour& b) { return score_of(b.at(Part::kLong)).cer.rate() - target(b); }
double silence(const Behaviour& b) { return letters_per_minute(b.at(Part::kSilence)); }
double noise(const Behaviour& b) { return letters_per_minute(b.at(Part::kNoise)); }
double repetition(const Behaviour& b) {
  std::vector<Heard> all;
  for (const auto& [part, heard] : b) all.insert(all.end(), heard.begin(), heard.end());
  return share_of(all, [](const Heard& h) { return !h.ended; });
}

double said_with_marks(const Behaviour& b) {
  return share_of(b.at(Part::kSpeech), [](const Heard& h) { return ends_in_a_mark(h.said); });
}

// The limits, from what the model did before. Where their numbers come from: docs/guard.md.
constexpr double kHighestCer = 0.9;       // from here on a model does not know the language, whatever it did before
constexpr double kForgottenWords = 0.05;  // WER
constexpr double kLostMarks = 0.2;        // share of texts
constexpr double kLeastText = 0.9;        // letters for each that is said
constexpr double kLostAtJoins = 0.03;     // CER
constexpr double kInventedLetters = 30;   // a minute: a tenth of what people say
constexpr double kRepetition = 0.02;      // share of sounds

double known(double before, const Behaviour&) { return std::min(before, kHighestCer); }
double hardly_forgotten(double before, const Behaviour&) { return before + kForgottenWords; }
double as_taught(double before, const Behaviour& b) {
  return std::max(0.0, std::min(before, said_with_marks(b)) - kLostMarks);
}
double nearly_all(double before, const Behaviour&) { return std::min(before, kLeastText); }
template <double kLeast>
double no_more_than(double before, const Behaviour&) {
  return std::max(before, kLeast);
}

// How a check measures a model, and what it asks of the tuned one.
struct Rule {
  const char *name, *title, *measure;
  std::set<Part> parts;
  bool at_most;
  double (*of)(const Behaviour&);
  double (*limit)(double before, const Behaviour&);
  double (*taught)(const Behaviour&) = nullptr;
};
constexpr bool kAtMost = true, kAtLeast = false;

const std::vector<Rule>& rules() {
  using enum Part;
  static const std::vector<Rule> kRules{
      {"target", "speech of --data", "CER", {kSpeech}, kAtMost, target, known},
      {"english", "English speech", "WER", {kEnglish}, kAtMost, english, hardly_forgotten},
      {"punctuation",
       "texts that end in a mark",
       "share of texts",
       {kSpeech},
       kAtLeast,
       punctuation,
       as_taught,
       said_with_marks},
      {"long", "recordings of a minute", "letters of those said", {kSpeech, kLong}, kAtLeast, long_text, nearly_all},
      {"joins",
       "the same beside their parts",
       "CER more",
       {kSpeech, kLong},
       kAtMost,
       joins,
       no_more_than<kLostAtJoins>},
      {"silence",
       "silence and very soft noise",
       kLettersPerMinute,
       {kSilence},
       kAtMost,
       silence,
       no_more_than<kInventedLetters>},
      {"noise", "noise as loud as speech", kLettersPerMinute, {kNoise}, kAtMost, noise, no_more_than<kInventedLetters>},
      {"repetition",
       "texts cut off at the limit",
       "share of sounds",
       {kSilence, kNoise, kSpeech},
       kAtMost,
       repetition,
       no_more_than<kRepetition>},
  };
  return kRules;
}

GuardCheck check_of(const Rule& rule, const Behaviour& before, const Behaviour& after) {
  GuardCheck c{rule.name, rule.title, rule.measure, rule.of(before), rule.of(after), 0, rule.at_most, {}};
  c.limit = rule.limit(c.before, before);
  if (rule.taught) c.taught = rule.taught(before);
  return c;
}

}  // namespace

std::size_t Battery::size() const {
  std::size_t sum = 0;
  for (const auto& [part, sounds] : made) sum += sounds.size();
  for (const auto& [part, utterances] : read) sum += utterances.size();
  return sum;
}

Battery make_battery(const std::set<Part>& parts, const std::vector<Utterance>& speech,
                     const std::vector<Utterance>& english) {
  Battery b;
  for (const Part part : parts) {
    switch (part) {
      case Part::kSilence:
        b.made[part] = silences();
        break;
      case Part::kNoise:
        b.made[part] = noises();
        break;
      case Part::kLong:
        b.made[part] = joined(speech);
        break;
      case Part::kSpeech:
        b.read[part] = speech;
        break;
      case Part::kEnglish:
        b.read[part] = english;
        break;
    }
  }
  return b;
}

Behaviour behave(Recognizer& recognizer, const Battery& battery, const GuardProgress& progress) {
  std::size_t done = 0;
  const auto count = [&] {
    if (progress) progress(++done, battery.size());
  };
  const auto listen = [&](const std::vector<Utterance>& utterances) {
    return heard_of(utterances, evaluate(recognizer, utterances, [&](std::size_t, std::size_t) { count(); }));
  };
  Behaviour heard;
  for (const auto& [part, sounds] : battery.made) heard[part] = hear(recognizer, sounds, count);
  for (const auto& [part, utterances] : battery.read) {
    if (part != Part::kEnglish) {
      heard[part] = listen(utterances);
      continue;
    }
    auto prompt = recognizer.set_prompt(prompt_tokens(recognizer.tokenizer(), kEnglishCode, "transcribe"));
    heard[part] = listen(utterances);
    recognizer.set_prompt(std::move(prompt));
  }
  return heard;
}

std::vector<std::string> guard_checks() {
  std::vector<std::string> names;
  for (const Rule& r : rules()) names.emplace_back(r.name);
  return names;
}

std::set<Part> parts_of(const std::set<std::string>& checks) {
  std::set<Part> all;
  for (const std::string& name : checks) {
    const auto rule = std::ranges::find(rules(), name, &Rule::name);
    if (rule == rules().end())
      throw Error{ErrorKind::kUsage, fmt::format("\"{}\" is not a check", name), "--checks",
                  fmt::format("there are {}", fmt::join(guard_checks(), ", "))};
    all.insert(rule->parts.begin(), rule->parts.end());
  }
  return all;
}

std::vector<GuardCheck> compare(const Behaviour& before, const Behaviour& after, const std::set<std::string>& checks) {
  std::vector<GuardCheck> all;
  for (const Rule& r : rules())
    if (checks.contains(r.name)) all.push_back(check_of(r, before, after));
  return all;
}

bool is_safe(const std::vector<GuardCheck>& checks) { return std::ranges::all_of(checks, &GuardCheck::ok); }

Json to_json(const GuardCheck& c) {
  return {{"name", c.name},     {"title", c.title}, {"measure", c.measure},
          {"before", c.before}, {"after", c.after}, {"limit", c.limit},
          {"bound", c.bound()}, {"ok", c.ok()},     {"taught", c.taught ? Json(*c.taught) : Json()}};
}

}  // namespace sori
