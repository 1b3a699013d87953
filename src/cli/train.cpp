// sori train: opens model and data, plans memory, wires trainer, evaluation and files.
#include "train/trainer.h"

#include "base/process_memory.h"
#include "base/unicode.h"
#include "cli/cli.h"
#include "cli/layer_formats.h"
#include "cli/run_folder.h"
#include "cli/step_costs.h"
#include "cli/stop.h"
#include "data/dataset.h"
#include "eval/evaluate.h"
#include "export/side_files.h"
#include "formats/safetensors.h"
#include "model/layer_pages.h"
#include "train/checkpoint.h"

namespace sori {
namespace {

struct Data {
  std::string hash;
  Speech speech;
  std::vector<Path> sources;  // folders of the recordings
  std::vector<Utterance> train, dev;
  std::vector<std::string> dropped;  // ids with labels that do not fit
};

Data open_data(const TrainOptions& o) {
  const Dataset set = load_dataset(o.data, {"train", "dev"});
  Data d;
  d.hash = set.hash;
  d.speech = {set.language, set.task};
  d.sources = find_sources(set.info, set.folder);
  d.train = set.split("train").utterances;
  if (set.has("dev")) d.dev = evenly(set.split("dev").utterances, o.max_eval_samples);
  return d;
}

// Options that may change between start and resume, because they do not change what is learnt.
RunIdentity identity_of(TrainOptions o, const Data& data, const ModelFolder& model, Compute compute,
                        AudioContext context, bool keeps_states, std::int64_t micro_batch) {
  o.audio_context = name_of(context);
  o.encoder_cache = keeps_states ? "on" : "off";  // sums are rounded in another order
  OptionTable table;
  o.describe(table);
  RunIdentity id;
  id.options = table.record();
  for (const char* free : {"model", "base", "data", "output-dir", "compute", "max-eval-samples", "eval-steps",
                           "save-steps", "save-total-limit", "logging-steps", "max-new-tokens", "resume",
                           "overwrite-output-dir", "gradient-checkpointing", "ram"})
    id.options.erase(free);
  id.options["optim"] = o.moments() == DType::kU8 ? "adamw_8bit" : "adamw";  // whatever name it was asked by
  id.options["micro-batch"] = micro_batch;                                   // sums are rounded in its order
  id.data = data.hash;
  id.model = model_hash(model);
  id.compute = name_of(compute);
  return id;
}

TrainPlan plan_of(const TrainOptions& o, std::size_t utterances, const RunChoice& choice) {
  TrainPlan p;
  p.batch = choice.batch;
  p.accumulation = choice.accumulation;
  p.seed = static_cast<std::uint64_t>(o.seed);
  p.max_steps = o.steps(utterances);
  const double warmup =
      o.warmup_steps < 1 ? std::ceil(o.warmup_steps * static_cast<double>(p.max_steps)) : o.warmup_steps;
  p.schedule = {o.lr_scheduler_type, o.peak_rate(), static_cast<std::int64_t>(warmup), p.max_steps};
  p.adamw = {.beta1 = o.adam_beta1, .beta2 = o.adam_beta2, .epsilon = o.adam_epsilon, .weight_decay = o.weight_decay};
  p.max_grad_norm = o.max_grad_norm;
  p.loraplus_lr_ratio = o.loraplus_lr_ratio;
  p.fused_step = o.fused_step;
  p.label_smoothing = static_cast<float>(o.label_smoothing_factor);
  return p;
}

// The length that 19 of 20 utterances keep to: what recordings are cut into that do not fit a window (WindowLength). A
// shorter piece than 5 s leaves few pauses to cut in.
std::string practised_seconds(const std::vector<Utterance>& utterances) {
  std::vector<double> seconds;
  for (const Utterance& u : utterances) seconds.push_back(u.duration);
  const auto place = seconds.begin() + 19 * (std::ssize(seconds) - 1) / 20;
  std::ranges::nth_element(seconds, place);
  return fmt::format("{:.2f}", std::clamp(*place, 5.0, 30.0));
}

std::string readme(const TrainOptions& o, const Data& data, const Json& result) {
  double seconds = 0;
  for (const Utterance& u : data.train) seconds += u.duration;
  std::string text = fmt::format(
      "---\nbase_model: {}\nlibrary_name: {}\n---\n# {} of Whisper\n\nMade by sori {}. Language {}, task {}.\n\n"
      "| | |\n|---|---|\n| data | SHA-256 {} |\n| hours | {:.2f} |\n| steps | {} |\n",
      printable(o.model), o.method == "lora" ? "peft" : "transformers",
      o.method == "lora" ? "LoRA adapter" : "Full fine-tuning", SORI_VERSION, data.speech.language, data.speech.task,
      data.hash, seconds / 3600, result.at("steps").get<std::int64_t>());
  if (result.contains("eval"))
    text += fmt::format("| CER on dev | {:.2f} % |\n", 100 * result.at("eval").at("cer").at("rate").get<double>());
  return text;
}

class Run {
 public:
  Run(const TrainOptions& o, Log& log) : o_(o), log_(log), model_(open_model(o.model)), data_(open_data(o)) {}

