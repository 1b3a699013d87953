// A recognizer around a small random Whisper, with exactly the memory it planned.
#pragma once

#include "decode/recognizer.h"
#include "support/tiny_tokenizer.h"
#include "support/tiny_whisper.h"
#include "text/prompt.h"

namespace sori::test {

class TinyRecognizer {
 public:
  TinyRecognizer(TinyWhisper& tiny, std::int64_t batch, std::int64_t new_tokens, DecodeRules rules = {},
                 std::unique_ptr<Backend> be = make_reference_backend(DType::kF32),
                 const std::function<void(RecognizerLimits&)>& change = {})
      : backend(std::move(be)) {
    RecognizerLimits limits = recognizer_limits(tiny.model.config, batch, std::ssize(prompt), new_tokens);
    if (change) change(limits);
    Carver count = Carver::counting();
    carve_recognizer(count, tiny.model, *backend, limits);
    arena_ = std::make_unique<Arena>(count.bytes());
    std::memset(arena_->data(), 0xFF, arena_->bytes());  // NaN: nothing may be read before it was written
    Carver carver(*arena_);
    recognizer = std::make_unique<Recognizer>(tiny.model, *backend, tokenizer, prompt, std::move(rules),
                                              carve_recognizer(carver, tiny.model, *backend, limits));
  }

  std::vector<Decoded> operator()(const std::vector<std::vector<float>>& windows) {
    std::vector<std::span<const float>> spans(windows.begin(), windows.end());
    return recognizer->recognise(spans);
  }

  std::unique_ptr<Backend> backend;
  Tokenizer tokenizer = tiny_tokenizer();
  std::vector<int> prompt = prompt_tokens(tokenizer, "ko", "transcribe");
  std::unique_ptr<Recognizer> recognizer;

 private:
  std::unique_ptr<Arena> arena_;
};

// Noise of n samples.
inline std::vector<float> noise(std::uint64_t sample, std::size_t n) {
  const Rng rng(17, Draw::kNoise, 0, sample);
  std::vector<float> out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<float>(0.1 * rng.normal(i));
  return out;
}

}  // namespace sori::test
