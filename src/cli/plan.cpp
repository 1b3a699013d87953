// sori plan: what a run will take, before it starts, and the command or file that starts it.
#include "base/process_memory.h"
#include "base/unicode.h"
#include "cli/cli.h"
#include "cli/layer_formats.h"
#include "cli/machine_file.h"
#include "cli/run_file.h"
#include "data/dataset.h"
#include "plan/shapes.h"
#include "plan/times.h"
#include "train/trainer.h"

namespace sori {
namespace {

constexpr std::int64_t kPromptTokens = 4;
constexpr double kWindowSeconds = 30, kFramesPerSecond = 100;
constexpr const char* kAssumed = "bf16";  // of a model that is planned by its size alone

struct Options {
  TrainOptions train;
  std::string size, write;
  std::int64_t label_tokens = 64;
  double audio_seconds = kWindowSeconds;

  void describe(OptionTable& t) {
    t.path("model", train.model, "model folder that will be tuned");
    t.choice("size", size, "plan for a model of this size instead, without a folder", size_names());
    t.path("data", train.data, "data set that will be learnt: its longest transcript is planned for");
    t.path("output-dir", train.output_dir, "folder of the run, for the command and the file");
    t.integer("label-tokens", label_tokens, "longest transcript with its prompt, in tokens, where there is no data set",
              5, 448);
    t.number("audio-seconds", audio_seconds,
             "longest recording, where there is no data set: counts with --audio-context", 0.1, kWindowSeconds);
    t.path("write", write, "write the run to this TOML file, for sori train --config");
    train.describe_run(t);
  }
};

struct Planned {
  std::optional<ModelFolder> folder;
  Whisper model;
  std::string name, base;  // base: as the weights lie in the folder
  AudioContext context = AudioContext::kFull;
  std::uint64_t states_bytes = 0;  // of the encoder's states on disk, where they are kept
  RunCounts counts{};
};

Planned open_planned(const Options& o) {
  o.train.check();
  if (o.train.model.empty() == o.size.empty())
    throw Error{ErrorKind::kUsage, "one of --model and --size is wanted", "",
                "sori plan --size large-v3 --method lora"};
  Planned p;
  std::optional<AdapterFolder> initial;
  p.name = o.size.empty() ? o.train.model : o.size;
  p.base = kAssumed;
  if (!o.size.empty()) {
    p.model = make_whisper(size_config(o.size));
    p.context = choose_context(o.train.audio_context, {}, kLearntContext);
  } else {
    p.folder = open_model(o.train.model);
    check_base(*p.folder, o.train.base);
    p.model = p.folder->model;
    p.base = p.folder->base;
    if (!o.train.init_adapter.empty()) initial = open_adapter(o.train.init_adapter);
    p.context =
        choose_context(o.train.audio_context, tuned_context(*p.folder, initial ? &*initial : nullptr), kLearntContext);
  }
  if (o.train.method == "full")
    o.train.mark_full(p.model);
  else
    add_lora(p.model, initial ? initial->config : o.train.lora());
  keep_little(p.model, o.train.moments(), o.train.fused_step);
  if (p.folder) {
    Carver count = Carver::counting();
    load_weights(count, p.model, *p.folder->file);
  } else {
    assume_base(p.model, p.base, false);
  }
  return p;
}

RunCounts counts_of(const TrainOptions& o, std::size_t utterances, std::size_t judged) {
  RunCounts c;
  c.steps = o.steps(utterances);
  c.utterances = static_cast<std::int64_t>(utterances), c.judged = static_cast<std::int64_t>(judged);
  c.evaluations = 1 + (o.eval_steps > 0 ? (c.steps - 1) / o.eval_steps : 0);  // the last step is always judged
  return c;
}

RunRequest request_of(const Options& o, Planned& p, Compute compute) {
  const WhisperConfig& config = p.model.config;
  const AudioContext context = p.context;
  const std::int64_t window = 2 * config.max_source_positions;
  RunRequest r = run_request(o.train, compute);
  r.frames = context_frames(o.train.full_context_share > 0 ? AudioContext::kFull : context, o.audio_seconds, window);
  r.tokens = o.label_tokens;
  r.judge = recognizer_limits(config, kJudged, kPromptTokens, o.train.max_new_tokens);
  r.judge->context = context;
  r.judge->frames = context_frames(context, o.audio_seconds, window);
  p.counts.steps = o.train.max_steps;
  if (o.train.data.empty()) return r;
  if (!p.folder)
    throw Error{ErrorKind::kUsage, "counts tokens only with --model", "--data",
                "name the model, or give --label-tokens"};
  const Dataset set = load_dataset(o.train.data, {"train", "dev"});
  const ExampleMaker maker(p.folder->tokenizer, {.language = set.language,
                                                 .task = set.task,
                                                 .mel_bins = config.mel_bins,
                                                 .frames = window,
                                                 .loss_on_prompt = o.train.loss_on_prompt,
                                                 .max_labels = config.max_target_positions,
                                                 .context = context,
                                                 .full_share = o.train.full_context_share,
                                                 .no_speech_share = o.train.no_speech_share});
  std::vector<Utterance> utterances = set.split("train").utterances;
  drop_long_labels(utterances, maker);
  utterances = evenly(utterances, o.train.max_train_samples);
  r.tokens = longest_labels(utterances, maker);
  r.frames = maker.most_frames(utterances);
  std::vector<Utterance> judged;
  if (set.has("dev")) judged = evenly(set.split("dev").utterances, o.train.max_eval_samples);
  if (judged.empty())
    r.judge.reset();
  else
    r.judge->frames = longest_context(judged, context, window);
  r.utterances = utterances.size() + judged.size();
  p.counts = counts_of(o.train, utterances.size(), judged.size());
  p.counts.learnt = average_lengths(utterances, maker), p.counts.heard = average_lengths(judged, maker);
  const auto samples = static_cast<std::uint64_t>(p.counts.steps * o.train.samples_per_step());
  p.counts.keeps_states =
      keeps_states(o.train.encoder_cache, p.model, samples, utterances.size(), o.train.no_speech_share);
  if (p.counts.keeps_states) p.states_bytes = states_bytes(config, compute.type, utterances, maker);
  return r;
}

// The run that is promised: what sori train is to be told. Folders that are not named yet have no value.
std::vector<Setting> settings_of(const OptionTable& table, const Planned& p, const BaseChoice& base, bool by_layer) {
  const RunChoice& choice = base.best();
  TrainOptions known;
  OptionTable train;
  known.describe(train);
  std::vector<Setting> settings;
  const auto add = [&](const Option& o, Json value) { settings.push_back({&o, std::move(value)}); };
  for (const Option& wanted : train.options()) {
    const Option* found = table.find(wanted.name);
    if (found == nullptr) continue;
    const Option& o = *found;
    if (wanted.is_required())
      add(o, o.given ? o.value() : Json());
    else if (o.name == "per-device-train-batch-size")
      add(o, choice.batch);
    else if (o.name == "gradient-accumulation-steps")
      add(o, choice.accumulation);
    else if (o.name == "gradient-checkpointing" && choice.keep == Keep::kInputs)
      add(o, true);
    else if (o.name == "base" && o.given && !by_layer)  // what "auto" has chosen stays chosen
      add(o, base.base == p.base ? "model" : base.base);
    else if (o.name == "method" || (o.given && o.name != "gradient-checkpointing"))
      add(o, o.value());
  }
  return settings;
}

std::string command_of(const std::vector<Setting>& settings) {
  const std::map<std::string, std::string> unnamed{{"model", "MODEL"}, {"data", "DATA"}, {"output-dir", "RUN"}};
  std::string line = "sori train";
  for (const auto& [option, value] : settings) {
    if (option->is_switch())
      line += (value.get<bool>() ? " --" : " --no-") + option->name;
    else
      line += fmt::format(" --{} {}", option->name,
                          value.is_null() ? unnamed.at(option->name) : shell_word(word_of(value)));
  }
  return line;
}

// How a run file is started: with what it leaves open.
std::string start_of(const std::string& file, const std::vector<Setting>& settings) {
  std::vector<Setting> open;
  for (const Setting& s : settings)
    if (s.value.is_null()) open.push_back(s);
  return fmt::format("sori train --config {}{}", shell_word(file),
                     command_of(open).substr(std::string("sori train").size()));
}

struct Disk {
  std::uint64_t cache = 0, states = 0, checkpoint = 0, result = 0;  // bytes; of one checkpoint
  std::int64_t checkpoints = 0;                                     // at one time; 0: as many as the run makes

