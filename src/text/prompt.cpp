#include "text/prompt.h"

#include <algorithm>

#include "text/languages.h"

namespace sori {
namespace {

int needed(const Tokenizer& tokenizer, std::string_view token) {
  if (const auto id = tokenizer.find(token)) return *id;
  throw Error{ErrorKind::kInput, fmt::format("has no token {}", token), "tokenizer.json",
              "use the tokenizer.json that belongs to the Whisper model"};
}

std::string token_of(std::string_view word) { return fmt::format("<|{}|>", word); }

Error unknown_language(const Tokenizer& tokenizer, std::string_view language) {
  std::string known;
  for (const Language& l : languages())
    if (tokenizer.find(token_of(l.code))) known += fmt::format("{}{} ({})", known.empty() ? "" : ", ", l.code, l.name);
  return {ErrorKind::kUsage, fmt::format("this model does not know the language \"{}\"", language), "",
          "known are: " + (known.empty() ? "none" : known)};
}

}  // namespace

SpecialTokens special_tokens(const Tokenizer& tokenizer) {
  SpecialTokens s{};
  s.start_of_transcript = needed(tokenizer, "<|startoftranscript|>");
  s.end_of_text = needed(tokenizer, "<|endoftext|>");
  s.transcribe = needed(tokenizer, "<|transcribe|>");
  s.no_timestamps = needed(tokenizer, "<|notimestamps|>");
  s.translate = tokenizer.find("<|translate|>").value_or(-1);
  s.start_of_prev = tokenizer.find("<|startofprev|>").value_or(-1);
  const auto no_speech = tokenizer.find("<|nospeech|>");  // its older name is <|nocaptions|>
  s.no_speech = no_speech ? *no_speech : tokenizer.find("<|nocaptions|>").value_or(-1);
  s.timestamp_begin = s.no_timestamps + 1;
  return s;
}

int language_token(const Tokenizer& tokenizer, std::string_view language) {
  if (const auto code = language_code(language))
    if (const auto id = tokenizer.find(token_of(*code))) return *id;
  throw unknown_language(tokenizer, language);
}

std::vector<int> prompt_tokens(const Tokenizer& tokenizer, std::string_view language, std::string_view task) {
  const SpecialTokens special = special_tokens(tokenizer);
  if (task != "transcribe" && task != "translate")
    throw Error{ErrorKind::kUsage, fmt::format("unknown task \"{}\"", task), "", "use transcribe or translate"};
  return {special.start_of_transcript, language_token(tokenizer, language), needed(tokenizer, token_of(task)),
          special.no_timestamps};
}

Labels make_labels(const Tokenizer& tokenizer, const std::vector<int>& prompt, std::string_view transcript,
                   bool loss_on_prompt) {
  require(!prompt.empty(), "labels start with a prompt");
  Labels labels{prompt, {}};
  const std::vector<int> text =
      transcript.empty() ? std::vector<int>{} : tokenizer.encode_plain(fmt::format(" {}", transcript));
  labels.input.insert(labels.input.end(), text.begin(), text.end());
  labels.target.assign(labels.input.begin() + 1, labels.input.end());
  labels.target.push_back(special_tokens(tokenizer).end_of_text);
  if (!loss_on_prompt) std::fill_n(labels.target.begin(), prompt.size() - 1, kNoLoss);
  return labels;
}

}  // namespace sori