  Json go() {
    agree();
    std::vector<Path> needed = data_.sources;
    needed.insert(needed.end(), {o_.model, o_.data, o_.init_adapter});
    RunFolder folder(o_, needed);
    context_ = choose_context(o_.audio_context, tuned_context(model_, initial_ ? &*initial_ : nullptr), kLearntContext);
    choose_what_learns();
    const std::string base = asked_base();
    const Compute compute =
        choose_compute(asked_compute(), base == "model" ? model_.base : base, model_.model.config, log_);
    const ExampleMaker maker(model_.tokenizer, example_options());
    choose_utterances(maker);
    const std::vector<int> prompt = prompt_tokens(model_.tokenizer, speech_.language, speech_.task);
    const BaseChoice base_choice = choose(compute, maker, std::ssize(prompt));
    const RunChoice& choice = base_choice.best();
    // Not before it is known to fit: this may take minutes and gigabytes.
    if (base_choice.how) use_base(model_, *base_choice.how, log_);
    report_what_learns();
    const bool cached = keep_states(compute, maker);
    const RunIdentity identity = identity_of(o_, data_, model_, compute, context_, cached, choice.batch);
    TrainPlan plan = plan_of(o_, data_.train.size(), choice);
    plan_ = choice.memory;
    const LayerPages pages(model_.model, *model_.file);
    if (choice.limits.drop_layers) plan.drop = &pages;

    const auto learn = make_cpu_backend(compute), judge = make_cpu_backend(compute);
    const auto carve = [&](Carver& c) {
      load_weights(c, model_.model, *model_.file);
      return carve_run(c, model_.model, *learn, *judge, choice.limits);
    };
    Carver count = Carver::counting();
    carve(count);
    give_back_free_heap();  // what reading tokenizers and quantising left
    Arena arena(count.bytes());
    Carver carver(arena);
    RunMemory memory = carve(carver);
    require(carver.bytes() == arena.bytes(), "what is handed out is what was planned");
    set_zero(memory.optimizer);
    const Pass pass{.backend = *learn, .drop = plan.drop};
    measure_base(pass, model_.model, memory.learning.dora);
    if (!goes_on()) start_adapters(memory.start, plan.drop);
    if (!goes_on() && !initial_) start_magnitudes(pass, model_.model, memory.learning.dora);
    folder.open();
    if (!sensitivity_.is_null()) write_file(Path(o_.output_dir) / "sensitivity.json", to_text(sensitivity_));
    RunState state = resume(memory.optimizer, identity);
    if (cached) plan.cache = &cache_.emplace(o_.output_dir);
    Trainer trainer(model_.model, *learn, memory.optimizer, memory.learning, data_.train, maker, plan, state);
    if (o_.init_lora_weights == "lora_ga" && state.step == 0) start_on_gradient(trainer, *learn, memory.start);
    std::optional<Recognizer> recognizer;
    if (choice.limits.judge)
      recognizer.emplace(model_.model, *judge, model_.tokenizer, prompt, model_.rules, memory.recognizer);
    if (recognizer && plan.drop) recognizer->drop_layers(pages);
    const auto due = [&](std::int64_t every) {
      return state.step == plan.max_steps || (every > 0 && state.step % every == 0);
    };
    const auto save = [&] {
      save_checkpoint(o_.output_dir, model_.model, memory.optimizer, state, identity, plan.max_steps,
                      trainer.epochs(state.samples), learnt_info());
      keep_newest(o_.output_dir, o_.save_total_limit);
    };
    const StopSignals signals;
    // Nothing of a step is lost: it is saved, unless it was already.
    const auto stop_if_asked = [&] {
      if (!signals.stop()) return;
      if (!due(o_.save_steps)) save();
      throw Error{ErrorKind::kStopped, fmt::format("stopped after step {}", state.step), o_.output_dir,
                  fmt::format("go on with the same command and --resume{}",
                              o_.overwrite_output_dir ? " in place of --overwrite-output-dir" : "")};
    };
    // Weights are saved before they are judged: whatever goes wrong there, they are kept.
    const auto judge_weights = [&] {
      if (!recognizer || !due(o_.eval_steps)) return;
      evaluate(*recognizer, state, stop_if_asked);
      if (due(o_.save_steps)) save_state(o_.output_dir, state, plan.max_steps, trainer.epochs(state.samples));
    };
    log_.progress("step", state.step, plan.max_steps, "", /*always=*/true);
    if (state.step > 0 && !last_score(state, state.step)) judge_weights();  // stopped before it was done
    costs_.before_step();
    trainer.run([&](const StepReport& r) {
      after_step(r, plan.max_steps);
      if (due(o_.save_steps)) save();
      stop_if_asked();
      judge_weights();
      costs_.before_step();
      return true;
    });
    return finish(state, plan, trainer, identity);
  }

