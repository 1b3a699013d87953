// Sounds that are made in memory, and what a model writes of them: silence, noise, and long recordings joined from
// short ones.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "decode/recognizer.h"

namespace sori {

struct Sound {
  std::string id, said;                         // nothing is said in noise
  std::function<std::vector<float>()> samples;  // 16 kHz, of any length; made when they are wanted
};

// What a model wrote of one sound.
struct Heard {
  std::string id, said, text;
  double seconds = 0;
  bool ended = true;  // false: in a window at least it was cut off at max_new_tokens
};

// Nothing at all, and white noise of -80 and -60 dB, as a good microphone and a quiet room have it; 30 s and 5 s each.
std::vector<Sound> silences();
// White, pink and babble noise at the level of speech, -26 dB; 30 s and 5 s each.
std::vector<Sound> noises();

inline constexpr double kJoinedSeconds = 60;  // the least of a joined recording, where the utterances give as much
inline constexpr double kPauseSeconds = 0.6;  // of silence between utterances

// Each utterance once, in their order, in recordings of kJoinedSeconds and what the last utterance adds; the last
// recording takes what does not fill another.
std::vector<Sound> joined(const std::vector<Utterance>& utterances);

// What the recognizer writes, longer sounds cut as those of files are. on_sound: after each sound.
std::vector<Heard> hear(Recognizer& recognizer, const std::vector<Sound>& sounds,
                        const std::function<void()>& on_sound = {});

}  // namespace sori
