// What the decoder is told before it writes, and what it is taught to write: Whisper's special tokens, prompt and
// labels.
#pragma once

#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace sori {

// Ids from the tokenizer. A token that a model may lack is -1; without the others it is no Whisper tokenizer (Error
// kInput).
struct SpecialTokens {
  int start_of_transcript, end_of_text, transcribe, no_timestamps;
  int translate, start_of_prev, no_speech;  // may be -1
  int timestamp_begin;                      // <|0.00|> = no_timestamps + 1, whether or not the file lists it
};
SpecialTokens special_tokens(const Tokenizer& tokenizer);

// Id of "<|ko|>" for "ko", "korean" or "Korean". Error kUsage names the languages this tokenizer knows.
int language_token(const Tokenizer& tokenizer, std::string_view language);

// <|startoftranscript|>, language, task ("transcribe" or "translate"), <|notimestamps|>.
std::vector<int> prompt_tokens(const Tokenizer& tokenizer, std::string_view language, std::string_view task);

inline constexpr int kNoLoss = -1;  // a target that teaches nothing

// Two rows of equal length T: what the decoder reads and what it should write after reading so far.
struct Labels {
  std::vector<int> input;   // [T] the prompt, then the text
  std::vector<int> target;  // [T] input one to the left, then <|endoftext|>; kNoLoss inside the prompt
};

// The text is one blank and the transcript (an empty transcript is no text); tokens spelled in it are plain characters.
// With loss_on_prompt the prompt's own tokens are targets too, as in Hugging Face's recipe.
Labels make_labels(const Tokenizer& tokenizer, const std::vector<int>& prompt, std::string_view transcript,
                   bool loss_on_prompt = false);

}  // namespace sori
