#include "audio/context.h"

#include <algorithm>
#include <cmath>

#include "audio/log_mel.h"
#include "base/error.h"

namespace sori {
namespace {

constexpr double kStatesPerSecond = static_cast<double>(kSampleRate) / (2 * kHop);
constexpr std::int64_t kMargin = 64;  // states: 1.28 s of silence tell the model that the sound has ended
constexpr std::int64_t kBucket = 256, kExact = 32;

}  // namespace

const std::vector<std::string>& audio_context_names() {
  static const std::vector<std::string> names{"full", "bucket", "exact"};
  return names;
}

std::vector<std::string> audio_context_choices() {
  std::vector<std::string> choices{kAutoContext};
  choices.insert(choices.end(), audio_context_names().begin(), audio_context_names().end());
  return choices;
}

const char* name_of(AudioContext context) { return audio_context_names()[static_cast<std::size_t>(context)].c_str(); }

AudioContext parse_audio_context(const std::string& name) {
  const auto& names = audio_context_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    throw Error{ErrorKind::kInput, fmt::format("audio context \"{}\" is not known", name), "",
                fmt::format("known are {}", fmt::join(names, ", "))};
  return static_cast<AudioContext>(found - names.begin());
}

std::int64_t context_frames(AudioContext context, double seconds, std::int64_t window) {
  if (context == AudioContext::kFull) return window;
  const std::int64_t unit = context == AudioContext::kBucket ? kBucket : kExact;
  const auto states = static_cast<std::int64_t>(std::ceil(kStatesPerSecond * seconds)) + kMargin;
  return std::min(window, 2 * ((states + unit - 1) / unit * unit));
}

}  // namespace sori