 private:
  void agree() {
    o_.check();
    check_base(model_, o_.base);
    if (o_.method == "full" && !o_.init_adapter.empty())
      throw Error{ErrorKind::kUsage, "an adapter cannot start full fine-tuning", "--init-adapter",
                  "merge it into the model first (sori merge)"};
    if (const Path from = o_.base == kAutoBase && o_.resume ? newest_checkpoint(o_.output_dir) : Path(); !from.empty())
      resumed_ = open_adapter(from);
    speech_ = agree_on_speech({{"data set", data_.speech}, {"model", speech_of(model_)}});
    if (o_.init_adapter.empty()) return;
    initial_ = open_adapter(o_.init_adapter);
    speech_ = agree_on_speech({{"data set", data_.speech}, {"adapter", {initial_->language, initial_->task}}});
  }

  // A resumed run multiplies as it began: another machine, or a busy one, must not choose anew.
  std::string asked_compute() const {
    const Path from = o_.resume && o_.compute == "auto" ? newest_checkpoint(o_.output_dir) : Path();
    return from.empty() ? o_.compute : read_checkpoint_args(from).compute;
  }

  // Nor does it take another base.
  std::string asked_base() const { return resumed_ ? resumed_->base : o_.base; }

  BaseChoice choose_base(const RunRequest& r) {
    const std::string asked = asked_base();
    if (is_mixed(asked) && asked != model_.base) return sori::choose_base(model_.model, base_of(*resumed_, model_), r);
    BaseChoices bases = sori::choose_base(model_.model, model_.base, asked, r);
    BaseChoice& whole = bases.all[bases.chosen];
    if (!whole.runs.chosen || asked != kAutoBase) return std::move(whole);
    for (const std::string& line : lines_of(bases, r.ram)) log_.line(line);
    if (!whole.how) return std::move(whole);
    const CalibrationData data({data_.hash, "train", speech_, context_}, data_.train,
                               CalibrationOptions{}.calibration_samples, model_);
    std::optional<BaseByLayer> by_layer = choose_base_by_layer(model_, data, whole, o_, r, log_);
    if (!by_layer) return std::move(whole);
    sensitivity_ = std::move(by_layer->formats.record);
    return std::move(by_layer->base);
  }

  // The base, and the fastest way to run the steps that fits; of a run that is resumed, its own micro-batch.
  BaseChoice choose(Compute compute, const ExampleMaker& maker, std::int64_t prompt) {
    RunRequest r = run_request(o_, compute);
    r.frames = maker.most_frames(data_.train), r.tokens = longest_labels(data_.train, maker);
    if (!data_.dev.empty()) {
      r.judge = recognizer_limits(model_.model.config, kJudged, prompt, o_.max_new_tokens);
      r.judge->context = context_;
      r.judge->frames = longest_context(data_.dev, context_, r.judge->frames);
    }
    r.utterances = data_.train.size() + data_.dev.size();
    if (const Path from = o_.resume ? newest_checkpoint(o_.output_dir) : Path(); !from.empty())
      r.micro_batch = read_checkpoint_args(from).micro_batch;
    BaseChoice base = choose_base(r);
    if (!base.runs.chosen) throw nothing_fits(base.model, r, base.runs);
    o_.check_start(model_.base, base.base);
    if (is_mixed(base.base) && base.how) formats_ = to_json(*base.how, model_.model.config).dump();
    const RunChoice& choice = base.best();
    log_.line(fmt::format("memory {} of {}: arena {}, program {}, base {} (sori plan shows more)",
                          format_bytes(choice.memory.resident_bytes()), format_bytes(r.ram),
                          format_bytes(choice.memory.arena), format_bytes(choice.memory.program),
                          format_bytes(choice.memory.base)));
    if (choice.batch != r.batch || choice.limits.drop_layers || (choice.keep != Keep::kEverything && !r.keep))
      log_.line("to fit: " + choice.name());
    return base;
  }

