// Reads sound files: wav, flac, mp3, ogg, and KsponSpeech's headerless pcm (16 kHz, 16 bit little-endian, mono).
#pragma once

#include <vector>

#include "audio/rate.h"
#include "base/file.h"

namespace sori {

inline constexpr double kLongestSeconds = 24 * 3600;

// Which part to read and how much of it to accept, in seconds.
struct AudioLimits {
  double start = 0;
  double end = -1;                       // -1: to the end of the file
  double max_seconds = kLongestSeconds;  // longer audio is an Error, never cut
};

struct AudioInfo {
  double seconds = 0;
  int source_rate = kSampleRate;  // Hz
  int channels = 1;
  bool headerless = false;      // read as KsponSpeech pcm: a .pcm or .raw, or a .wav that lacks its header
  bool header_missing = false;  // a .wav that lacks it: its rate and format are a guess
  bool odd_bytes = false;       // headerless with half a sample at its end, which was dropped
};

struct Audio : AudioInfo {     // seconds: of what was read
  std::vector<float> samples;  // 16 kHz, mono (mean of the channels), nominally in [-1, 1]
};

// Decodes block by block: a header that lies costs no memory. Error kInput that names the file for no audio, a range
// outside of it, too long audio, more than 8 channels, a rate outside of 4 - 384 kHz, samples that are not finite or
// far beyond full scale, and damaged files.
Audio read_audio(const Path& path, const AudioLimits& limits = {});

// What the header says, without decoding. Error kInput as above for what can be seen there.
AudioInfo audio_info(const Path& path);
double audio_seconds(const Path& path);

}  // namespace sori
