// KsponSpeech's transcription rules (ETRI's): a raw line carries noise labels, fillers, repetitions and dual
// transcriptions
// "(spelling)/(pronunciation)"; here it becomes the two texts a model can learn to write.
#pragma once

#include <string>
#include <string_view>

namespace sori {

struct KsponTranscript {
  std::string spelling;       // "70% 확률이라니": the left side of each pair
  std::string pronunciation;  // "칠 십 퍼센트 확률이라니": the right side, % and # in words
  bool malformed = false;     // a pair that is not "(..)/(..)", an empty side, a parenthesis left over
  bool unknown = false;       // has u/, speech nobody could understand
  bool digit = false;         // a digit in the pronunciation, so nobody knows how it was read
  bool latin = false;         // a Latin letter in the pronunciation
  bool empty = false;         // one of the texts is empty
};

// A line of a .txt, or of a .trn behind " :: ". file_number is the utterance's (KsponSpeech_501006 -> 501006), 0 when
// unknown: a few files are known to read % as 프로 and not as 퍼센트. Never fails: what is odd is flagged. Both texts
// are NFC with single blanks, and parsing one again gives it again.
KsponTranscript parse_ksponspeech(std::string_view utf8_line, int file_number = 0);

}  // namespace sori