  void choose_what_learns() {
    if (o_.method == "full") {
      if (is_quantised(model_.base))
        throw Error{ErrorKind::kUsage,
                    fmt::format("is quantised ({}), and a whole model is saved in plain numbers", model_.base),
                    o_.model, "train the unquantised model, or adapters on this one (--method lora)"};
      o_.mark_full(model_.model);
    } else {
      lora_ = initial_ ? initial_->config : o_.lora();
      lora_.dropout = o_.lora_dropout;
      refuse_dropped_dora(lora_);
      add_lora(model_.model, lora_);
    }
    keep_little(model_.model, o_.moments(), o_.fused_step);
    Carver count = Carver::counting();
    load_weights(count, model_.model, *model_.file);  // the formats of its frozen weights
  }

  void report_what_learns() {
    Carver count = Carver::counting();
    load_weights(count, model_.model, *model_.file);
    struct Sum {
      std::int64_t tensors = 0, numbers = 0;
      std::uint64_t bytes = 0;
      std::string text() const {
        return fmt::format("{} tensors, {:.2f} M parameters, {}", tensors, static_cast<double>(numbers) / 1e6,
                           format_bytes(bytes));
      }
    } learning, frozen;
    const auto add = [](Sum& sum, std::int64_t numbers, const Parameter& p) {
      if (numbers == 0) return;
      ++sum.tensors, sum.numbers += numbers;
      sum.bytes += bytes_of(p.weight) * static_cast<std::uint64_t>(numbers) / static_cast<std::uint64_t>(p.size());
    };
    for_each_parameter(model_.model, [&](const std::string&, Parameter& p) {
      add(learning, p.learning_size(), p);
      add(frozen, p.size() - p.learning_size(), p);
    });
    log_.line("trainable: " + learning.text() + fmt::format(" ({})", name_of(o_.matrices())));
    log_.line("frozen:    " + frozen.text() + " (as in the file)");
  }

  ExampleOptions example_options() const {
    const WhisperConfig& c = model_.model.config;
    return {.language = speech_.language,
            .task = speech_.task,
            .mel_bins = c.mel_bins,
            .frames = 2 * c.max_source_positions,
            .loss_on_prompt = o_.loss_on_prompt,
            .max_labels = c.max_target_positions,
            .context = context_,
            .full_share = o_.full_context_share,
            .no_speech_share = o_.no_speech_share,
            .seed = static_cast<std::uint64_t>(o_.seed)};
  }

  void choose_utterances(const ExampleMaker& maker) {
    data_.dropped = drop_long_labels(data_.train, maker);
    if (!data_.dropped.empty())
      log_.line(fmt::format("left out {} utterances whose labels are over {} tokens: {}", data_.dropped.size(),
                            maker.options().max_labels, fmt::join(data_.dropped, ", ")));
    refuse_unreadable(data_.dev);
    data_.train = evenly(data_.train, o_.max_train_samples);
    if (data_.train.empty())
      throw Error{ErrorKind::kInput, "has no utterance to learn from", o_.data, "see rejected.jsonl in that folder"};
    double seconds = 0;
    for (const Utterance& u : data_.train) seconds += u.duration;
    log_.line(fmt::format("data: {} utterances, {:.2f} h; language {}, task {}, audio context {}", data_.train.size(),
                          seconds / 3600, speech_.language, speech_.task, name_of(context_)));
  }

