// A small Whisper with seeded random numbers and its own memory; support/tiny_tokenizer.h fits it.
#pragma once

#include <cmath>
#include <functional>
#include <memory>

#include "base/rng.h"
#include "model/dora.h"
#include "model/lora.h"
#include "model/whisper.h"

namespace sori::test {

// For tiny_tokenizer(): 256 bytes, ten special tokens, five timestamps; odd, as Whisper's is.
inline constexpr int kTinyVocabulary = 271;

inline WhisperConfig tiny_config() {
  WhisperConfig c;
  c.d_model = 32;
  c.encoder_layers = c.decoder_layers = 2;
  c.encoder_heads = c.decoder_heads = 2;
  c.encoder_ffn = c.decoder_ffn = 64;
  c.vocab_size = kTinyVocabulary;
  c.mel_bins = 8;
  c.max_source_positions = 24;
  c.max_target_positions = 40;
  return c;
}

// Products keep the size of what enters them; norms are near the identity; adapters are as large as the weights.
class TinyWhisper {
 public:
  explicit TinyWhisper(const WhisperConfig& config = tiny_config(), std::uint64_t seed = 1,
                       const std::function<void(Whisper&)>& prepare = {})
      : model(make_whisper(config)) {
    if (prepare) prepare(model);
    Carver count = Carver::counting();
    carve(count);
    arena_ = std::make_unique<Arena>(count.bytes());
    Carver carver(*arena_);
    carve(carver);
    fill(seed);
  }

  Whisper model;

 private:
  void carve(Carver& c) {
    for_each_parameter(model, [&](const std::string&, Parameter& p) {
      const Mat value = c.mat(p.type, p.rows(), p.cols());
      p.weight = as_weight(value);
      p.value = value;
      if (p.trainable) p.gradient = c.mat(DType::kF32, p.rows(), p.cols());
    });
    carve_gains(c, model);
  }

  static Mat flat(Mat m) { return {m.data, m.type, 1, m.size()}; }

  void fill(std::uint64_t seed) {
    const Rng rng(seed, Draw::kRandomWeights);
    std::uint64_t n = 0;
    for_each_parameter(model, [&](const std::string& name, Parameter& p) {
      const bool norm = name.find("layer_norm.weight") != std::string::npos;
      const double scale = p.shape.size() == 1 ? 0.1 : 1 / std::sqrt(static_cast<double>(p.cols()));
      for (std::int64_t i = 0; i < p.size(); ++i)
        store(flat(p.value), 0, i, static_cast<float>((norm ? 1 : 0) + scale * rng.normal(n++)));
    });
  }

  std::unique_ptr<Arena> arena_;
};

}  // namespace sori::test
