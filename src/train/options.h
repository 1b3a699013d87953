// What `sori train` can be told. Names are the Hugging Face Trainer's and PEFT's; defaults are ours.
#pragma once

#include "base/options.h"
#include "data/example.h"
#include "model/lora.h"
#include "quant/file_format.h"

namespace sori {

// What an untuned model learns to read: measured to be no worse than full windows, and several times as fast
// (docs/audio-context.md).
inline constexpr AudioContext kLearntContext = AudioContext::kExact;

struct TrainOptions {
  std::string model, data, output_dir, method = "lora", base = "model", compute = "auto", init_adapter,
                                       audio_context = kAutoContext;
  // Data
  std::int64_t max_train_samples = 0, max_eval_samples = 200;
  bool loss_on_prompt = false;
  double full_context_share = 0, no_speech_share = 0;
  std::string encoder_cache = "auto";
  // Steps
  std::int64_t max_steps = 0, per_device_train_batch_size = 4, gradient_accumulation_steps = 1, seed = 42;
  double num_train_epochs = 3;
  bool gradient_checkpointing = false;
  std::string ram;
  // Optimizer
  double learning_rate = 0, weight_decay = 0, adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8,
         max_grad_norm = 1, warmup_steps = 0.1;
  std::string optim = "adamw", param_dtype = "f32";
  bool fused_step = false;
  double label_smoothing_factor = 0;
  std::string lr_scheduler_type = "linear";
  // LoRA
  int lora_r = 32;
  double lora_alpha = 64, lora_dropout = 0, loraplus_lr_ratio = 1;
  bool use_rslora = false, use_dora = false;
  std::string init_lora_weights = "true";
  std::vector<std::string> target_modules{"all-linear"};
  std::string target_scope = "both";
  // Full
  std::vector<std::string> trainable{"all"};
  // Run
  std::int64_t eval_steps = 0, save_steps = 50, save_total_limit = 2, logging_steps = 10, max_new_tokens = 128;
  bool resume = false, overwrite_output_dir = false;

