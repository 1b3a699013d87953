#include "export/side_files.h"

#include <set>

#include "base/error.h"

namespace sori {
namespace {

constexpr const char* kEnd = "<|endoftext|>";

std::vector<int> ids_of(const Json& lists, const char* key, int vocab_size, const std::string& where) {
  const auto ids = json_get_or<std::vector<std::int64_t>>(lists, key, {}, where);
  for (const std::int64_t id : ids)
    if (id < 0 || id >= vocab_size)
      throw Error{ErrorKind::kInput, fmt::format("\"{}\" names token {}, which the model does not have", key, id),
                  where, "check that the files belong to one model"};
  return {ids.begin(), ids.end()};
}

void check_alignment_heads(const Json& lists, const WhisperConfig& config, const std::string& where) {
  using Pairs = std::vector<std::pair<std::int64_t, std::int64_t>>;
  for (const auto& [layer, head] : json_get_or<Pairs>(lists, "alignment_heads", {}, where))
    if (layer < 0 || layer >= config.decoder_layers || head < 0 || head >= config.decoder_heads)
      throw Error{ErrorKind::kInput, "\"alignment_heads\" names a head that the model does not have", where,
                  "check that the files belong to one model"};
}

Json tokenizer_config() {
  Json json = {
      {"add_prefix_space", false}, {"clean_up_tokenization_spaces", false}, {"errors", "replace"},
      {"model_max_length", 448},   {"processor_class", "WhisperProcessor"}, {"tokenizer_class", "WhisperTokenizer"}};
  for (const char* role : {"bos_token", "eos_token", "pad_token", "unk_token"}) json[role] = kEnd;
  return json;
}

Json special_tokens_map(const TokenTable& tokens) {
  Json json = Json::object();
  for (const char* role : {"bos_token", "eos_token", "pad_token", "unk_token"}) json[role] = kEnd;
  json["additional_special_tokens"] = tokens.special_tokens();
  return json;
}

Json processor_config(int mel_bins) {
  Json extractor = preprocessor_config(mel_bins);
  extractor.erase("processor_class");
  return {{"feature_extractor", extractor}, {"processor_class", "WhisperProcessor"}};
}

void check_mel_bins(const Path& file, int mel_bins) {
  const int features = json_get<int>(read_json(file), "feature_size", file.string());
  if (features != mel_bins)
    throw Error{ErrorKind::kInput, fmt::format("has a feature_size of {}, the model needs {}", features, mel_bins),
                file.string(), "check that the files belong to one model"};
}

}  // namespace

Json preprocessor_config(int mel_bins) {
  return {{"chunk_length", 30},
          {"dither", 0.0},
          {"feature_extractor_type", "WhisperFeatureExtractor"},
          {"feature_size", mel_bins},
          {"hop_length", 160},
          {"n_fft", 400},
          {"n_samples", 480000},
          {"nb_max_frames", 3000},
          {"padding_side", "right"},
          {"padding_value", 0.0},
          {"processor_class", "WhisperProcessor"},
          {"return_attention_mask", false},
          {"sampling_rate", 16000}};
}

Json generation_config(const WhisperConfig& config, const TokenTable& tokens, const Json& lists) {
  const std::string& where = tokens.where();
  const SpecialIds ids = tokens.special_ids();
  const auto languages = tokens.languages();
  constexpr int kEnglishVocabulary = 51864;  // the English-only models name languages too, but know none

  Json json = Json::object();
  if (lists.contains("alignment_heads")) {
    check_alignment_heads(lists, config, where);
    json["alignment_heads"] = lists["alignment_heads"];
  }
  std::vector<int> at_begin = ids_of(lists, "begin_suppress_tokens", config.vocab_size, where);
  if (at_begin.empty())
    at_begin = {tokens.get("\xC4\xA0"), ids.eos};  // a blank, as byte-level BPE spells it, and the end
  json["begin_suppress_tokens"] = at_begin;
  json["bos_token_id"] = ids.bos;
  json["decoder_start_token_id"] = ids.decoder_start;
  json["eos_token_id"] = ids.eos;
  json["is_multilingual"] = config.vocab_size != kEnglishVocabulary;
  if (config.vocab_size != kEnglishVocabulary) {
    std::set<int> named, stated;
    for (const auto& [name, id] : languages) named.insert(id);
    for (const int id : ids_of(lists, "lang_ids", config.vocab_size, where)) stated.insert(id);
    if (!stated.empty() && stated != named)
      throw Error{ErrorKind::kInput, "names other languages than the model", where,
                  "copy tokenizer.json from the original model"};
    json["lang_to_id"] = languages;
    json["task_to_id"] = {{"transcribe", tokens.get("<|transcribe|>")}, {"translate", tokens.get("<|translate|>")}};
  }
  json["max_initial_timestamp_index"] = 50;  // the first timestamp is at most 1 s, in steps of 0.02 s
  json["max_length"] = config.max_target_positions;
  json["no_timestamps_token_id"] = tokens.get("<|notimestamps|>");
  json["pad_token_id"] = ids.pad;
  json["prev_sot_token_id"] = tokens.get("<|startofprev|>");
  json["return_timestamps"] = false;
  if (const auto ids_suppressed = ids_of(lists, "suppress_tokens", config.vocab_size, where); !ids_suppressed.empty())
    json["suppress_tokens"] = ids_suppressed;
  return json;
}

std::vector<SideFile> side_files(const Path& source, const WhisperConfig& config, DType dtype, const Json& lists,
                                 Copied copied) {
  const TokenTable tokens(source / "tokenizer.json");
  if (tokens.largest_id() >= config.vocab_size)
    throw Error{ErrorKind::kInput,
                fmt::format("has token {}, but the model only {} tokens", tokens.largest_id(), config.vocab_size),
                tokens.where(), "copy tokenizer.json from the original model"};
  std::error_code code;
  if (copied >= Copied::kTokenizerAndAudio && std::filesystem::exists(source / "preprocessor_config.json", code))
    check_mel_bins(source / "preprocessor_config.json", config.mel_bins);

  struct File {
    const char* name;
    std::function<std::string()> derive;  // empty: only if the source has it
    Copied since = Copied::kTokenizer;    // copied when at least this much is
  };
  const File files[] = {
      {"config.json", [&] { return to_text(to_json(config, dtype, tokens.special_ids())); }, Copied::kAll},
      {"generation_config.json", [&] { return to_text(generation_config(config, tokens, lists)); }, Copied::kAll},
      {"preprocessor_config.json", [&] { return to_text(preprocessor_config(config.mel_bins)); },
       Copied::kTokenizerAndAudio},
      {"processor_config.json", [&] { return to_text(processor_config(config.mel_bins)); }, Copied::kTokenizerAndAudio},
      {"tokenizer.json", {}},
      {"tokenizer_config.json", [&] { return to_text(tokenizer_config()); }},
      {"special_tokens_map.json", [&] { return to_text(special_tokens_map(tokens)); }},
      {"vocab.json", [&] { return tokens.vocab_json(); }},
      {"merges.txt", [&] { return tokens.merges_txt(); }},
      {"added_tokens.json", [&] { return to_text(tokens.added_tokens()); }},
      {"normalizer.json", {}},
      {"pruning.json", {}, Copied::kAll}};
  std::vector<SideFile> made;
  for (const File& file : files) {
    if (copied >= file.since && std::filesystem::exists(source / file.name, code))
      made.push_back({file.name, read_file(source / file.name), true});
    else if (file.derive)
      made.push_back({file.name, file.derive(), false});
  }
  return made;
}

SideFiles write_side_files(const Path& source, const Path& target, const WhisperConfig& config, DType dtype,
                           const Json& lists, Copied copied) {
  SideFiles done;
  for (const SideFile& file : side_files(source, config, dtype, lists, copied)) {
    write_file(target / file.name, file.content);
    (file.copied ? done.copied : done.derived).push_back(file.name);
  }
  return done;
}

void adjust_configs(const Path& folder, const std::optional<DType>& type, const Metadata& metadata) {
  Json config = read_json(folder / "config.json");
  const bool quantised = config.erase("quantization_config") > 0;
  if (type)
    for (const char* key : {"dtype", "torch_dtype"}) config[key] = config_name_of(*type);
  if (type || quantised) write_file(folder / "config.json", to_text(config));
  Json generation = read_json(folder / "generation_config.json");
  bool changed = false;
  for (const char* key : {"language", "task", "audio_context", "window_seconds"})
    if (const auto stated = metadata.find(key); stated != metadata.end()) {
      generation[key] = stated->second;
      changed = true;
    }
  if (changed) write_file(folder / "generation_config.json", to_text(generation));
}

}  // namespace sori
