// How much of Whisper's window of 30 s the encoder reads of an utterance (--audio-context).
//
// The reference reads all of it, and most of that is silence which it made itself. Attention and products over S audio
// states cost what S says, so a short S saves most of a step. Whisper was never shown a short window: untuned it
// repeats itself there, and a short fine-tuning teaches it (docs/audio-context.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sori {

enum class AudioContext {
  kFull,    // the whole window, as the reference
  kBucket,  // the next multiple of 256 states that holds the sound and the margin: few shapes
  kExact    // the next multiple of 32
};

const std::vector<std::string>& audio_context_names();  // full, bucket, exact
// As an option: one of the names, or auto, which is as the adapter or the model was trained.
inline constexpr const char* kAutoContext = "auto";
std::vector<std::string> audio_context_choices();
const char* name_of(AudioContext context);
AudioContext parse_audio_context(const std::string& name);  // Error kInput where it is none of the names

// Mel frames, two a state, that the encoder reads of `seconds` of sound: the sound, a margin of silence, and what
// rounding adds; at most `window`. Depends on nothing else, so training, evaluation and transcription agree.
std::int64_t context_frames(AudioContext context, double seconds, std::int64_t window);

}  // namespace sori
