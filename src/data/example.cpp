#include "data/example.h"

#include "audio/noise.h"
#include "audio/read.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/threads.h"

namespace sori {
namespace {

// Resamplers may give a few samples more than the duration says.
constexpr std::size_t kSlack = 64;
// A file whose duration differs by more is another file than the one that was prepared.
constexpr double kSameSeconds = 0.01;

}  // namespace

ExampleMaker::ExampleMaker(const Tokenizer& tokenizer, ExampleOptions options)
    : tokenizer_(tokenizer),
      options_(std::move(options)),
      prompt_(prompt_tokens(tokenizer, options_.language, options_.task)),
      log_mel_(options_.mel_bins) {}

Labels ExampleMaker::labels(const Utterance& u) const {
  return make_labels(tokenizer_, prompt_, u.text, options_.loss_on_prompt);
}

bool ExampleMaker::labels_fit(const Utterance& u) const { return std::ssize(labels(u).input) <= options_.max_labels; }

std::int64_t ExampleMaker::frames(const Utterance& u, std::uint64_t sample) const {
  const bool full =
      options_.full_share > 0 && Rng(options_.seed, Draw::kContext, 0, sample).uniform(0) < options_.full_share;
  return context_frames(full ? AudioContext::kFull : options_.context, u.duration, options_.frames);
}

std::int64_t ExampleMaker::most_frames(const std::vector<Utterance>& utterances) const {
  return longest_context(utterances, options_.full_share > 0 ? AudioContext::kFull : options_.context, options_.frames);
}

bool ExampleMaker::no_speech(std::uint64_t sample) const {
  return options_.no_speech_share > 0 &&
         Rng(options_.seed, Draw::kNoSpeech, 0, sample).uniform(0) < options_.no_speech_share;
}

void ExampleMaker::make(const Utterance& u, Example& out) const try {
  out.id = u.id;
  out.frames = frames(u, out.sample);
  out.mel_bins = options_.mel_bins;
  out.mel.resize(static_cast<std::size_t>(out.frames * out.mel_bins));
  const bool silent = no_speech(out.sample);
  Labels made = silent ? make_labels(tokenizer_, prompt_, "", options_.loss_on_prompt) : labels(u);
  if (std::ssize(made.input) > options_.max_labels)
    throw Error{ErrorKind::kInput,
                fmt::format("has {} tokens, the decoder takes {}", made.input.size(), options_.max_labels), u.audio,
                "remove it from the data set"};
  out.input = std::move(made.input);
  out.target = std::move(made.target);
  std::vector<float> samples = silent ? make_no_speech(u.duration, out.sample) : read_sound(u);
  out.seconds = static_cast<double>(samples.size()) / kSampleRate;
  samples.resize(std::min(samples.size(), static_cast<std::size_t>(out.frames) * kHop));
  log_mel_.compute(samples, Mat(out.mel.data(), out.frames, out.mel_bins));
} catch (const Error& e) {
  throw Error{e.kind(), e.what(), "utterance " + u.id, ""};
}

std::vector<float> ExampleMaker::read_sound(const Utterance& u) const {
  const auto window = static_cast<std::size_t>(options_.frames) * kHop;
  Audio audio = read_audio(
      u.audio, {.start = u.offset, .end = u.cut ? u.offset + u.duration : -1, .max_seconds = u.duration + 1});
  if (std::abs(audio.seconds - u.duration) > kSameSeconds)
    throw Error{ErrorKind::kInput,
                fmt::format("lasts {:.2f} s, but lasted {:.2f} s when it was prepared", audio.seconds, u.duration),
                u.audio, "run sori prepare again"};
  if (audio.samples.size() > window + kSlack)
    throw Error{ErrorKind::kInput, fmt::format("lasts {:.2f} s, longer than the window", audio.seconds), u.audio,
                "cut it into shorter pieces"};
  return std::move(audio.samples);
}

// A quarter each of nothing at all and of every kind of noise, from below the steps of 16 bits to above a quiet voice.
std::vector<float> ExampleMaker::make_no_speech(double seconds, std::uint64_t sample) const {
  const Rng rng(options_.seed, Draw::kNoSpeech, 0, sample);
  constexpr Noise kNoises[] = {Noise::kWhite, Noise::kPink, Noise::kBabble};
  const std::uint64_t kind = rng.below(1, 1 + std::size(kNoises));
  if (kind == std::size(kNoises)) return make_silence(seconds);
  return make_noise(kNoises[kind], seconds, -100 + 80 * rng.uniform(2), rng.bits(3));
}

std::int64_t longest_context(const std::vector<Utterance>& utterances, AudioContext context, std::int64_t window) {
  std::int64_t most = 0;
  for (const Utterance& u : utterances) most = std::max(most, context_frames(context, u.duration, window));
  return most;
}

AverageLengths average_lengths(const std::vector<Utterance>& utterances, const ExampleMaker& maker) {
  if (utterances.empty()) return {};
  const ExampleOptions& o = maker.options();
  const auto window = static_cast<double>(o.frames);
  double frames = 0, tokens = 0;
  for (const Utterance& u : utterances) {
    const auto own = static_cast<double>(context_frames(o.context, u.duration, o.frames));
    frames += own + o.full_share * (window - own);
    tokens += static_cast<double>(maker.labels(u).input.size());
  }
  const auto n = static_cast<double>(utterances.size());
  return {std::llround(frames / n), std::llround(tokens / n)};
}

std::vector<std::string> drop_long_labels(std::vector<Utterance>& utterances, const ExampleMaker& maker) {
  std::vector<char> fits(utterances.size());
  parallel_for(std::ssize(utterances), [&](std::int64_t i) { fits[i] = maker.labels_fit(utterances[i]); });
  std::vector<std::string> dropped;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < utterances.size(); ++i) {
    if (!fits[i])
      dropped.push_back(utterances[i].id);
    else if (kept++ != i)
      utterances[kept - 1] = std::move(utterances[i]);
  }
  utterances.resize(kept);
  return dropped;
}

}  // namespace sori
