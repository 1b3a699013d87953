// The small random Whisper of tests/golden with its batches: the same model and data in transformers and here.
#pragma once

#include <memory>

#include "base/json.h"
#include "base/rng.h"
#include "formats/safetensors.h"
#include "formats/values.h"
#include "model/learn.h"
#include "model/load.h"
#include "model/lora_start.h"

namespace sori::test {

inline Path golden(const std::string& name) { return Path(SORI_SOURCE_DIR) / "tests/golden" / name; }

inline std::vector<float> floats(const TensorView& t) {
  std::vector<float> v(static_cast<std::size_t>(element_count(t.shape)));
  read_floats(t, 0, v);
  return v;
}

inline std::vector<int> integers(const TensorView& t) {
  std::vector<int> v(t.bytes.size() / 4);
  std::memcpy(v.data(), t.bytes.data(), t.bytes.size());
  return v;
}

// One utterance of a golden file.
struct GoldenUtterance {
  std::int64_t frames = 0, bins = 0;
  std::vector<float> features;  // [M, 2S]
  std::vector<int> input, target;
};

inline GoldenUtterance read_utterance(const TensorFile& f, const std::string& prefix,
                                      const std::string& target = "target") {
  GoldenUtterance u;
  const TensorView& t = f.get(prefix + "features");
  u.bins = t.shape[0], u.frames = t.shape[1];
  u.features = floats(t);
  u.input = integers(f.get(prefix + "input"));
  u.target = integers(f.get(prefix + target));
  for (int& x : u.target)
    if (x < 0) x = -1;
  return u;
}

// A model with its own memory, ready to learn.
struct TinyRun {
  Whisper model;
  std::unique_ptr<SafetensorsFile> file;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Arena> arena;
  LearnMemory memory;
  Batch batch;

  // prepare(model) marks what learns, before memory is planned.
  template <class Prepare>
  TinyRun(std::unique_ptr<Backend> be, Keep keep, Prepare prepare,
          const Path& weights = golden("tiny_model.safetensors"), const Path& config = golden("tiny_config.json"),
          BatchLimits limits = {3, 48, 20})
      : model(make_whisper(parse_config(read_json(config), config.string()))),
        file(std::make_unique<SafetensorsFile>(weights)),
        backend(std::move(be)) {
    prepare(model);
    Carver count = Carver::counting();
    carve(count, keep, limits);
    arena = std::make_unique<Arena>(count.bytes());
    Carver carver(*arena);
    carve(carver, keep, limits);
  }

  void carve(Carver& c, Keep keep, const BatchLimits& limits) {
    load_weights(c, model, *file);
    memory = carve_learning(c, model, *backend, limits, keep);
  }

  // After each change of A, B or m.
  void measure_dora() {
    measure_base({*backend}, model, memory.dora);
    refresh_gains({*backend}, model, memory.dora);
  }

  void assign(const std::vector<GoldenUtterance>& utterances) {
    std::vector<BatchItem> items;
    for (std::size_t i = 0; i < utterances.size(); ++i)
      items.push_back({i, utterances[i].frames, utterances[i].input, utterances[i].target});
    batch.assign(items);
    set_zero(memory.mel);
    for (std::size_t i = 0; i < utterances.size(); ++i)
      for (std::int64_t t = 0; t < utterances[i].frames; ++t)
        for (std::int64_t b = 0; b < utterances[i].bins; ++b)
          memory.mel.row<float>(batch.frames.spans[i].first + t)[b] =
              utterances[i].features[static_cast<std::size_t>(b * utterances[i].frames + t)];
  }
};

// What a start of adapters works in.
struct StartRun {
  StartRun(Whisper& model, const std::string& init) {
    Carver count = Carver::counting();
    carve_start(count, model, init);
    arena = std::make_unique<Arena>(count.bytes());
    Carver carver(*arena);
    memory = carve_start(carver, model, init);
    require(carver.bytes() == arena->bytes(), "what is handed out is what was counted");
  }
  std::unique_ptr<Arena> arena;
  StartMemory memory;
};

// Logits [T, V] of one utterance.
inline std::vector<float> logits_of(TinyRun& run, const GoldenUtterance& utterance) {
  run.assign({utterance});
  const Pass pass{*run.backend};
  encoder_forward(pass, run.model.encoder, run.batch, run.memory.mel.top(run.batch.frames.total), run.memory.encoder,
                  run.memory.scratch);
  const Mat states = run.memory.encoder.norm.y.top(run.batch.audio.total);
  decoder_forward(pass, run.model.decoder, run.batch, states, run.memory.decoder, run.memory.scratch);
  const Mat result = run.memory.decoder.norm.y.top(static_cast<std::int64_t>(utterance.input.size()));
  std::vector<float> logits(static_cast<std::size_t>(result.rows * run.model.config.vocab_size));
  run.backend->linear(result, run.model.decoder.embed_tokens.weight.weight, {},
                      Mat(logits.data(), result.rows, run.model.config.vocab_size));
  return logits;
}

inline std::int64_t target_tokens(const Batch& b) {
  return std::count_if(b.targets.begin(), b.targets.end(), [](int t) { return t >= 0; });
}

}  // namespace sori::test
