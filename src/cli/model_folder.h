// A model folder and an adapter folder as the verbs use them.
#pragma once

#include <memory>
#include <optional>

#include "audio/context.h"
#include "base/log.h"
#include "decode/rules.h"
#include "export/quantise.h"
#include "formats/tensor_file.h"
#include "model/load.h"
#include "model/lora.h"
#include "text/prompt.h"

namespace sori {

struct ModelFolder {
  Path path;
  std::unique_ptr<TensorFile> file;  // mapped; must outlive the model
  Tokenizer tokenizer;
  DecodeRules rules;
  Json generation;   // generation_config.json; null when absent
  Whisper model;     // shapes only until load_weights()
  std::string base;  // what its linear layers are stored as: "bf16", "nf4"
};
// Error kInput when the folder is not in the Hugging Face layout; says how to import it.
ModelFolder open_model(const Path& folder);

// The same with its weights as --base asks for them: "model", as they lie in the folder, or a quantised format. An
// unquantised model is quantised once, into a folder of the cache that is named by the model's hash and the format;
// everything but the weights still comes from the model's own folder.
ModelFolder open_model(const Path& folder, const std::string& base, Log& log);
// Its two halves for whoever plans between them: the error, and the weights.
void check_base(const ModelFolder& model, const std::string& base);
void use_base(ModelFolder& model, const std::string& base, Log& log);
void use_base(ModelFolder& model, const Quantisation& how, Log& log);

struct AdapterFolder {
  LoraConfig config;
  std::unique_ptr<TensorFile> file;
  // Empty where another program wrote it; base: what it was trained on; base_formats: where a mixed one was made for
  // it.
  std::string language, task, audio_context, window_seconds, data_hash, base, base_formats, init_lora_weights;
};
AdapterFolder open_adapter(const Path& folder);

// How to make of the model what the adapter was trained on. Error kUsage where that cannot be known.
Quantisation base_of(const AdapterFolder& adapter, const ModelFolder& model);
// What --base auto is to those who do not train: the base that the adapter was trained on; without one, the folder's.
void use_base_of(ModelFolder& model, const std::optional<AdapterFolder>& adapter, Log& log);

// What is spoken and asked for: the adapter's word, else the model's, else the data's, else ko, transcribe. Two that
// differ are Error kUsage.
struct Speech {
  std::string language, task;
};
Speech agree_on_speech(const std::vector<std::pair<std::string, Speech>>& sources);
Speech speech_of(const ModelFolder& model);  // empty where the model was never tuned for one language

// What they were tuned on: the adapter's word, else the model's; nothing where neither was.
std::optional<AudioContext> tuned_context(const ModelFolder& model, const AdapterFolder* adapter);
// Longest window that they practised, in seconds; nothing where it is not stated. Error kInput where it is no length.
std::optional<double> tuned_window(const ModelFolder& model, const AdapterFolder* adapter);
// Resolves --audio-context: auto is what they were tuned on, else `otherwise`.
AudioContext choose_context(const std::string& asked, std::optional<AudioContext> tuned, AudioContext otherwise);

// Resolves --compute for a model and the format of its base: auto times one product of the model's shape and logs the
// choice.
Compute choose_compute(const std::string& asked, const std::string& base, const WhisperConfig& config, Log& log);
// Error kUsage where codes cannot be multiplied: of a base that has none, or on this CPU.
void require_int8_products(const std::string& base);

std::string model_hash(const ModelFolder& model);

}  // namespace sori
