// What the verbs work on in tests: a model folder that takes a second of sound, and recordings of noise.
#pragma once

#include "audio/rate.h"
#include "audio/sound_files.h"
#include "formats/safetensors.h"
#include "model/load.h"
#include "support/temporary.h"
#include "support/tiny_tokenizer.h"
#include "support/tiny_whisper.h"

namespace sori::test {

using sori::testing::TemporaryFolder;

inline WhisperConfig second_config() {  // windows of a second
  WhisperConfig c = tiny_config();
  c.max_source_positions = 50;
  return c;
}

// Wide enough for nf4's tables to pay.
inline WhisperConfig wide_config() {
  WhisperConfig c = second_config();
  c.d_model = 64;
  c.encoder_ffn = c.decoder_ffn = 256;
  return c;
}

inline WhisperConfig four_seconds() {  // room for recordings, the margin behind them, and silence
  WhisperConfig c = tiny_config();
  c.max_source_positions = 200;
  return c;
}

inline void fill(Parameter& p, float x) { std::fill_n(p.value.row<float>(0), p.size(), x); }

inline void write_model(const Path& folder, const std::function<void(Whisper&)>& change,
                        const WhisperConfig& config = second_config()) {
  make_folder(folder);
  TinyWhisper tiny(config);
  fill(tiny.model.decoder.layer_norm.weight, 1);
  change(tiny.model);
  std::vector<TensorInfo> infos;
  std::map<std::string, std::span<const std::byte>> bytes;
  for_each_parameter(tiny.model, [&](const std::string& name, Parameter& p) {
    infos.push_back({name, DType::kF32, p.shape});
    bytes[name] = std::as_bytes(std::span(p.value.row<float>(0), static_cast<std::size_t>(p.size())));
  });
  SafetensorsWriter writer(folder / "model.safetensors", infos, {{"format", "pt"}});
  for (const TensorInfo& t : writer.order()) writer.write(t.name, bytes.at(t.name));
  writer.commit();
  write_file(folder / "config.json", to_text(to_json(config, DType::kF32, {256, 256, 256, 257})));
  write_file(folder / "tokenizer.json", to_text(tiny_tokenizer_json()));
  write_file(folder / "generation_config.json", "{}\n");
}

inline void write_model(const Path& folder, float last_gain = 1) {
  write_model(folder, [&](Whisper& w) { fill(w.decoder.layer_norm.weight, last_gain); });
}

// 11 utterances to learn from and 3 to choose by, each below a second.
inline void write_recordings(const Path& folder) {
  for (int i = 0; i < 14; ++i) {
    const Path split = folder / (i < 11 ? "train" : "dev");
    make_folder(split);
    const double seconds = 0.3 + 0.05 * i;
    std::vector<float> samples(static_cast<std::size_t>(seconds * kSampleRate));
    const Rng rng(static_cast<std::uint64_t>(i), Draw::kNoise);
    for (std::size_t k = 0; k < samples.size(); ++k) samples[k] = 0.1f * static_cast<float>(rng.normal(k));
    write_sound(split / fmt::format("{}.wav", i), SF_FORMAT_WAV | SF_FORMAT_PCM_16, kSampleRate, 1, samples);
    write_file(split / fmt::format("{}.txt", i), fmt::format("소리 {}\n", static_cast<char>('a' + i)));
  }
}

}  // namespace sori::test
