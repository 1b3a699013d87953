// Texts of many sounds whose windows are decoded in one stream: which window is which part of which transcript.
#pragma once

#include <functional>
#include <vector>

#include "decode/transcribe.h"

namespace sori {

class WindowTranscripts {
 public:
  // on_done: each time that all windows of a sound are written.
  WindowTranscripts(std::size_t sounds, std::function<void()> on_done);

  // The next window that is handed out is this part of this sound's text.
  void add(std::size_t sound, TranscriptPart part);
  void close(std::size_t sound);            // it has no further window
  void put(std::size_t window, Decoded d);  // what was written for a window, by its number
  const Transcript& of(std::size_t sound) const { return transcripts_[sound]; }

 private:
  struct Owner {
    std::size_t sound, part;
  };

  std::function<void()> on_done_;
  std::vector<Transcript> transcripts_;
  std::vector<std::int64_t> open_;  // windows of a sound that are being written, and one until it is closed
  std::vector<Owner> owners_;       // of each window
};

}  // namespace sori
