#include "eval/sounds.h"

#include "audio/noise.h"
#include "audio/read.h"
#include "audio/windows.h"
#include "decode/transcribe.h"

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

// Cuts sounds into windows, and gathers what is written for them.
class Listener {
 public:
  Listener(const std::vector<Sound>& sounds, double window_seconds, const std::function<void()>& on_sound)
      : sounds_(sounds),
        window_seconds_(window_seconds),
        on_sound_(on_sound),
        transcripts_(sounds.size()),
        open_(sounds.size()) {}

  bool next(std::vector<float>& samples) {
    while (windows_.empty()) {
      if (opened_ == sounds_.size()) return false;
      open(opened_++);
    }
    const Window w = windows_.back();
    windows_.pop_back();
    owners_.push_back({opened_ - 1, transcripts_[opened_ - 1].parts.size()});
    transcripts_[opened_ - 1].parts.emplace_back();
    samples.assign(samples_.begin() + static_cast<std::ptrdiff_t>(w.begin),
                   samples_.begin() + static_cast<std::ptrdiff_t>(w.end));
    return true;
  }

  void put(std::size_t window, Decoded d) {
    const auto [sound, part] = owners_[window];
    transcripts_[sound].parts[part].text = std::move(d.text);
    transcripts_[sound].parts[part].ended = d.ended;
    if (--open_[sound] == 0 && on_sound_) on_sound_();
  }

  std::vector<Heard> heard() const {
    std::vector<Heard> all;
    for (std::size_t i = 0; i < sounds_.size(); ++i) {
      const Transcript& t = transcripts_[i];
      all.push_back(
          {sounds_[i].id, sounds_[i].said, t.text(), t.seconds, std::ranges::all_of(t.parts, &TranscriptPart::ended)});
    }
    return all;
  }

 private:
  struct Owner {
    std::size_t sound, part;
  };

  void open(std::size_t sound) {
    samples_ = sounds_[sound].samples();
    windows_ = cut_windows(samples_, window_seconds_);
    open_[sound] = windows_.size();
    transcripts_[sound].seconds = static_cast<double>(samples_.size()) / kSampleRate;
    std::ranges::reverse(windows_);
  }

  const std::vector<Sound>& sounds_;
  double window_seconds_;
  const std::function<void()>& on_sound_;
  std::vector<Transcript> transcripts_;
  std::vector<std::size_t> open_;  // windows of a sound that are not written yet
  std::vector<Owner> owners_;      // of each window
  std::vector<float> samples_;     // of the sound that was opened last
  std::vector<Window> windows_;    // of it that are still to come, the next one at the end
  std::size_t opened_ = 0;
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
  Listener listener(sounds, recognizer.window_seconds(), on_sound);
  recognizer.recognise([&](std::vector<float>& samples) { return listener.next(samples); },
                       [&](std::size_t window, Decoded d) { listener.put(window, std::move(d)); });
  return listener.heard();
}

}  // namespace sori
