// sori inspect: what is in a data set, model or adapter; samples token by token, decoder input beside target.
#include "cli/cli.h"
#include "cli/model_folder.h"
#include "data/dataset.h"
#include "model/stored_weight.h"

namespace sori {
namespace {

struct Options {
  std::string path, model, split;
  std::int64_t samples = 2;
  bool loss_on_prompt = false;

  void describe(OptionTable& t) {
    t.argument("PATH", path, "data set, model folder or adapter folder");
    t.path("model", model, "model folder: shows samples of a data set as its tokens");
    t.text("split", split, "split to show; without it train, or the first where there is none");
    t.integer("samples", samples, "utterances to show", 0, 1000);
    t.flag("loss-on-prompt", loss_on_prompt, "as in sori train");
  }
};

std::string token_table(const Tokenizer& tokenizer, const Labels& labels) {
  std::string text = fmt::format("  {:>3}  {:>6} {:<20}  {:>6} {}\n", "", "input", "", "target", "");
  for (std::size_t i = 0; i < labels.input.size(); ++i) {
    const int target = labels.target[i];
    text += fmt::format("  {:>3}  {:>6} {:<20}  {:>6} {}\n", i, labels.input[i], tokenizer.token_text(labels.input[i]),
                        target == kNoLoss ? "-" : std::to_string(target),
                        target == kNoLoss ? "(no loss)" : tokenizer.token_text(target));
  }
  return text;
}

std::string show_dataset(const Options& o, Json& result) {
  const Dataset all = load_dataset(o.path);
  result = all.info;
  std::string text = fmt::format("data set: language {}, task {}, text {}, SHA-256 {}\n", all.language, all.task,
                                 all.text_mode, all.hash);
  for (const Split& s : all.splits)
    text += fmt::format("  {:<12} {:>8} utterances {:>9.2f} h\n", s.name, s.utterances.size(), s.seconds() / 3600);
  if (all.splits.empty() || o.samples == 0) return text;
  const Split& split =
      o.split.empty() && !all.has("train") ? all.splits.front() : all.split(o.split.empty() ? "train" : o.split);
  std::optional<ModelFolder> model;
  if (!o.model.empty()) model = open_model(o.model);
  for (const Utterance& u : evenly(split.utterances, o.samples)) {
    text += fmt::format("\n{} {}  {:.2f} s  {}\n  raw   {}\n  text  {}\n", split.name, u.id, u.duration,
                        fmt::join(u.flags, " "), u.raw_text, u.text);
    if (model)
      text += token_table(model->tokenizer,
                          make_labels(model->tokenizer, prompt_tokens(model->tokenizer, all.language, all.task), u.text,
                                      o.loss_on_prompt));
  }
  return text;
}

// "model.encoder.layers.0.self_attn.q_proj" of each layer that the adapter changes, in the order of their names.
std::vector<std::string> modules_of(const TensorFile& adapter) {
  constexpr std::string_view kEnd = ".lora_A.weight";
  const std::size_t prefix = peft_name("").size();
  std::vector<std::string> modules;
  for (const TensorView& t : adapter.tensors())
    if (t.name.ends_with(kEnd) && t.name.size() > prefix + kEnd.size())
      modules.push_back(t.name.substr(prefix, t.name.size() - prefix - kEnd.size()));
  std::ranges::sort(modules);
  return modules;
}

// "fc1 4, q_proj 6": by the suffixes that PEFT's target_modules would have.
std::string by_suffix(const std::vector<std::string>& modules) {
  std::map<std::string, int> counts;
  for (const std::string& module : modules) ++counts[module.substr(module.rfind('.') + 1)];
  std::string text;
  for (const auto& [suffix, count] : counts) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", suffix, count);
  return text;
}

std::string stated(const std::string& word) { return word.empty() ? "not stated" : word; }

std::string show_adapter(const Options& o, Json& result) {
  const AdapterFolder a = open_adapter(o.path);
  std::int64_t numbers = 0;
  for (const TensorView& t : a.file->tensors()) numbers += element_count(t.shape);
  const std::vector<std::string> modules = modules_of(*a.file);
  result = {{"rank", a.config.rank},
            {"alpha", a.config.alpha},
            {"use_rslora", a.config.rslora},
            {"use_dora", a.config.dora},
            {"init_lora_weights", a.init_lora_weights},
            {"target_modules", a.config.target_modules},
            {"modules", modules},
            {"parameters", numbers},
            {"language", a.language},
            {"task", a.task},
            {"data_hash", a.data_hash},
            {"base", a.base},
            {"audio_context", a.audio_context}};
  const bool carries_start = LoraConfig{.init = a.init_lora_weights}.carries_start();
  return fmt::format(
      "{} adapter: rank {}, alpha {}, scaled by {:.4g} = alpha / {}\nstart (init_lora_weights): {}{}\non {} layers: "
      "{}\n{} tensors, {:.2f} M parameters\nlanguage {}, task {}, audio context {}, data {}, base {}\n",
      a.config.dora ? "DoRA" : "LoRA", a.config.rank, a.config.alpha, a.config.scale(),
      a.config.rslora ? "sqrt(rank), rsLoRA" : "rank", stated(a.init_lora_weights),
      carries_start ? ", which the second half of the rank takes back" : "", modules.size(), by_suffix(modules),
      a.file->tensors().size(), static_cast<double>(numbers) / 1e6, stated(a.language), stated(a.task),
      stated(a.audio_context), stated(a.data_hash), stated(a.base));
}

std::string show_model(const Options& o, Json& result) {
  ModelFolder m = open_model(o.path);
  const WhisperConfig& c = m.model.config;
  std::map<std::string, std::pair<int, std::uint64_t>> types;
  std::int64_t numbers = 0;
  for (const NamedShape& t : tensor_list(c)) {
    const StoredWeight stored = find_weight(*m.file, t);
    auto& [count, bytes] = types[std::string(stored.format ? stored.format->name() : name_of(stored.parts[0].type))];
    ++count, bytes += stored.bytes(), numbers += element_count(t.shape);
  }
  std::string text = fmt::format(
      "Whisper: {:.1f} M parameters, width {}, {} + {} layers, {} + {} heads\n{} mel bins, {} audio states, {} text "
      "positions, vocabulary {} (tokenizer {})\n",
      static_cast<double>(numbers) / 1e6, c.d_model, c.encoder_layers, c.decoder_layers, c.encoder_heads,
      c.decoder_heads, c.mel_bins, c.max_source_positions, c.max_target_positions, c.vocab_size, m.tokenizer.size());
  for (const auto& [type, n] : types)
    text += fmt::format("  {:<5} {:>5} tensors {:>10}\n", type, n.first, format_bytes(n.second));
  text += fmt::format("base {}\n", m.base);
  const Speech s = speech_of(m);
  const auto context = tuned_context(m, nullptr);
  text += s.language.empty() ? "tuned for no single language\n"
                             : fmt::format("language {}, task {}, audio context {}\n", s.language, s.task,
                                           context ? name_of(*context) : "not stated");
  result = {{"parameters", numbers},
            {"d_model", c.d_model},
            {"encoder_layers", c.encoder_layers},
            {"decoder_layers", c.decoder_layers},
            {"mel_bins", c.mel_bins},
            {"vocab_size", c.vocab_size},
            {"base", m.base},
            {"language", s.language},
            {"task", s.task},
            {"audio_context", context ? name_of(*context) : ""}};
  for (const auto& [type, n] : types) result["types"][type] = {{"tensors", n.first}, {"bytes", n.second}};
  return text;
}

}  // namespace

int run_inspect(const Verb& verb, const std::vector<std::string>& words, Log&) {
  Options o;
  std::string json_path;
  if (!parse_verb(verb, words, o, json_path)) return 0;
  Json result;
  const Path path = o.path;
  std::error_code code;
  const auto has = [&](const char* name) { return std::filesystem::exists(path / name, code); };
  std::string text;
  if (has("dataset.json"))
    text = show_dataset(o, result);
  else if (has("adapter_config.json"))
    text = show_adapter(o, result);
  else if (has("config.json"))
    text = show_model(o, result);
  else
    throw Error{ErrorKind::kInput, "is no data set, model or adapter", o.path,
                "name a folder made by sori prepare, import or train"};
  print_result(text);
  write_json(json_path, result);
  return 0;
}

}  // namespace sori