  void describe(OptionTable& t) {
    describe_folders(t);
    describe_run(t);
  }
  void describe_folders(OptionTable& t) {
    t.path("model", model, "model folder in the Hugging Face layout (see sori import)")
        .required()
        .also("model-name-or-path");
    t.path("data", data, "data set made by sori prepare; learns on train, evaluates on dev")
        .required()
        .also("dataset-name");
    t.path("output-dir", output_dir, "folder for the adapter or model, checkpoints and the run's record").required();
  }
  // Everything but the folders: what `sori plan` takes too.
  void describe_run(OptionTable& t) {
    t.choice("method", method, "adapters on a frozen model, or the whole model", {"lora", "full"});
    t.choice("base", base,
             "format of the frozen weights; model: as in the folder; others are made once and kept; auto: the most "
             "precise that fits, and under --ram, where 16 bits do not fit, one for each layer by how much it minds",
             base_choices(kAutoBase));
    t.choice("compute", compute,
             "type of what enters products; bf16 needs half the memory; auto times both; int8_bf16: as bf16, and in "
             "forward the encoder multiplies 8-bit codes, on a quantised base",
             compute_choices("auto"));
    t.path("init-adapter", init_adapter, "start from this adapter instead of a new one");

    t.integer("max-train-samples", max_train_samples, "use this many utterances of train; 0: all", 0, 1LL << 40)
        .group("data");
    t.integer("max-eval-samples", max_eval_samples, "use this many utterances of dev; 0: all", 0, 1LL << 40)
        .group("data");
    t.choice("audio-context", audio_context,
             "what the encoder reads of an utterance: full windows of 30 s; exact: the sound and 1.3 s of silence; "
             "bucket: the same, rounded up to 5.12 s; auto: as in --init-adapter or the model, else exact",
             audio_context_choices())
        .group("data");
    t.number("full-context-share", full_context_share, "share of the samples that are read in full windows anyway", 0,
             1)
        .group("data");
    t.number(
         "no-speech-share", no_speech_share,
         "share of the samples that are replaced by silence or noise without text, so that nothing is made up of it", 0,
         0.5)
        .group("data");
    t.choice("encoder-cache", encoder_cache,
             "keep on disk, while the run lasts, what an encoder without adapters says of each utterance, and compute "
             "it once; auto: where it is wanted more than once",
             {"auto", "on", "off"})
        .group("data");
    t.flag("loss-on-prompt", loss_on_prompt, "learn the prompt's tokens too, as Hugging Face's recipe does")
        .group("data");

    t.integer("max-steps", max_steps, "optimizer steps; 0: from the number of epochs", 0, 1LL << 40).group("steps");
    t.number("num-train-epochs", num_train_epochs, "times through the data, if max-steps is 0", 0, 1e6).group("steps");
    t.integer("per-device-train-batch-size", per_device_train_batch_size, "utterances of a micro-batch", 1, 4096)
        .also("train-batch-size")
        .group("steps");
    t.integer("gradient-accumulation-steps", gradient_accumulation_steps, "micro-batches of an optimizer step", 1,
              1 << 20)
        .group("steps");
    t.integer("seed", seed, "of order, adapters and dropout", 0, (1LL << 62)).group("steps");
    t.flag("gradient-checkpointing", gradient_checkpointing,
           "keep layer inputs only and compute the rest again: less memory, a third more time; without it, this is "
           "done where memory asks for it")
        .also("recompute")
        .group("steps");
    t.text("ram", ram, "resident memory the run may take, as 6G; empty: what this machine has free").group("steps");

    t.choice("optim", optim, "AdamW with moments in f32, or in 8 bits (block-wise, as bitsandbytes does)",
             {"adamw", "adamw_8bit", "adamw_torch", "adamw_bnb_8bit"})
        .group("optimizer");
    t.choice("param-dtype", param_dtype,
             "type of the matrices that --method full learns; bf16: updates are rounded stochastically, no f32 copy",
             {"f32", "bf16"})
        .group("optimizer");
    t.flag("fused-step", fused_step,
           "update each weight as soon as backward has its gradient: one gradient's memory instead of all; needs "
           "--max-grad-norm 0 --gradient-accumulation-steps 1")
        .group("optimizer");
    t.number("learning-rate", learning_rate, "peak after warm-up; 0: 1e-3 for lora, 1e-4 for full", 0, 1)
        .group("optimizer");
    t.choice("lr-scheduler-type", lr_scheduler_type, "shape of the learning rate", {"linear", "cosine", "constant"})
        .group("optimizer");
    t.number("warmup-steps", warmup_steps, "steps of linear warm-up; below 1: a share of all steps", 0, 1e9)
        .also("warmup-ratio")
        .group("optimizer");
    t.number("weight-decay", weight_decay, "AdamW's; skips biases and LayerNorms", 0, 1).group("optimizer");
    t.number("adam-beta1", adam_beta1, "decay of the first moment", 0, 0.999999).group("optimizer");
    t.number("adam-beta2", adam_beta2, "decay of the second moment", 0, 0.999999999).group("optimizer");
    t.number("adam-epsilon", adam_epsilon, "added to the root of the second moment", 1e-20, 1).group("optimizer");
    t.number("max-grad-norm", max_grad_norm, "clips the gradients' global norm; 0: off", 0, 1e9).group("optimizer");
    t.number("label-smoothing-factor", label_smoothing_factor, "share of the target spread over the vocabulary", 0,
             0.9999)
        .also("label-smoothing")
        .group("optimizer");

    t.integer("lora-r", lora_r, "rank R of the adapters", 1, 4096).also("r").also("lora-rank").group("lora");
    t.number("lora-alpha", lora_alpha, "adapters are scaled by alpha / R", 1e-6, 1e6).group("lora");
    t.flag("use-rslora", use_rslora, "rsLoRA: adapters are scaled by alpha / sqrt(R) instead").group("lora");
    t.flag("use-dora", use_dora,
           "DoRA: adapters learn the direction of each output's weights, and how long they are by itself")
        .group("lora");
    t.choice("init-lora-weights", init_lora_weights,
             "how adapters start; true: B = 0; pissa: from the base's largest singular vectors, which a frozen half of "
             "twice the rank subtracts; loftq: from what --base lost of the model, as well as they can say it; "
             "lora_ga: as pissa, from the singular vectors of the base's gradient for the first "
             "micro-batch",
             {"true", "pissa", "loftq", "lora_ga"})
        .group("lora");
    t.number("loraplus-lr-ratio", loraplus_lr_ratio, "LoRA+: B learns at so many times the rate of A", 1, 1000)
        .group("lora");
    t.number("lora-dropout", lora_dropout, "dropout of what adapters read", 0, 0.99).group("lora");
    t.list("target-modules", target_modules, "layers with adapters: suffixes, full names, or all-linear").group("lora");
    t.choice("target-scope", target_scope, "part of the model that learns", {"both", "encoder", "decoder"})
        .group("lora");

    t.list("trainable", trainable,
           "what --method full learns: all, last-N (the last N layers of each side), norms, biases; several: all of "
           "theirs")
        .group("full");

    t.integer("eval-steps", eval_steps, "evaluate every so many steps; 0: at the end only", 0, 1LL << 40).group("run");
    t.integer("max-new-tokens", max_new_tokens, "of a decoded utterance, in evaluations", 1, 444)
        .also("generation-max-length")
        .group("run");
    t.integer("save-steps", save_steps, "write a checkpoint every so many steps; 0: at the end only", 0, 1LL << 40)
        .group("run");
    t.integer("save-total-limit", save_total_limit, "keep this many checkpoints, the newest; 0: all", 0, 1LL << 40)
        .group("run");
    t.integer("logging-steps", logging_steps, "print a line every so many steps, where there is no terminal", 1,
              1LL << 40)
        .group("run");
    t.flag("resume", resume, "go on from the newest checkpoint in output-dir")
        .also("resume-from-checkpoint")
        .group("run");
    t.flag("overwrite-output-dir", overwrite_output_dir, "remove what is in output-dir first").group("run");
  }

