#include "cli/model_folder.h"

#include "formats/safetensors.h"
#include "model/adapter_config.h"
#include "model/model_hash.h"
#include "quant/file_format.h"
#include "text/languages.h"

namespace sori {
namespace {

Json read_if_there(const Path& path) { return std::filesystem::exists(path) ? read_json(path) : Json(); }

}  // namespace

std::vector<std::string> base_formats() {
  std::vector<std::string> names;
  for (const FileFormat* f : file_formats()) names.emplace_back(f->name());
  return names;
}

ModelFolder open_model(const Path& folder) {
  const Path config = folder / "config.json";
  std::error_code code;
  if (!std::filesystem::is_directory(folder, code))
    throw Error{ErrorKind::kIo, "is not a folder", folder.string(), "name a model folder made by sori import"};
  if (std::filesystem::exists(folder / "model.bin", code))
    throw Error{ErrorKind::kInput, "is a CTranslate2 model", folder.string(),
                fmt::format("run: sori import {} NEW_FOLDER", folder.string())};
  return {folder,
          open_safetensors_folder(folder),
          Tokenizer::load(folder),
          read_rules(folder, parse_config(read_json(config), config.string()).vocab_size),
          read_if_there(folder / "generation_config.json"),
          make_whisper(parse_config(read_json(config), config.string()))};
}

AdapterFolder open_adapter(const Path& folder) {
  const Path config = folder / "adapter_config.json";
  AdapterFolder a;
  a.config = parse_adapter_config(read_json(config), config.string());
  a.file = std::make_unique<SafetensorsFile>(folder / "adapter_model.safetensors");
  const auto word = [&](const char* key) {
    const auto found = a.file->metadata().find(key);
    return found == a.file->metadata().end() ? std::string() : found->second;
  };
  a.language = word("language");
  a.task = word("task");
  a.data_hash = word("data_hash");
  return a;
}

Speech speech_of(const ModelFolder& m) {
  if (!m.generation.is_object()) return {};
  const std::string where = (m.path / "generation_config.json").string();
  Speech s{json_get_or<std::string>(m.generation, "language", "", where),
           json_get_or<std::string>(m.generation, "task", "", where)};
  if (const auto code = language_code(s.language))
    s.language = *code;
  else
    s.language.clear();  // "<|ko|>" and the like: not ours
  if (s.language.empty()) s.task.clear();
  return s;
}

Speech agree_on_speech(const std::vector<std::pair<std::string, Speech>>& sources) {
  Speech agreed;
  std::string from_language, from_task;
  const auto take = [](std::string& agreed_word, std::string& from, const std::string& word, const std::string& source,
                       const char* what) {
    if (word.empty()) return;
    if (agreed_word.empty())
      agreed_word = word, from = source;
    else if (agreed_word != word)
      throw Error{ErrorKind::kUsage,
                  fmt::format("{} is {} in the {}, and {} in the {}", what, agreed_word, from, word, source), "",
                  "use a model, adapter and data of one language and task"};
  };
  for (const auto& [source, speech] : sources) {
    take(agreed.language, from_language, speech.language, source, "language");
    take(agreed.task, from_task, speech.task, source, "task");
  }
  if (agreed.language.empty()) agreed.language = "ko";
  if (agreed.task.empty()) agreed.task = "transcribe";
  return agreed;
}

DType choose_compute(const std::string& asked, const WhisperConfig& config, Log& log) {
  DType type = asked == "bf16" ? DType::kBF16 : DType::kF32;
  if (asked == "auto") {
    type = bf16_is_faster(config.max_source_positions, config.d_model) ? DType::kBF16 : DType::kF32;
    log.line(fmt::format("products in {} (the faster of f32 and bf16 here; --compute chooses)", name_of(type)));
  }
  return type;
}

std::string model_hash(const ModelFolder& m) { return model_hash(m.model.config, *m.file); }

}  // namespace sori
