// Text of a sound file of any length.
#pragma once

#include "decode/file_windows.h"
#include "decode/recognizer.h"

namespace sori {

struct TranscriptPart {
  double start = 0, end = 0;  // seconds in the file
  std::string text;
  bool ended = true;  // false: cut off at max_new_tokens
};

struct Transcript {
  double seconds = 0;
  std::vector<TranscriptPart> parts;  // windows of recognizer.window_length()

  std::string text() const;  // the parts that say something, joined with one blank
};

struct TranscribeCallbacks {
  std::function<void(double done, double total)> progress{};  // seconds of sound
  std::function<void(const std::string& piece)> text{};  // as it is written, in the file's order; joined it is text()
};

// Error kInput or kIo when the file cannot be read.
Transcript transcribe(Recognizer& recognizer, const Path& path, const TranscribeCallbacks& callbacks = {});

}  // namespace sori
