#include "train/encoder_cache.h"

#include "model/encoder.h"

namespace sori {
namespace {

std::size_t bytes_of(ConstMat m) { return static_cast<std::size_t>(m.size()) * size_of(m.type); }

}  // namespace

void EncoderCache::put(std::size_t utterance, ConstMat states) {
  require(states.contiguous(), "audio states are kept as they lie");
  file_.write(end_, {static_cast<const std::byte*>(states.data), bytes_of(states)});
  places_.insert({{utterance, states.rows}, end_});
  end_ += bytes_of(states);
}

void EncoderCache::get(std::size_t utterance, Mat states) const {
  require(states.contiguous(), "audio states are kept as they lie");
  file_.read(places_.at({utterance, states.rows}), {static_cast<std::byte*>(states.data), bytes_of(states)});
}

bool keeps_states(const std::string& asked, Whisper& model, std::uint64_t samples, std::size_t utterances,
                  double no_speech_share) {
  const bool learns = lowest_learning(model.encoder) <= model.config.encoder_layers;
  if (asked == "on" && learns)
    throw Error{ErrorKind::kUsage, "keeps what the encoder says, and the encoder learns", "--encoder-cache on",
                "use --target-scope decoder, or leave it out"};
  if (asked == "on" && no_speech_share > 0)
    throw Error{ErrorKind::kUsage, "keeps what the encoder says of utterances, and some samples are other sounds",
                "--encoder-cache on", "use --no-speech-share 0, or leave it out"};
  return asked == "on" || (asked == "auto" && !learns && samples > utterances && no_speech_share == 0);
}

std::uint64_t states_bytes(const WhisperConfig& config, DType compute, const std::vector<Utterance>& utterances,
                           const ExampleMaker& maker) {
  const ExampleOptions& o = maker.options();
  std::int64_t states = 0;
  for (const Utterance& u : utterances) {
    const std::int64_t frames = context_frames(o.context, u.duration, o.frames);
    if (o.full_share < 1) states += (frames + 1) / 2;
    if (o.full_share == 1 || (o.full_share > 0 && frames < o.frames)) states += (o.frames + 1) / 2;
  }
  return static_cast<std::uint64_t>(states * config.d_model) * size_of(compute);
}

}  // namespace sori