  // Said, and checked against the disk, before the run.
  bool keep_states(Compute compute, const ExampleMaker& maker) {
    const auto samples = static_cast<std::uint64_t>(o_.steps(data_.train.size()) * o_.samples_per_step());
    if (!keeps_states(o_.encoder_cache, model_.model, samples, data_.train.size(), o_.no_speech_share)) return false;
    const std::uint64_t bytes = states_bytes(model_.model.config, compute.type, data_.train, maker);
    log_.line(fmt::format("the encoder does not learn: its states are kept on disk while the run lasts, {}",
                          format_bytes(bytes)));
    Path folder = std::filesystem::absolute(o_.output_dir);
    while (!std::filesystem::exists(folder)) folder = folder.parent_path();
    if (const std::uint64_t free = free_disk_bytes(folder); free < bytes)
      throw Error{ErrorKind::kIo,
                  fmt::format("needs {} for the encoder's states, has {}", format_bytes(bytes), format_bytes(free)),
                  o_.output_dir, "free some disk space, or compute them anew each time with --encoder-cache off"};
    return true;
  }

  // From a checkpoint.
  bool goes_on() const { return o_.resume && !newest_checkpoint(o_.output_dir).empty(); }

  // Says how many adapters have their start; a base that passes through memory goes on.
  AfterEach counted_starts(const LayerPages* drop) {
    std::int64_t all = 0;
    for_each_linear(model_.model, [&](const std::string&, Linear& l) { all += l.lora.has_value(); });
    return [this, drop, all, done = std::int64_t{0}]() mutable {
      log_.progress(o_.init_lora_weights + ": layers", ++done, all);
      if (drop) drop->drop_all();
    };
  }

  void start_on_gradient(Trainer& trainer, Backend& learn, const StartMemory& memory) {
    LoraGaStart tap(learn, static_cast<std::uint64_t>(o_.seed), memory, counted_starts(nullptr));
    trainer.tap_first(tap);
  }

  void start_adapters(const StartMemory& memory, const LayerPages* drop) {
    if (o_.method == "full") return;
    const auto seed = static_cast<std::uint64_t>(o_.seed);
    init_lora(model_.model, seed);
    if (initial_) load_adapter(model_.model, *initial_->file);
    const AfterEach after = counted_starts(drop);
    if (o_.init_lora_weights == "pissa") start_pissa(model_.model, seed, memory, after);
    if (o_.init_lora_weights == "loftq")
      start_loftq(model_.model, *open_safetensors_folder(model_.path), seed, memory, after);
  }

  RunState resume(OptimizerState& optimizer, const RunIdentity& identity) {
    if (!o_.resume) return {};
    const Path from = newest_checkpoint(o_.output_dir);
    if (from.empty()) {
      log_.line("no checkpoint yet: beginning anew");
      return {};
    }
    RunState state = load_checkpoint(from, model_.model, optimizer, identity);
    log_.line(fmt::format("resuming from {} at step {}", from.filename().string(), state.step));
    return state;
  }

  LearntInfo learnt_info() {
    LearntInfo info;
    if (o_.method == "lora") info.lora = &lora_;
    info.base_model = o_.model;
    info.metadata = {{"language", speech_.language},
                     {"task", speech_.task},
                     {"audio_context", name_of(context_)},
                     {"window_seconds", practised_seconds(data_.train)},
                     {"data_hash", data_.hash},
                     {"base", model_.base}};
    if (!formats_.empty()) info.metadata["base_formats"] = formats_;
    if (info.lora) info.metadata["init_lora_weights"] = initial_ ? initial_->init_lora_weights : o_.init_lora_weights;
    info.write_side_files = [this, metadata = info.metadata](const Path& folder) {
      write_side_files(model_.path, folder, model_.model.config, o_.matrices(), Json::object(), Copied::kAll);
      adjust_configs(folder, o_.matrices(), metadata);
    };
    return info;
  }

  void after_step(const StepReport& r, std::int64_t max_steps) {
    costs_.after_step(r);
    const std::string detail = fmt::format("loss {:.4f}  lr {:.2e}  {:.2f} s/step  peak {}", r.loss, r.learning_rate,
                                           r.seconds, format_bytes(peak_resident_bytes()));
    log_.progress("step", r.step, max_steps, detail, r.step % o_.logging_steps == 0);
  }

  void evaluate(Recognizer& recognizer, RunState& state, const std::function<void()>& between) {
    const EvalResult r = sori::evaluate(recognizer, data_.dev, [&](std::size_t done, std::size_t all) {
      log_.progress("evaluate", static_cast<std::int64_t>(done), static_cast<std::int64_t>(all));
      between();
    });
    eval_ = to_json(r);
    Json row = {{"step", state.step},
                {"eval_cer", eval_.at("cer").at("rate")},
                {"eval_wer", eval_.at("wer").at("rate")},
                {"eval_samples", data_.dev.size()}};
    log_.line(fmt::format("step {}: dev CER {:.2f} %", state.step, 100 * row.at("eval_cer").get<double>()));
    state.log_history.push_back(std::move(row));
  }

