// The one sample rate that Whisper hears.
#pragma once

namespace sori {

inline constexpr int kSampleRate = 16000;  // Hz

}  // namespace sori