  std::string text() const {
    return fmt::format("disk: {}{}{} a checkpoint, {} at one time; {} the result",
                       cache > 0 ? format_bytes(cache) + " the quantised base, made once and kept; " : "",
                       states > 0 ? format_bytes(states) + " the encoder's states, while the run lasts; " : "",
                       format_bytes(checkpoint),
                       checkpoints > 0 ? fmt::format("at most {}", checkpoints) : "all of them", format_bytes(result));
  }
};

// A new checkpoint is complete before an old one goes.
std::int64_t checkpoints_at_once(const TrainOptions& o, std::int64_t steps) {
  if (o.save_steps == 0) return 1;  // the last
  const std::int64_t kept = o.save_total_limit > 0 ? o.save_total_limit + 1 : 0;
  if (steps == 0) return kept;  // not known
  const std::int64_t made = (steps + o.save_steps - 1) / o.save_steps;
  return kept > 0 ? std::min(kept, made) : made;
}

// The result holds adapters, or a whole model; a checkpoint the moments of what learns too.
Disk disk_of(const TrainOptions& o, const Planned& p, BaseChoice& base) {
  Disk disk;
  disk.checkpoints = checkpoints_at_once(o, p.counts.steps);
  const bool whole = adapter_limits(base.model).rank == 0;
  std::uint64_t moments = 0;
  for_each_parameter(base.model, [&](const std::string&, Parameter& w) {
    const auto numbers = static_cast<std::uint64_t>(w.size()), learning = static_cast<std::uint64_t>(w.learning_size());
    if (w.trainable) {
      disk.result += numbers * size_of(w.type);
      moments += 2 * learning * size_of(w.moments);
      if (w.moments == DType::kU8)
        moments += 2 * sizeof(float) * static_cast<std::uint64_t>(dynamic_blocks(w.learning_size()));
    } else if (whole) {
      disk.result += w.shape.size() == 1 ? numbers * sizeof(float) : bytes_of(w.weight);
    }
  });
  disk.checkpoint = moments + disk.result;
  disk.states = p.states_bytes;
  if (base.how)
    disk.cache = p.folder ? quantised_bytes(p.folder->path, *base.how)
                          : quantised_bytes(base.model.config, *base.how, DType::kBF16);
  return disk;
}

std::string others(const RunChoices& choices, std::uint64_t ram) {
  std::string text;
  for (std::size_t i = 0; i < choices.all.size(); ++i) {
    const RunChoice& c = choices.all[i];
    const bool chosen = choices.chosen == i;
    text += fmt::format("{} {:<64}{:>12}   time x {:.2f}   {}\n", chosen ? "*" : " ", c.name(),
                        format_bytes(c.memory.resident_bytes()), c.seconds / choices.all.front().seconds,
                        chosen                            ? "chosen: the fastest that fits"
                        : c.memory.resident_bytes() > ram ? "does not fit into " + format_bytes(ram)
                                                          : "fits, and is slower");
  }
  return text;
}

Json to_json(const RunChoice& c) {
  return {{"batch", c.batch},        {"accumulation", c.accumulation},
          {"keep", name_of(c.keep)}, {"eval_batch", c.limits.judge ? c.limits.judge->batch : 0},
          {"fits", c.fits},          {"memory", to_json(c.memory)}};
}

// Nothing where this machine was not measured; `line` says how to.
std::optional<RunTimes> times_of(const RunRequest& r, const Planned& p, BaseChoice& base, std::string& line) {
  std::optional<RunTimes> times;
  line = "times: run sori bench once, which measures this machine";
  try {
    const Machine machine = this_machine();
    const auto rates = read_rates(machine_file(machine), machine);
    if (rates) times = estimate_times(base.model, r, base.best(), p.counts, *rates);
    if (rates && !times) line = fmt::format("times: run sori bench --compute {} once", name_of(r.compute));
  } catch (const Error& e) {
    line = fmt::format("times: run sori bench anew ({})", e.problem());
  }
  if (times) line = to_text(*times, p.counts);
  return times;
}

std::string headline(const Options& o, const Planned& p, const RunRequest& r) {
  return fmt::format("{}, {}, steps of {} of windows of {:g} s and {} tokens, products in {}", p.name,
                     o.train.method == "full" ? "full fine-tuning" : "LoRA", r.batch * r.accumulation,
                     static_cast<double>(r.frames) / kFramesPerSecond, r.tokens, name_of(r.compute));
}

}  // namespace

int run_plan(const Verb& verb, const std::vector<std::string>& words, Log& log) {
  Options o;
  std::string json_path;
  OptionTable table;
  o.describe(table);
  describe_json(table, json_path);
  if (!parse_table(verb, table, words)) return 0;
  Planned p = open_planned(o);
  const RunRequest r = request_of(
      o, p, choose_compute(o.train.compute, o.train.base == "model" ? p.base : o.train.base, p.model.config, log));
  BaseChoices bases = choose_base(p.model, p.base, o.train.base, r);
  BaseChoice& base = bases.all[bases.chosen];
  if (!base.runs.chosen) throw nothing_fits(base.model, r, base.runs);
  o.train.check_start(p.base, base.base);
  const RunChoice& chosen = base.best();
  const Disk disk = disk_of(o.train, p, base);
  const bool automatic = o.train.base == kAutoBase;
  // Only training takes the time to measure.
  const bool by_layer = automatic && base.how && !o.train.data.empty() && why_one_format(o.train).empty();
  const std::vector<Setting> settings = settings_of(table, p, base, by_layer);
  const std::string command = command_of(settings), head = headline(o, p, r);
  std::string times_line;
  const auto times = times_of(r, p, base, times_line);

  std::string text;
  if (automatic) text += fmt::format("{}\n", fmt::join(lines_of(bases, r.ram), "\n"));
  if (by_layer)
    text +=
        "sori train measures how much each layer minds, where that fits, and gives what is left to those that mind "
        "most\n";
  if (automatic) text += "\n";
  text += head + "\n";
  text += fmt::format("\n{}\n{}\n{}\n{}\n\n{}\n", to_text(chosen.memory), others(base.runs, r.ram), disk.text(),
                      times_line, command);
  if (!o.write.empty()) {
    const std::string start = start_of(o.write, settings);
    write_file(o.write, run_file_text(settings, {start + "   what the command line says wins", "",
                                                 "Planned by sori " SORI_VERSION ": " + head + ".",
                                                 totals_text(chosen.memory), chosen.name(), disk.text()}));
    text += start + "\n";
  }
  print_result(text);
  Json all = Json::array();
  for (const RunChoice& c : base.runs.all) all.push_back(to_json(c));
  write_json(json_path, {{"ram_bytes", r.ram},
                         {"base", to_json(bases)},
                         {"chosen", to_json(chosen)},
                         {"choices", all},
                         {"cache_bytes", disk.cache},
                         {"encoder_cache_bytes", disk.states},
                         {"checkpoint_bytes", disk.checkpoint},
                         {"checkpoints_at_once", disk.checkpoints},
                         {"result_bytes", disk.result},
                         {"times", times ? to_json(*times) : Json()},
                         {"command", printable(command)}});
  return 0;
}

}  // namespace sori
