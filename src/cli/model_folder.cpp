#include "cli/model_folder.h"

#include <charconv>

#include "base/unicode.h"
#include "cli/cache_folder.h"
#include "formats/pickle.h"
#include "formats/safetensors.h"
#include "model/adapter_config.h"
#include "model/model_hash.h"
#include "model/stored_weight.h"
#include "text/languages.h"

namespace sori {
namespace {

Json read_if_there(const Path& path) { return std::filesystem::exists(path) ? read_json(path) : Json(); }

// The weights of a folder of the cache. Everything in it is checked, for whoever can write there can damage it.
std::unique_ptr<TensorFile> open_cached(const Path& folder, const WhisperConfig& config, const Metadata& wanted) {
  auto file = open_safetensors_folder(folder);
  for (const auto& [key, value] : wanted) {
    const auto found = file->metadata().find(key);
    if (found == file->metadata().end() || found->second != value)
      throw Error{ErrorKind::kInput, fmt::format("is of another {} than {}", key, value), folder.string(), ""};
  }
  Whisper model = make_whisper(config);
  Carver count = Carver::counting();
  load_weights(count, model, *file);
  return file;
}

void require_disk(const Path& folder, std::uint64_t bytes) {
  make_folder(folder);
  if (const std::uint64_t free = free_disk_bytes(folder); free < bytes)
    throw Error{ErrorKind::kIo,
                fmt::format("needs {} for a quantised model, has {}", format_bytes(bytes), format_bytes(free)),
                folder.string(), "free some disk space, or name another folder with XDG_CACHE_HOME"};
}

std::unique_ptr<TensorFile> open_quantised(const ModelFolder& original, const Quantisation& how, Log& log) {
  const std::string name = how.base(), hash = model_hash(original);
  const Path cached = cache_folder() / fmt::format("{}-{}-{}", hash, name, how.embedding());
  const Metadata wanted{
      {"sori_format", kFolderVersion}, {"base", name}, {"embedding", how.embedding()}, {"source_sha256", hash}};
  const WhisperConfig& config = original.model.config;
  std::error_code code;
  if (std::filesystem::exists(cached, code)) {
    try {
      auto file = open_cached(cached, config, wanted);
      log.line(fmt::format("base {}: {}", name, cached.string()));
      return file;
    } catch (const Error& e) {
      log.line(fmt::format("base {} is made again: {}", name, e.what()));
      remove_tree(cached);
    }
  }
  require_disk(cached.parent_path(), quantised_bytes(original.path, how));
  QuantiseOptions options;
  options.overwrite = true;
  options.progress = [&](std::int64_t done, std::int64_t total) {
    log.progress("quantize: MiB", done >> 20, total >> 20);
  };
  const QuantiseReport made = quantise_model(original.path, cached, how, options);
  log.line(fmt::format("base {}: made {} in {}", name, format_bytes(made.bytes), cached.string()));
  if (!made.warning.empty()) log.line("warning: " + made.warning);
  return open_cached(cached, config, wanted);
}

}  // namespace

ModelFolder open_model(const Path& folder) {
  const Path config = folder / "config.json";
  std::error_code code;
  if (!std::filesystem::is_directory(folder, code))
    throw Error{ErrorKind::kIo, "is not a folder", folder.string(), "name a model folder made by sori import"};
  if (std::filesystem::exists(folder / "model.bin", code))
    throw Error{ErrorKind::kInput, "is a CTranslate2 model", folder.string(),
                fmt::format("run: sori import {} NEW_FOLDER", folder.string())};
  const WhisperConfig sizes = parse_config(read_json(config), config.string());
  auto file = open_safetensors_folder(folder);
  std::string base = base_of(*file, sizes);
  return {folder,
          std::move(file),
          Tokenizer::load(folder),
          read_rules(folder, sizes.vocab_size),
          read_if_there(folder / "generation_config.json"),
          make_whisper(sizes),
          std::move(base)};
}

ModelFolder open_model(const Path& folder, const std::string& base, Log& log) {
  ModelFolder model = open_model(folder);
  use_base(model, base, log);
  return model;
}

namespace {

void refuse_quantised(const ModelFolder& model, const std::string& base) {
  if (is_quantised(model.base))
    throw Error{ErrorKind::kUsage, fmt::format("is quantised as {} already, --base asks for {}", model.base, base),
                model.path.string(), "name the unquantised model it was made from"};
}

}  // namespace

void check_base(const ModelFolder& model, const std::string& base) {
  if (!is_quantised(base) || model.base == base) return;
  refuse_quantised(model, base);
  if (is_mixed(base))
    throw Error{ErrorKind::kUsage, "does not say which layers of a mixed base have which format", model.path.string(),
                "name the folder that sori quantize made"};
}

void use_base(ModelFolder& model, const std::string& base, Log& log) {
  check_base(model, base);
  if (const FileFormat* format = find_file_format(base)) use_base(model, quantisation_of(*format), log);
}

void use_base(ModelFolder& model, const Quantisation& how, Log& log) {
  const std::string base = how.base();
  if (model.base == base) return;
  refuse_quantised(model, base);
  model.file = open_quantised(model, how, log);
  model.base = base;
}

AdapterFolder open_adapter(const Path& folder) {
  const Path config = folder / "adapter_config.json";
  AdapterFolder a;
  a.config = parse_adapter_config(read_json(config), config.string());
  const Path weights = folder / "adapter_model.safetensors";
  std::error_code code;
  if (!std::filesystem::exists(weights, code)) refuse_pickles_in(folder);
  a.file = std::make_unique<SafetensorsFile>(weights);
  const auto word = [&](const char* key) {
    const auto found = a.file->metadata().find(key);
    return found == a.file->metadata().end() ? std::string() : found->second;
  };
  a.language = word("language");
  a.task = word("task");
  a.audio_context = word("audio_context");
  a.window_seconds = word("window_seconds");
  a.data_hash = word("data_hash");
  a.base = word("base");
  a.base_formats = word("base_formats");
  a.init_lora_weights = word("init_lora_weights");
  return a;
}

Quantisation base_of(const AdapterFolder& adapter, const ModelFolder& model) {
  if (const FileFormat* format = find_file_format(adapter.base)) return quantisation_of(*format);
  if (adapter.base_formats.empty()) check_base(model, adapter.base);
  const std::string where = adapter.file->where() + ": base_formats";
  Quantisation how = parse_quantisation(parse_json(adapter.base_formats, where), model.model.config, where);
  if (how.base() != adapter.base)
    throw Error{ErrorKind::kInput, fmt::format("are those of {}, not of {}", how.base(), adapter.base), where,
                "use another copy of the adapter; this one is damaged"};
  return how;
}

void use_base_of(ModelFolder& model, const std::optional<AdapterFolder>& adapter, Log& log) {
  if (adapter && is_quantised(adapter->base) && adapter->base != model.base)
    use_base(model, base_of(*adapter, model), log);
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

namespace {

// The adapter's word, else the model's; empty where neither has one.
std::string tuned_word(const ModelFolder& model, const std::string& of_adapter, const char* key) {
  if (!of_adapter.empty() || !model.generation.is_object()) return of_adapter;
  return json_get_or<std::string>(model.generation, key, "", (model.path / "generation_config.json").string());
}

}  // namespace

std::optional<AudioContext> tuned_context(const ModelFolder& model, const AdapterFolder* adapter) {
  const std::string word = tuned_word(model, adapter ? adapter->audio_context : "", "audio_context");
  if (word.empty()) return std::nullopt;
  return parse_audio_context(word);
}

std::optional<double> tuned_window(const ModelFolder& model, const AdapterFolder* adapter) {
  const std::string word = tuned_word(model, adapter ? adapter->window_seconds : "", "window_seconds");
  if (word.empty()) return std::nullopt;
  double seconds = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), seconds);
  if (error != std::errc() || end != word.data() + word.size() || !(seconds >= 1 && seconds <= 30))
    throw Error{ErrorKind::kInput,
                fmt::format("window_seconds \"{}\" is no length of 1 to 30 seconds", printable(word)),
                model.path.string(), "remove that key from the adapter's metadata or from generation_config.json"};
  return seconds;
}