  // Error kUsage where one choice excludes another.
  void check() const {
    if (method == "full" && base != "model")
      throw Error{ErrorKind::kUsage, "quantised weights cannot learn", "--base " + base,
                  "use --method lora, or leave --base away"};
    if (method != "full" && trainable != std::vector<std::string>{"all"})
      throw Error{ErrorKind::kUsage, "chooses of the model's own weights, and adapters leave them as they are",
                  fmt::format("--trainable {}", fmt::join(trainable, ",")), "use --method full, or leave it away"};
    if (init_lora_weights != "true" && (method != "lora" || !init_adapter.empty()))
      throw Error{ErrorKind::kUsage,
                  method != "lora" ? "there are no adapters to start" : "--init-adapter says where the adapters start",
                  "--init-lora-weights " + init_lora_weights, "leave one of the two away"};
    if (use_dora && (method != "lora" || !init_adapter.empty()))
      throw Error{ErrorKind::kUsage,
                  method != "lora" ? "there are no adapters to learn" : "--init-adapter says of what kind adapters are",
                  "--use-dora", "leave one of the two away"};
    refuse_dropped_dora(lora());
    if (resume && overwrite_output_dir)
      throw Error{ErrorKind::kUsage, "goes on with a run that --overwrite-output-dir removes", "--resume",
                  "give one of the two"};
    if (param_dtype != "f32" && method != "full")
      throw Error{ErrorKind::kUsage, "adapters learn in f32", "--param-dtype " + param_dtype,
                  "leave it out, or tune the whole model (--method full)"};
    if (fused_step && (max_grad_norm > 0 || gradient_accumulation_steps > 1))
      throw Error{ErrorKind::kUsage,
                  fmt::format("updates each weight before the other gradients are known, so it can neither clip their "
                              "norm (--max-grad-norm {}) nor accumulate them (--gradient-accumulation-steps {})",
                              max_grad_norm, gradient_accumulation_steps),
                  "--fused-step",
                  "use --fused-step --max-grad-norm 0 --gradient-accumulation-steps 1, with a larger "
                  "--per-device-train-batch-size for a larger batch"};
  }
  // LoftQ wants both the codes and what they were made of. own: what the model is stored as; used: what the run uses.
  void check_start(const std::string& own, const std::string& used) const {
    if (init_lora_weights != "loftq") return;
    const std::string option = "--init-lora-weights loftq";
    if (is_quantised(own))
      throw Error{ErrorKind::kUsage, fmt::format("{} is quantised ({}) and has no original weights", model, own),
                  option, "name the unquantised model it was made from, with --base nf4 or --base int8"};
    if (!is_quantised(used))
      throw Error{ErrorKind::kUsage, fmt::format("starts from what a quantised base lost, and this one is {}", used),
                  option, "add --base nf4 or --base int8"};
  }
  DType moments() const { return optim.ends_with("8bit") ? DType::kU8 : DType::kF32; }
  DType matrices() const { return param_dtype == "bf16" ? DType::kBF16 : DType::kF32; }
  LoraConfig lora() const {
    LoraConfig c{lora_r,       lora_alpha, lora_dropout,      target_modules,
                 target_scope, use_rslora, init_lora_weights, use_dora};
    if (c.carries_start()) c.rank *= 2, c.alpha *= use_rslora ? std::sqrt(2.0) : 2;  // at the same scale
    return c;
  }
  // What --method full learns.
  void mark_full(Whisper& whisper) const {
    train_everything(whisper, matrices());
    freeze_others(whisper, trainable, target_scope);
  }
  double peak_rate() const { return learning_rate > 0 ? learning_rate : method == "lora" ? 1e-3 : 1e-4; }
  std::int64_t steps(std::size_t utterances) const {
    if (max_steps > 0) return max_steps;
    const double per_epoch = static_cast<double>(utterances) / static_cast<double>(samples_per_step());
    return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(per_epoch * num_train_epochs)));
  }
  std::int64_t samples_per_step() const { return per_device_train_batch_size * gradient_accumulation_steps; }
};

}  // namespace sori
