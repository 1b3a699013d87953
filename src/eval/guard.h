// Does a tuned model still behave? The same sounds are written down by the model as it was and as it is, and a few
// measures of both say whether the new one can take the old one's place (docs/guard.md).
//
// What fine-tuning is known to break: other languages are forgotten, silence and noise are turned into words, marks
// are left out, text gets lost in long recordings, and texts repeat themselves to the limit.
#pragma once

#include <map>
#include <set>

#include "base/json.h"
#include "eval/sounds.h"

namespace sori {

inline constexpr const char* kEnglishCode = "en";

enum class Part { kSilence, kNoise, kSpeech, kLong, kEnglish };

// What is heard, by part; a part that is in neither is not.
struct Battery {
  std::map<Part, std::vector<Sound>> made;      // kSilence, kNoise, kLong
  std::map<Part, std::vector<Utterance>> read;  // kSpeech, in the recognizer's language, and kEnglish

  std::size_t size() const;
};
Battery make_battery(const std::set<Part>& parts, const std::vector<Utterance>& speech,
                     const std::vector<Utterance>& english);

using Behaviour = std::map<Part, std::vector<Heard>>;                          // of one model
using GuardProgress = std::function<void(std::size_t done, std::size_t all)>;  // sounds

// Leaves the recognizer as it was. Errors are those of evaluate().
Behaviour behave(Recognizer& recognizer, const Battery& battery, const GuardProgress& progress = {});

inline constexpr const char* kLettersPerMinute = "letters per minute";

struct GuardCheck {
  std::string name, title;
  std::string measure;  // kLettersPerMinute, or what is a share of 1: CER, WER, ...
  double before = 0, after = 0, limit = 0;
  bool at_most = true;  // `after` shall not be above the limit; otherwise not below
  // Of what models learn from the transcripts: the share of them that have it.
  std::optional<double> taught{};

  const char* bound() const { return at_most ? "at most" : "at least"; }
  bool ok() const { return at_most ? after <= limit : after >= limit; }
};

// target, english, punctuation, long, joins, silence, noise, repetition
std::vector<std::string> guard_checks();
// What they are measured on. Error kUsage where no check has such a name.
std::set<Part> parts_of(const std::set<std::string>& checks);

// These checks, in the order of guard_checks(). Both models must have heard what they ask for.
std::vector<GuardCheck> compare(const Behaviour& before, const Behaviour& after, const std::set<std::string>& checks);
bool is_safe(const std::vector<GuardCheck>& checks);  // all of them are ok

// {"name", "title", "measure", "before", "after", "limit", "bound": "at most" | "at least", "ok", "taught"}
Json to_json(const GuardCheck& check);

}  // namespace sori
