#include "model/learn.h"

namespace sori {
namespace {

Limits backend_limits(const WhisperConfig& c, const BatchLimits& b) {
  Limits l;
  l.rows = std::max({b.frame_rows(), b.audio_rows(), b.text_rows()});
  l.width = std::max<std::int64_t>({c.encoder_ffn, c.decoder_ffn, 3 * c.d_model, 3 * c.mel_bins});
  l.query_rows = l.key_rows = std::max((b.frames + 1) / 2, b.tokens);
  l.heads = std::max(c.encoder_heads, c.decoder_heads);
  l.head_width = std::max(c.d_model / c.encoder_heads, c.d_model / c.decoder_heads);
  l.target_rows = b.text_rows();
  l.vocabulary = c.vocab_size;
  return l;
}

// In the order of rows, so that it does not depend on threads.
double sum(std::span<const float> losses) {
  double total = 0;
  for (const float x : losses) total += x;
  return total;
}

}  // namespace

LearnMemory carve_learning(Carver& c, Whisper& model, Backend& backend, const BatchLimits& limits, Keep keep) {
  const WhisperConfig& config = model.config;
  const DType compute = backend.compute();
  const bool backward = keep != Keep::kNothing;
  const SideLimits audio{compute, limits.audio_rows(), config.d_model, config.encoder_ffn, config.encoder_heads,
                         backward};
  const SideLimits text{compute, limits.text_rows(), config.d_model, config.decoder_ffn, config.decoder_heads,
                        backward};
  const SideLimits larger{compute, std::max(audio.rows, text.rows), config.d_model, std::max(audio.ffn, text.ffn),
                          std::max(audio.heads, text.heads)};
  const bool encoder_learns = lowest_learning(model.encoder) <= config.encoder_layers;
  const Keep encoder_keep = backward && !encoder_learns ? Keep::kNothing : keep;
  LearnMemory m;
  {
    const Carver::In activations(c, Purpose::kActivations);
    m.decoder = carve_decoder_saved(c, model.decoder, text, keep);
    m.encoder = carve_encoder_saved(c, model.encoder, audio, limits.frame_rows(), encoder_keep);
    const auto encoder = [&] { carve_encoder_layers(c, model.encoder, audio, encoder_keep, m.encoder); };
    const auto decoder = [&] {
      if (backward && encoder_learns) m.dstates = c.mat(DType::kF32, audio.rows, audio.width);
      carve_decoder_layers(c, model.decoder, text, audio.rows, keep, m.decoder);
    };
    if (encoder_keep == Keep::kEverything) {
      encoder();
      decoder();
    } else {  // the decoder works between the encoder's forward and its backward, which makes its layers again
      c.take_turns(encoder, decoder);
    }
  }
  const Carver::In scratch(c, Purpose::kScratch);
  backend.carve_scratch(c, backend_limits(config, limits));
  m.mel = c.mat(DType::kF32, limits.frame_rows(), config.mel_bins);
  const std::int64_t mlp_rows =
      std::max(m.encoder.stack.layers.front().mlp.pre.rows, m.decoder.stack.layers.front().mlp.pre.rows);
  m.scratch = carve_scratch(c, larger, adapter_limits(model), mlp_rows, backward);
  m.dora = carve_dora(c, model, compute);
  m.losses = c.array<float>(static_cast<std::size_t>(text.rows));
  if (!backward) return m;
  m.convolutions = carve_conv_scratch(c, model.encoder, audio, limits.frame_rows());
  m.dx = c.mat(DType::kF32, larger.rows, larger.width);
  m.dy = c.mat(DType::kF32, text.rows, text.width);
  return m;
}

double forward_backward(const Pass& p, Whisper& model, const Batch& b, const Loss& loss, LearnMemory& m) {
  encoder_forward(p, model.encoder, b, m.mel.top(b.frames.total), m.encoder, m.scratch);
  return forward_backward_from_states(p, model, b, loss, m);
}

double forward_backward_from_states(const Pass& p, Whisper& model, const Batch& b, const Loss& loss, LearnMemory& m) {
  const std::int64_t audio = b.audio.total, text = b.text.total;
  const auto losses = m.losses.first(static_cast<std::size_t>(text));
  decoder_forward(p, model.decoder, b, m.encoder.norm.y.top(audio), m.decoder, m.scratch);
  Parameter& tied = model.decoder.embed_tokens.weight;
  p.backend.cross_entropy(m.decoder.norm.y.top(text), tied.weight, b.targets, loss.scale, loss.label_smoothing, losses,
                          m.dy.top(text), tied.gradient);
  const double total = sum(losses);
  if (!std::isfinite(total)) return total;
  const Mat dstates = m.dstates.top(audio);
  if (!dstates.empty()) set_zero(dstates);
  decoder_backward(p, model.decoder, b, m.encoder.norm.y.top(audio), m.decoder, m.scratch, m.dy.top(text),
                   m.dx.top(text), dstates);
  if (!dstates.empty())
    encoder_backward(p, model.encoder, b, m.encoder, m.scratch, m.convolutions, dstates, m.dx.top(audio));
  return total;
}

double forward_loss(const Pass& p, Whisper& model, const Batch& b, const Loss& loss, LearnMemory& m) {
  encoder_forward(p, model.encoder, b, m.mel.top(b.frames.total), m.encoder, m.scratch);
  return forward_loss_from_states(p, model, b, loss, m);
}

double forward_loss_from_states(const Pass& p, Whisper& model, const Batch& b, const Loss& loss, LearnMemory& m) {
  const std::int64_t text = b.text.total;
  const auto losses = m.losses.first(static_cast<std::size_t>(text));
  decoder_forward(p, model.decoder, b, m.encoder.norm.y.top(b.audio.total), m.decoder, m.scratch);
  p.backend.cross_entropy(m.decoder.norm.y.top(text), model.decoder.embed_tokens.weight.weight, b.targets, 1,
                          loss.label_smoothing, losses, {}, {});
  return sum(losses);
}

}  // namespace sori
