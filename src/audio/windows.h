// Cuts long audio into windows that fit Whisper's 30 s.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace sori {

struct Window {
  std::size_t begin = 0, end = 0;  // samples at 16 kHz, end excluded
};

// Windows of at most max_seconds that cover the samples without gaps or overlaps, in order. Audio that fits is one
// window; no audio is none. A longer one is cut where 0.3 s of sound are quietest, in the last third of each window (of
// equally quiet places the latest). Needs max_seconds >= 1. Depends on nothing but its arguments.
std::vector<Window> cut_windows(std::span<const float> samples, double max_seconds = 30);

}  // namespace sori
