#include "cli/judge.h"

#include "base/unicode.h"
#include "model/dora.h"
#include "quant/file_format.h"
#include "text/languages.h"

namespace sori {

void JudgeOptions::describe(OptionTable& t) {
  t.path("model", model, "model folder in the Hugging Face layout (see sori import)")
      .required()
      .also("model-name-or-path");
  t.path("adapter", adapter, "adapter folder made by sori train or PEFT").also("peft-model");
  t.choice("base", base,
           "format of the frozen weights; model: as in the folder; auto: what the adapter was trained on; others are "
           "made once and kept",
           base_choices(kAutoBase));
  describe_decoding(t);
}

void JudgeOptions::describe_decoding(OptionTable& t) {
  t.choice(
      "compute", compute,
      "type of products; auto times f32 and bf16; int8_bf16: the encoder multiplies 8-bit codes, on a quantised base",
      compute_choices("auto"));
  t.choice("audio-context", audio_context,
           "how much silence the encoder reads after the sound: all that fills 30 s, or little; auto: as in training",
           audio_context_choices());
  t.integer(
       "window-seconds", window_seconds,
       "recordings that do not fit a window of 30 s are cut at pauses into pieces of at most so many; 0: as long as "
       "what the model was tuned on, if that is stated, else 30",
       0, 30)
      .also("chunk-length-s");
  t.integer("max-new-tokens", max_new_tokens, "longest text of a window, in tokens", 1, kMaxNewTokens)
      .also("generation-max-length");
  t.integer("num-beams", num_beams, "texts that are written side by side of each window, to keep the best; 1: greedy",
            1, 32)
      .also("beam-size");
  t.integer(
      "no-repeat-ngram-size", no_repeat_ngram_size,
      "so many tokens in a row are not written twice in a text, which ends repetition; 0: they may be; -1: as the "
      "model's generation_config.json says, if it does",
      -1, kMaxNewTokens);
  t.integer("batch", batch,
            "windows decoded side by side: speed and memory; the text only where two tokens are equal but for rounding",
            1, 256)
      .also("per-device-eval-batch-size");
}

void SplitOptions::describe(OptionTable& t) {
  t.text("split", split, "its split to score");
  t.integer("max-eval-samples", max_eval_samples, "score this many, evenly spaced; 0: all", 0, 1LL << 40);
}

Scored load_scored(const std::string& data, const SplitOptions& o) {
  Scored s;
  s.set = load_dataset(data, {o.split});
  s.utterances = evenly(s.set.split(o.split).utterances, o.max_eval_samples);
  if (s.utterances.empty())
    throw Error{ErrorKind::kInput, fmt::format("split {} has no utterance", o.split), data, "name another --split"};
  return s;
}

namespace {

std::optional<AdapterFolder> adapter_of(const JudgeOptions& o) {
  return o.adapter.empty() ? std::nullopt : std::optional(open_adapter(o.adapter));
}

ModelFolder model_of(const JudgeOptions& o, const std::optional<AdapterFolder>& adapter, Log& log) {
  ModelFolder model = open_model(o.model, o.base, log);
  if (o.base == kAutoBase) use_base_of(model, adapter, log);
  return model;
}

}  // namespace

Judge::Judge(const JudgeOptions& options, const Speech& data, Log& log)
    : options_(options), adapter_(adapter_of(options)), model_(model_of(options, adapter_, log)) {
  if (options.no_repeat_ngram_size >= 0)
    model_.rules.no_repeat_ngram_size = static_cast<int>(options.no_repeat_ngram_size);
  Speech asked{options.language, options.task};
  if (const auto code = language_code(options.language)) asked.language = *code;
  std::vector<std::pair<std::string, Speech>> words;
  words.emplace_back("options", asked);
  words.emplace_back("data set", data);
  words.emplace_back("model", speech_of(model_));
  if (adapter_) {
    words.emplace_back("adapter", Speech{adapter_->language, adapter_->task});
    if (!adapter_->base.empty() && adapter_->base != model_.base)
      log.line(fmt::format("the adapter was trained on a base in {}, this one is in {}: scores may differ (--base)",
                           adapter_->base, model_.base));
    add_lora(model_.model, adapter_->config);
  }
  speech_ = agree_on_speech(words);
  const std::vector<int> prompt = prompt_tokens(model_.tokenizer, speech_.language, speech_.task);
  RecognizerLimits limits =
      recognizer_limits(model_.model.config, options.batch, std::ssize(prompt), options.max_new_tokens);
  // Whisper itself was trained on full windows, and so is what other programs tune.
  const auto tuned = tuned_context(model_, adapter_ ? &*adapter_ : nullptr);
  const AudioContext trained = tuned.value_or(AudioContext::kFull);
  limits.context = choose_context(options.audio_context, tuned, AudioContext::kFull);
  limits.beams = options.num_beams;
  limits.piece_seconds = options.window_seconds > 0
                             ? static_cast<double>(options.window_seconds)
                             : tuned_window(model_, adapter_ ? &*adapter_ : nullptr).value_or(limits.piece_seconds);
  if (limits.context != trained)
    log.line(fmt::format("audio context {}; it was trained on {}: scores may differ (--audio-context)",
                         name_of(limits.context), name_of(trained)));
  compute_ = choose_compute(options.compute, model_.base, model_.model.config, log);
  backend_ = make_cpu_backend(compute_);
  DoraScratch dora;
  const auto carve = [&](Carver& c) {
    load_weights(c, model_.model, *model_.file);
    dora = carve_dora(c, model_.model, compute_.type);
    return carve_recognizer(c, model_.model, *backend_, limits);
  };
  Carver count = Carver::counting();
  carve(count);
  arena_ = std::make_unique<Arena>(count.bytes());
  Carver carver(*arena_);
  RecognizerMemory memory = carve(carver);
  if (adapter_) {
    load_adapter(model_.model, *adapter_->file);
    const Pass pass{.backend = *backend_};
    measure_base(pass, model_.model, dora);
    refresh_gains(pass, model_.model, dora);
  }
  recognizer_ =
      std::make_unique<Recognizer>(model_.model, *backend_, model_.tokenizer, prompt, model_.rules, std::move(memory));
}

Json Judge::record() const {
  return {{"model", printable(options_.model)},
          {"adapter", printable(options_.adapter)},
          {"base", model_.base},
          {"language", speech_.language},
          {"task", speech_.task},
          {"compute", name_of(compute_)},
          {"audio_context", name_of(recognizer_->limits().context)},
          {"window_seconds", recognizer_->limits().piece_seconds},
          {"num_beams", options_.num_beams},
          {"no_repeat_ngram_size", model_.rules.no_repeat_ngram_size},
          {"max_new_tokens", options_.max_new_tokens}};
}

}  // namespace sori
