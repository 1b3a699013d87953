// Why an utterance did not enter a data set. Each rejected line of a corpus has exactly one reason.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sori {

enum class Reason : std::uint8_t {
  kBadLine,            // a line of a list or table that does not have the expected form
  kBadTimes,           // start and end are no range
  kOtherLanguage,      // the table names another language
  kDuplicateId,        // an earlier utterance has this id
  kAudioMissing,       // no such file
  kAudioAmbiguous,     // several files have this name
  kAudioUnreadable,    // not decodable, or empty
  kAudioSilent,        // every sample is zero (training only)
  kAudioTooLong,       // over 30 s in training, over an hour in evaluation
  kTranscriptMissing,  // sound without a transcript
  kTranscriptUnreadable,
  kTranscriptEncoding,  // neither UTF-8 nor CP949
  kTranscriptControl,   // has control characters
  kTranscriptTooLong,   // over 64 KiB
  kTranscriptEmpty,     // nothing left but labels and marks
  kMalformed,           // a pair or parenthesis that the transcription rules do not know (training only)
  kUnintelligible,      // has the label u/ (training only)
  kDigit,               // a number whose reading is not given (training only)
  kTooManyTokens,       // the labels do not fit into the decoder (training only)
  kCount
};

std::string_view name_of(Reason reason);  // as rejected.jsonl spells it: audio_missing

struct Rejection {
  std::string id;     // of the utterance, or the place of the line: train.trn:17
  std::string split;  // empty when not known
  Reason reason;
  std::string detail;  // never transcript text
};

}  // namespace sori
