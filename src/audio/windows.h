// Cuts long audio into windows that fit Whisper's 30 s.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace sori {

struct Window {
  std::size_t begin = 0, end = 0;  // samples at 16 kHz, end excluded
};

// How long audio is cut.
struct Cutting {
  double longest = 30;       // seconds of a window; at least 1
  bool first_pause = false;  // as soon as there is a pause
};

// How recordings become windows. A model that was tuned on short utterances stops early in windows that hold several
// (docs/guard.md), so what must be cut anyway is cut into single utterances: at pauses, into pieces no longer than what
// it practised.
struct WindowLength {
  double whole = 30;  // seconds: what is no longer is one window
  double piece = 30;  // longest window of what is longer; at most `whole`

  Cutting of(double seconds) const { return seconds <= whole ? Cutting{whole} : Cutting{piece, piece < whole}; }
};

// Windows that cover the samples without gaps or overlaps, in order. Audio that fits is one window; no audio is none. A
// longer one is cut in the last third of each window or its last 8 s, whichever is more, but behind its first third:
// where 0.3 s of sound are quietest (of equally quiet places the latest), or with first_pause in the middle of the
// first stretch that is 20 dB below the window's level, if there is one. Depends on nothing but its arguments.
std::vector<Window> cut_windows(std::span<const float> samples, const Cutting& how = {});

}  // namespace sori
