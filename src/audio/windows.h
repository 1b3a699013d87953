// Cuts long audio into windows that fit Whisper's 30 s.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace sori {

struct Window {
  std::size_t begin = 0, end = 0;  // samples at 16 kHz, end excluded
};

// How recordings become windows. A model that was tuned on short utterances stops early in windows that hold several
// (docs/guard.md), so what must be cut anyway is cut into pieces of the length that it practised.
struct WindowLength {
  double whole = 30;  // seconds: what is no longer is one window
  double piece = 30;  // longest window of what is longer; at most `whole`

  double of(double seconds) const { return seconds <= whole ? whole : piece; }
};

// Windows of at most max_seconds that cover the samples without gaps or overlaps, in order. Audio that fits is one
// window; no audio is none. A longer one is cut where 0.3 s of sound are quietest (of equally quiet places the latest),
// in the last third of each window or its last 8 s, whichever is more, but behind its first third. Needs max_seconds
// >= 1. Depends on nothing but its arguments.
std::vector<Window> cut_windows(std::span<const float> samples, double max_seconds = 30);

}  // namespace sori
