#include "eval/window_transcripts.h"

namespace sori {

WindowTranscripts::WindowTranscripts(std::size_t sounds, std::function<void()> on_done)
    : on_done_(std::move(on_done)), transcripts_(sounds), open_(sounds, 1) {}

void WindowTranscripts::add(std::size_t sound, TranscriptPart part) {
  owners_.push_back({sound, transcripts_[sound].parts.size()});
  transcripts_[sound].parts.push_back(std::move(part));
  ++open_[sound];
}

void WindowTranscripts::put(std::size_t window, Decoded d) {
  const Owner owner = owners_[window];
  TranscriptPart& part = transcripts_[owner.sound].parts[owner.part];
  part.text = std::move(d.text);
  part.ended = d.ended;
  close(owner.sound);
}

void WindowTranscripts::close(std::size_t sound) {
  if (--open_[sound] == 0 && on_done_) on_done_();
}

}  // namespace sori
