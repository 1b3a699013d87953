#include "data/reason.h"

#include <iterator>

namespace sori {

std::string_view name_of(Reason reason) {
  constexpr std::string_view kNames[] = {"bad_line",
                                         "bad_times",
                                         "other_language",
                                         "duplicate_id",
                                         "audio_missing",
                                         "audio_ambiguous",
                                         "audio_unreadable",
                                         "audio_silent",
                                         "audio_too_long",
                                         "transcript_missing",
                                         "transcript_unreadable",
                                         "transcript_encoding",
                                         "transcript_control",
                                         "transcript_too_long",
                                         "transcript_empty",
                                         "malformed",
                                         "unintelligible",
                                         "digit",
                                         "too_many_tokens"};
  static_assert(std::size(kNames) == static_cast<std::size_t>(Reason::kCount));
  return kNames[static_cast<std::size_t>(reason)];
}

}  // namespace sori
