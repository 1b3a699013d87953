// Decides about one utterance: what it teaches, which split it belongs to, whether it can be used there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "data/corpus.h"
#include "data/dataset.h"
#include "data/options.h"
#include "data/split.h"
#include "text/prompt.h"

namespace sori {

inline constexpr double kLongestTraining = 30;      // seconds: Whisper's window
inline constexpr double kLongestEvaluation = 3600;  // evaluation cuts windows
inline constexpr int kMaxLabels = 448;              // positions of Whisper's decoder, in every size

struct Accepted {
  Utterance utterance;
  std::string split;
  std::uint64_t sentence;  // sentence_key of what is said
};

class Examiner {
 public:
  Examiner(const PrepareOptions& options, std::string language);

  // Reads the sound: a call takes as long as that. Many threads may call it. `korean_rules`: the transcript follows
  // KsponSpeech's.
  std::variant<Accepted, Rejection> examine(const RawUtterance& raw, const Path& root, std::size_t source,
                                            bool korean_rules) const;

 private:
  std::optional<Rejection> read_transcript(const RawUtterance& raw, bool korean_rules, Accepted& a) const;
  std::optional<Rejection> check_labels(const Accepted& a) const;

  std::string language_, text_mode_, split_;
  SplitRule rule_;
  std::optional<Tokenizer> tokenizer_;
  std::vector<int> prompt_;
};

// KsponSpeech_087797 and KaiSpeech_087797 -> 87797; 0 for other names.
int ksponspeech_number(const std::string& id);

}  // namespace sori
