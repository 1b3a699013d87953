#include "audio/read.h"

#include "audio/resample.h"
#include "audio/sound_file.h"
#include "base/error.h"

namespace sori {
namespace {

constexpr std::int64_t kBlock = 16384;  // frames decoded at a time
constexpr float kLoudest = 16;          // 24 dB over full scale: beyond it the file is not scaled to [-1, 1]
constexpr double kTolerance = 0.5;      // seconds by which headers and tables may err at the end of a file

AudioInfo info_of(const SoundFile& file) {
  return {.seconds = static_cast<double>(file.claimed_frames()) / file.rate(),
          .source_rate = file.rate(),
          .channels = file.channels(),
          .headerless = file.headerless(),
          .header_missing = file.header_missing(),
          .odd_bytes = file.odd_bytes()};
}

// The frames [first, last) that a range in seconds means.
struct FrameRange {
  std::int64_t first, last;
};

FrameRange range_of(const SoundFile& file, const AudioLimits& limits) {
  constexpr auto kToTheEnd = std::numeric_limits<std::int64_t>::max();
  const bool to_the_end = limits.end < 0;
  const double largest = kLongestSeconds * 365;  // keeps the products below 2^63
  if (!(limits.start >= 0 && limits.start <= largest && limits.end <= largest) ||
      (!to_the_end && limits.end <= limits.start))
    file.fail(fmt::format("cannot be cut from {} s to {} s", limits.start, limits.end),
              "give a start of at least 0 and an end behind it");
  const std::int64_t first = std::llround(limits.start * file.rate());
  if (first > 0 && first >= file.claimed_frames())
    file.fail(fmt::format("lasts {:.2f} s, but the range starts at {} s", info_of(file).seconds, limits.start),
              "correct the table of ranges");
  return {first, to_the_end ? kToTheEnd : std::llround(limits.end * file.rate())};
}

// Mean of the channels, in place: frame i of the mono signal lies at block[i].
void mix(const SoundFile& file, std::vector<float>& block, std::int64_t frames) {
  const int channels = file.channels();
  for (std::int64_t i = 0; i < frames; ++i) {
    float sum = 0;
    for (int c = 0; c < channels; ++c) {
      const float x = block[static_cast<std::size_t>(i * channels + c)];
      if (!std::isfinite(x)) file.fail("holds samples that are not numbers (NaN or infinity)", "repair or remove it");
      if (std::abs(x) > kLoudest)
        file.fail(fmt::format("holds samples as large as {}, far beyond full scale", x),
                  "scale it to [-1, 1] and try again");
      sum += x;
    }
    block[static_cast<std::size_t>(i)] = sum / static_cast<float>(channels);
  }
}

void check_length(const SoundFile& file, double seconds, double max_seconds) {
  if (seconds > max_seconds) file.fail(fmt::format("lasts more than {} s", max_seconds), "cut it into shorter pieces");
  if (seconds > file.most_seconds())
    file.fail("holds more seconds than a file of its size can in good faith", "convert it to wav and try again");
}

// Decodes from where the file stands; returns the number of source frames.
std::int64_t decode(SoundFile& file, std::int64_t frames, double max_seconds, std::vector<float>& samples) {
  std::vector<float> block(static_cast<std::size_t>(kBlock * file.channels()));
  Resampler resampler(file.rate());
  std::int64_t done = 0;
  while (done < frames) {
    const std::int64_t n = file.read(block.data(), std::min(kBlock, frames - done));
    if (n == 0) break;
    done += n;
    check_length(file, static_cast<double>(done) / file.rate(), max_seconds);
    mix(file, block, n);
    resampler.push({block.data(), static_cast<std::size_t>(n)}, samples);
  }
  resampler.finish(samples);
  return done;
}

}  // namespace

Audio read_audio(const Path& path, const AudioLimits& limits) {
  SoundFile file(path);
  const FrameRange range = range_of(file, limits);
  if (range.first > 0) file.seek(range.first);
  Audio audio{info_of(file), {}};
  const std::int64_t done = decode(file, range.last - range.first, limits.max_seconds, audio.samples);
  audio.seconds = static_cast<double>(done) / file.rate();
  if (done == 0) file.fail("holds no sound", "remove it from the list, or copy it again");
  const std::int64_t due = std::min(range.last, file.claimed_frames()) - range.first;
  if (static_cast<double>(due - done) > kTolerance * file.rate())
    file.fail(fmt::format("ends after {:.2f} s, but its header promises {:.2f} s", audio.seconds,
                          static_cast<double>(due) / file.rate()),
              "copy it again from its source");
  if (limits.end >= 0 && limits.end - limits.start - audio.seconds > kTolerance)
    file.fail(fmt::format("ends {:.2f} s before the end of the range", limits.end - limits.start - audio.seconds),
              "correct the table of ranges");
  return audio;
}

AudioInfo audio_info(const Path& path) {
  const SoundFile file(path);
  const AudioInfo info = info_of(file);
  if (file.claimed_frames() <= 0) file.fail("holds no sound", "remove it from the list, or copy it again");
  check_length(file, info.seconds, kLongestSeconds);
  return info;
}

double audio_seconds(const Path& path) { return audio_info(path).seconds; }

}  // namespace sori
