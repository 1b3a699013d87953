#include "eval/sounds.h"

#include "audio/noise.h"
#include "audio/read.h"
#include "audio/windows.h"
#include "eval/window_transcripts.h"

namespace sori {
namespace {

constexpr double kLengths[] = {30, 5};  // seconds: a window, and a short one as live programs cut it
constexpr double kSpeechLevel = -26;    // dB of full scale

Sound noise_of(Noise noise, double level, double seconds) {
  return {fmt::format("{} noise, {:g} dB, {:g} s", name_of(noise), level, seconds), {}, [=] {
            return make_noise(noise, seconds, level, static_cast<std::uint64_t>(seconds));
          }};
}

std::vector<float> samples_of(const Utterance& u) {
  AudioLimits limits;
  limits.start = u.offset;
  if (u.cut) limits.end = u.offset + u.duration;
  return read_audio(u.audio, limits).samples;
}

using Utterances = std::vector<Utterance>;

Sound join(Utterances parts) {
  Sound s{fmt::format("{} and {} more", parts.front().id, parts.size() - 1), {}, {}};
  for (const Utterance& u : parts) s.said += (s.said.empty() ? "" : " ") + u.text;
  s.samples = [parts = std::move(parts), pause = make_silence(kPauseSeconds)] {
    std::vector<float> all;
    for (const Utterance& u : parts) {
      if (!all.empty()) all.insert(all.end(), pause.begin(), pause.end());
      const std::vector<float> samples = samples_of(u);
      all.insert(all.end(), samples.begin(), samples.end());
    }
    return all;
  };
  return s;
}

// Cuts sounds into windows, and hands those out.
class Windows {
 public:
  Windows(const std::vector<Sound>& sounds, const WindowLength& length, WindowTranscripts& transcripts)
      : sounds_(sounds), length_(length), transcripts_(transcripts), seconds_(sounds.size()) {}

  bool next(std::vector<float>& samples) {
    for (; next_ < sounds_.size(); ++next_) {
      if (!opened_) open();
      if (!windows_.empty()) {
        const Window w = windows_.back();
        windows_.pop_back();
        transcripts_.add(next_, {});
        samples.assign(samples_.begin() + static_cast<std::ptrdiff_t>(w.begin),
                       samples_.begin() + static_cast<std::ptrdiff_t>(w.end));
        return true;
      }
      opened_ = false;
      transcripts_.close(next_);
    }
    return false;
  }

  double seconds(std::size_t sound) const { return seconds_[sound]; }

 private:
  void open() {
    samples_ = sounds_[next_].samples();
    seconds_[next_] = static_cast<double>(samples_.size()) / kSampleRate;
    windows_ = cut_windows(samples_, length_.of(seconds_[next_]));
    std::ranges::reverse(windows_);
    opened_ = true;
  }

  const std::vector<Sound>& sounds_;
  WindowLength length_;
  WindowTranscripts& transcripts_;
  std::vector<double> seconds_;  // of each sound that was opened
  std::size_t next_ = 0;         // the sound whose windows are handed out
  bool opened_ = false;
  std::vector<float> samples_;   // of it
  std::vector<Window> windows_;  // of it that are still to come, the next one at the end
};

}  // namespace

std::vector<Sound> silences() {
  std::vector<Sound> all;
  for (const double seconds : kLengths) {
    all.push_back({fmt::format("silence, {:g} s", seconds), {}, [seconds] { return make_silence(seconds); }});
    for (const double level : {-80.0, -60.0}) all.push_back(noise_of(Noise::kWhite, level, seconds));
  }
  return all;
}

std::vector<Sound> noises() {
  std::vector<Sound> all;
  for (const double seconds : kLengths)
    for (const Noise noise : {Noise::kWhite, Noise::kPink, Noise::kBabble})
      all.push_back(noise_of(noise, kSpeechLevel, seconds));
  return all;
}

std::vector<Sound> joined(const Utterances& utterances) {
  std::vector<Utterances> groups;
  double seconds = kJoinedSeconds, left = 0;  // of the last group, and of the utterances that are not in any
  for (const Utterance& u : utterances) left += u.duration;
  for (const Utterance& u : utterances) {
    if (seconds >= kJoinedSeconds && (groups.empty() || left >= kJoinedSeconds)) {
      groups.emplace_back();
      seconds = 0;
    }
    seconds += (groups.back().empty() ? 0 : kPauseSeconds) + u.duration;
    left -= u.duration;
    groups.back().push_back(u);
  }
  std::vector<Sound> all;
  for (Utterances& group : groups) all.push_back(join(std::move(group)));
  return all;
}

std::vector<Heard> hear(Recognizer& recognizer, const std::vector<Sound>& sounds,
                        const std::function<void()>& on_sound) {
  WindowTranscripts transcripts(sounds.size(), on_sound);
  Windows windows(sounds, recognizer.window_length(), transcripts);
  recognizer.recognise([&](std::vector<float>& samples) { return windows.next(samples); },
                       [&](std::size_t window, Decoded d) { transcripts.put(window, std::move(d)); });
  std::vector<Heard> all;
  for (std::size_t i = 0; i < sounds.size(); ++i) {
    const Transcript& t = transcripts.of(i);
    all.push_back({sounds[i].id, sounds[i].said, t.text(), windows.seconds(i),
                   std::ranges::all_of(t.parts, &TranscriptPart::ended)});
  }
  return all;
}

}  // namespace sori