  Json finish(const RunState& state, const TrainPlan& plan, const Trainer& trainer, const RunIdentity& identity) {
    Json result;
    result["steps"] = state.step;
    result["loss"] = state.log_history.empty() ? Json() : last_loss(state);
    costs_.add_to(result);
    result["planned_bytes"] = plan_.arena;
    result["planned_private_bytes"] = plan_.private_bytes();
    result["planned_resident_bytes"] = plan_.resident_bytes();
    result["peak_resident_bytes"] = peak_resident_bytes();
    result["peak_private_bytes"] = private_peak_.bytes();
    if (cache_) result["encoder_cache_bytes"] = cache_->bytes();
    result["compute"] = identity.compute;
    result["dropped_utterances"] = data_.dropped;
    if (eval_.is_null() && last_score(state)) eval_ = *last_score(state);  // of a run that had ended before
    if (!eval_.is_null()) result["eval"] = eval_;
    const Path out = o_.output_dir;
    write_learnt(out, model_.model, learnt_info());
    write_file(out / "trainer_state.json", to_text(to_json(state, plan.max_steps, trainer.epochs(state.samples))));
    Json run = {{"sori", SORI_VERSION},       {"identity", to_json(identity)}, {"model", printable(o_.model)},
                {"data", printable(o_.data)}, {"base", model_.base},           {"result", result}};
    write_file(out / "run.json", to_text(run));
    write_file(out / "README.md", readme(o_, data_, result));
    return result;
  }

  // The newest score of the run, or of this step; in the words of evaluate().
  static std::optional<Json> last_score(const RunState& state, std::optional<std::int64_t> step = {}) {
    for (auto row = state.log_history.rbegin(); row != state.log_history.rend(); ++row) {
      if (step && row->at("step") != *step) break;
      if (row->contains("eval_cer"))
        return Json{{"cer", {{"rate", row->at("eval_cer")}}},
                    {"wer", {{"rate", row->at("eval_wer")}}},
                    {"utterances", row->value("eval_samples", std::int64_t{0})}};
    }
    return std::nullopt;
  }

  static Json last_loss(const RunState& state) {
    for (auto row = state.log_history.rbegin(); row != state.log_history.rend(); ++row)
      if (row->contains("loss")) return row->at("loss");
    return nullptr;
  }

  TrainOptions o_;
  Log& log_;
  ModelFolder model_;
  Data data_;
  Speech speech_;
  AudioContext context_ = AudioContext::kFull;
  std::optional<AdapterFolder> initial_, resumed_;  // resumed_: where it says the base
  std::string formats_;                             // of a mixed base that was made for the run
  Json sensitivity_;                                // by which that was chosen, now
  LoraConfig lora_;
  MemoryPlan plan_;
  std::optional<EncoderCache> cache_;
  PrivatePeak private_peak_;
  StepCosts costs_;
  Json eval_;
};

}  // namespace

int run_train(const Verb& verb, const std::vector<std::string>& words, Log& log) {
  TrainOptions options;
  std::string config_path, json_path;
  OptionTable table;
  options.describe(table);
  describe_config(table, config_path);
  describe_json(table, json_path);
  if (!parse_table(verb, table, words)) return 0;
  const Json result = Run(options, log).go();
  std::string text =
      fmt::format("{} steps, loss {:.4f}, {:.2f} s a step, peak memory {}\n", result.at("steps").get<std::int64_t>(),
                  result.at("loss").get<double>(), result.at("seconds_per_step").get<double>(),
                  format_bytes(result.at("peak_resident_bytes").get<std::uint64_t>()));
  if (result.contains("eval"))
    text += fmt::format("CER on dev {:.2f} %\n", 100 * result.at("eval").at("cer").at("rate").get<double>());
  text += fmt::format("loader: waited for {:.1f} % of the time; its thread took {:.1f} % of the cores\n",
                      100 * result.at("loader_wait_share").get<double>(),
                      100 * result.at("loader_cpu_share").get<double>());
  text += fmt::format("{} in {}\n", options.method == "lora" ? "adapter" : "model", printable(options.output_dir));
  write_json(json_path, result);
  print_result(text);
  return 0;
}

}  // namespace sori