AudioContext choose_context(const std::string& asked, std::optional<AudioContext> tuned, AudioContext otherwise) {
  return asked == kAutoContext ? tuned.value_or(otherwise) : parse_audio_context(asked);
}

Compute choose_compute(const std::string& asked, const std::string& base, const WhisperConfig& config, Log& log) {
  if (const auto compute = find_compute(asked)) {
    if (compute->int8) require_int8_products(base);
    return *compute;
  }
  const DType type = bf16_is_faster(config.max_source_positions, config.d_model) ? DType::kBF16 : DType::kF32;
  log.line(
      fmt::format("products in {} (the faster of f32 and bf16 here; --compute chooses{})", name_of(type),
                  is_quantised(base) && has_int8_products() ? ", int8_bf16 may be faster still on this base" : ""));
  return type;
}

void require_int8_products(const std::string& base) {
  const std::string option = fmt::format("--compute {}", name_of(kInt8Compute));
  if (!is_quantised(base))
    throw Error{ErrorKind::kUsage, fmt::format("multiplies the codes of a quantised base, and this one is {}", base),
                option, "add --base int8 or --base nf4, or use --compute bf16"};
  if (!has_int8_products())
    throw Error{ErrorKind::kUsage, "this CPU has no products of 8-bit codes (AVX-512 VNNI)", option,
                "use --compute bf16"};
}

std::string model_hash(const ModelFolder& m) { return model_hash(m.model.config, *m.file); }

}  // namespace sori
