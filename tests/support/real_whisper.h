// The published Whisper base in a Hugging Face folder, named by the environment variable SORI_TEST_MODEL, ready to
// recognise.
#pragma once

#include <cstdlib>
#include <memory>
#include <optional>

#include "decode/recognizer.h"
#include "formats/safetensors.h"
#include "model/load.h"
#include "text/prompt.h"

namespace sori::test {

inline std::optional<Path> real_model_folder() {
  const char* folder = std::getenv("SORI_TEST_MODEL");
  return folder && *folder ? std::optional<Path>(folder) : std::nullopt;
}
inline constexpr const char* kNoRealModel =
    "SORI_TEST_MODEL is not set: name a folder with the real Whisper base in Hugging Face's layout";

struct RealWhisper {
  explicit RealWhisper(const Path& folder, std::unique_ptr<Backend> be, std::int64_t batch, std::int64_t new_tokens,
                       const std::function<void(RecognizerLimits&)>& change = {},
                       const std::optional<DecodeRules>& rules = {})
      : file(open_safetensors_folder(folder)),
        tokenizer(Tokenizer::load(folder)),
        model(make_whisper(parse_config(read_json(folder / "config.json"), folder.string()))),
        backend(std::move(be)) {
    RecognizerLimits limits = recognizer_limits(model.config, batch, 4, new_tokens);
    if (change) change(limits);
    const auto carve = [&](Carver& c) {
      load_weights(c, model, *file);
      return carve_recognizer(c, model, *backend, limits);
    };
    Carver count = Carver::counting();
    carve(count);
    arena = std::make_unique<Arena>(count.bytes());
    Carver carver(*arena);
    RecognizerMemory memory = carve(carver);
    recognizer =
        std::make_unique<Recognizer>(model, *backend, tokenizer, prompt_tokens(tokenizer, "ko", "transcribe"),
                                     rules.value_or(read_rules(folder, model.config.vocab_size)), std::move(memory));
  }

  std::unique_ptr<TensorFile> file;
  Tokenizer tokenizer;
  Whisper model;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Arena> arena;
  std::unique_ptr<Recognizer> recognizer;
};

}  // namespace sori::test
