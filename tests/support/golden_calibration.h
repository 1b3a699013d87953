// The utterances of a golden file as samples to measure a model on.
#pragma once

#include "lighten/calibration.h"
#include "support/tiny_golden.h"

namespace sori::test {

inline const Path kTinyModel = golden("tiny_model.safetensors");

inline WhisperConfig golden_config() {
  const Path path = golden("tiny_config.json");
  return parse_config(read_json(path), path.string());
}

inline std::vector<GoldenUtterance> golden_utterances() {
  const SafetensorsFile f(golden("tiny_forward.safetensors"));
  std::vector<GoldenUtterance> all;
  for (int i = 0; i < 3; ++i) all.push_back(read_utterance(f, fmt::format("u{}.", i)));
  return all;
}

inline Calibration calibration_of(const std::vector<GoldenUtterance>& utterances) {
  return {utterances.size(), {1, 48, 20}, [&utterances](std::size_t i, Example& e) {
            const GoldenUtterance& u = utterances[i];
            e.sample = i, e.id = fmt::format("u{}", i), e.frames = u.frames, e.mel_bins = static_cast<int>(u.bins);
            e.input = u.input, e.target = u.target;
            e.mel.resize(u.features.size());
            for (std::int64_t t = 0; t < u.frames; ++t)
              for (std::int64_t b = 0; b < u.bins; ++b)
                e.mel[static_cast<std::size_t>(t * u.bins + b)] =
                    u.features[static_cast<std::size_t>(b * u.frames + t)];
          }};
}

// Target tokens of all of them.
inline std::int64_t tokens_of(const std::vector<GoldenUtterance>& utterances) {
  std::int64_t tokens = 0;
  for (const GoldenUtterance& u : utterances)
    tokens += std::count_if(u.target.begin(), u.target.end(), [](int t) { return t >= 0; });
  return tokens;
}

}  // namespace sori::test
