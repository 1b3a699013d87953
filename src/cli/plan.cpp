// sori plan: what a run will take, before it starts, and the command that starts it.
#include "plan/choose.h"

#include "base/process_memory.h"
#include "cli/cli.h"
#include "cli/model_folder.h"
#include "data/dataset.h"
#include "export/quantise.h"
#include "plan/shapes.h"
#include "train/options.h"
#include "train/trainer.h"

namespace sori {
namespace {

constexpr std::int64_t kPromptTokens = 4;

struct Options {
  TrainOptions train;
  std::string size;
  std::int64_t label_tokens = 64;

  void describe(OptionTable& t) {
    t.path("model", train.model, "model folder that will be tuned");
    t.choice("size", size, "plan for a model of this size instead, without a folder", size_names());
    t.path("data", train.data, "data set that will be learnt: its longest transcript is planned for");
    t.integer("label-tokens", label_tokens, "longest transcript with its prompt, in tokens, where there is no data set",
              5, 448);
    train.describe_run(t);
  }
};

struct Planned {
  std::optional<ModelFolder> folder;
  Whisper model;
  std::string name;
};

Planned open_planned(const Options& o) {
  o.train.check();
  if (o.train.model.empty() == o.size.empty())
    throw Error{ErrorKind::kUsage, "one of --model and --size is wanted", "",
                "sori plan --size large-v3 --method lora"};
  Planned p;
  p.name = o.size.empty() ? o.train.model : o.size;
  if (!o.size.empty()) {
    p.model = make_whisper(size_config(o.size));
  } else {
    p.folder = open_model(o.train.model);
    p.model = p.folder->model;
  }
  if (o.train.method == "full")
    train_everything(p.model, o.train.matrices());
  else
    add_lora(p.model, o.train.lora());
  keep_little(p.model, o.train.moments(), o.train.fused_step);
  const std::string& base = o.train.frozen_base();
  const FileFormat* format = p.folder ? format_to_make(*p.folder, base) : find_file_format(base);
  if (format) {
    assume_base(p.model, base, quantisation_of(*format).int8_embedding);
  } else if (p.folder) {
    Carver count = Carver::counting();
    load_weights(count, p.model, *p.folder->file);
  } else {
    assume_base(p.model, "bf16", false);
  }
  return p;
}

RunRequest request_of(const Options& o, const Planned& p, DType compute) {
  const WhisperConfig& config = p.model.config;
  RunRequest r;
  r.compute = compute;
  r.batch = o.train.per_device_train_batch_size, r.accumulation = o.train.gradient_accumulation_steps;
  r.frames = 2 * config.max_source_positions;
  r.tokens = o.label_tokens;
  r.judge = recognizer_limits(config, kJudged, kPromptTokens, o.train.max_new_tokens);
  if (o.train.gradient_checkpointing) r.keep = Keep::kInputs;
  if (o.train.fused_step) r.micro_batch = r.batch;
  r.ram = memory_limit(o.train.ram);
  if (o.train.data.empty()) return r;
  if (!p.folder)
    throw Error{ErrorKind::kUsage, "counts tokens only with --model", "--data",
                "name the model, or give --label-tokens"};
  const Dataset set = load_dataset(o.train.data, {"train"});
  const ExampleMaker maker(p.folder->tokenizer, {set.language, set.task, config.mel_bins, r.frames,
                                                 o.train.loss_on_prompt, config.max_target_positions});
  std::vector<Utterance> utterances = set.split("train").utterances;
  drop_long_labels(utterances, maker);
  utterances = evenly(utterances, o.train.max_train_samples);
  r.tokens = longest_labels(utterances, maker);
  r.utterances = utterances.size();
  return r;
}

std::string word_of(const Json& value) {
  if (value.is_array()) {
    std::vector<std::string> words;
    for (const Json& v : value) words.push_back(v.get<std::string>());
    return fmt::format("{}", fmt::join(words, ","));
  }
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// The run that is promised, as it is started.
std::string command_of(const OptionTable& table, const Options& o, const RunChoice& choice) {
  std::string line = "sori train --model " + (o.train.model.empty() ? "MODEL" : o.train.model) + " --data " +
                     (o.train.data.empty() ? "DATA" : o.train.data) + " --output-dir RUN";
  for (const Option& option : table.options()) {
    const std::string& name = option.name;
    if (name == "per-device-train-batch-size") {
      line += fmt::format(" --{} {}", name, choice.batch);
    } else if (name == "gradient-accumulation-steps") {
      line += fmt::format(" --{} {}", name, choice.accumulation);
    } else if (name == "gradient-checkpointing") {
      if (choice.keep == Keep::kInputs) line += " --gradient-checkpointing";
    } else if (name == "method" || (option.given && name != "model" && name != "size" && name != "data" &&
                                    name != "label-tokens" && name != "json")) {
      line += option.is_switch() ? (option.value().get<bool>() ? " --" : " --no-") + name
                                 : fmt::format(" --{} {}", name, word_of(option.value()));
    }
  }
  return line;
}

struct Disk {
  std::uint64_t checkpoint = 0, result = 0;  // bytes of each
};

// A checkpoint holds what learns and its two moments; the result what learns alone.
Disk disk_of(Whisper& model) {
  std::uint64_t moments = 0, result = 0;
  for_each_parameter(model, [&](const std::string&, Parameter& p) {
    const auto numbers = static_cast<std::uint64_t>(p.size());
    if (p.trainable) {
      result += numbers * size_of(p.type);
      moments += 2 * numbers * size_of(p.moments);
    } else if (model.encoder.conv1.weight.trainable) {
      result += numbers * sizeof(float);  // a fully tuned model is written whole: its frozen positions too
    }
  });
  return {moments + result, result};
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

}  // namespace

int run_plan(const Verb& verb, const std::vector<std::string>& words, Log& log) {
  Options o;
  std::string json_path;
  OptionTable table;
  o.describe(table);
  describe_json(table, json_path);
  if (!parse_table(verb, table, words)) return 0;
  Planned p = open_planned(o);
  const DType compute = choose_compute(o.train.compute, p.model.config, log);
  const RunRequest r = request_of(o, p, compute);
  const RunChoices choices = choose_run(p.model, r);
  if (!choices.chosen) throw nothing_fits(p.model, r, choices);
  const RunChoice& chosen = choices.all[*choices.chosen];
  const Disk disk = disk_of(p.model);
  const std::string command = command_of(table, o, chosen);
  print_result(fmt::format(
      "{}, {}, {} of windows of {:.0f} s and {} tokens, products in {}\n\n{}\n{}\ndisk: {} a checkpoint, {} "
      "the result\n\n{}\n",
      p.name, o.train.method == "full" ? "full fine-tuning" : "LoRA",
      fmt::format("steps of {}", r.batch * r.accumulation), static_cast<double>(r.frames) / 100, r.tokens,
      name_of(compute), to_text(chosen.memory), others(choices, r.ram), format_bytes(disk.checkpoint),
      format_bytes(disk.result), command));
  Json all = Json::array();
  for (const RunChoice& c : choices.all) all.push_back(to_json(c));
  write_json(json_path, {{"ram_bytes", r.ram},
                         {"chosen", to_json(chosen)},
                         {"choices", all},
                         {"checkpoint_bytes", disk.checkpoint},
                         {"result_bytes", disk.result},
                         {"command", command}});
  return 0;
}

}  // namespace sori
