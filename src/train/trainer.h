// The training loop: micro-batches in, optimizer steps out. It knows neither evaluation nor the screen: both are
// callbacks.
#pragma once

#include <functional>
#include <optional>

#include "data/loader.h"
#include "model/learn.h"
#include "train/encoder_cache.h"
#include "train/optimizer.h"
#include "train/run_state.h"
#include "train/schedule.h"

namespace sori {

struct StepReport {
  std::int64_t step = 0;  // the one just finished, from 1
  double epoch = 0, loss = 0, learning_rate = 0, gradient_norm = 0;
  double seconds = 0;                                 // of this step
  double waited_seconds = 0, loader_cpu_seconds = 0;  // for the loader; and what its thread took meanwhile
  std::int64_t frames = 0;                            // of log-mel that its samples have together
};

struct TrainPlan {
  std::int64_t max_steps = 0;
  std::int64_t batch = 1, accumulation = 1;  // batch: how many of the longest utterances a micro-batch has room for
  std::uint64_t seed = 0;
  Schedule schedule;
  AdamW adamw;  // rates and scales are filled in at each step
  double max_grad_norm = 1;
  double loraplus_lr_ratio = 1;  // of B's learning rate to A's
  bool fused_step = false;       // then nothing is clipped or accumulated
  float label_smoothing = 0;
  const LayerPages* drop = nullptr;  // as in Pass
  EncoderCache* cache = nullptr;     // of audio states; only where nothing of the encoder learns

  std::int64_t samples_per_step() const { return batch * accumulation; }
};

class Trainer {
 public:
  // All must outlive the trainer. The optimizer state is zeroed, or read from a checkpoint together with `state`;
  // DoRA's base is measured.
  Trainer(Whisper& model, Backend& backend, OptimizerState& optimizer, LearnMemory& memory,
          const std::vector<Utterance>& utterances, const ExampleMaker& maker, const TrainPlan& plan, RunState& state);

  // Runs until plan.max_steps or until after_step says stop. after_step is called between optimizer steps, where the
  // state may be saved. Error kNumeric when the loss or the gradient is not a number: it names step and utterances, and
  // the weights of the step before are untouched; of a fused step's gradient, it names the parameter, and they are not.
  void run(const std::function<bool(const StepReport&)>& after_step);

  // Backward of the run's first micro-batch, of which `tap` hears; nothing is learnt, and gradients are zero after it.
  // Error kNumeric as run().
  void tap_first(BackwardTap& tap);

  double epochs(std::uint64_t samples) const {
    return static_cast<double>(samples) / static_cast<double>(utterances_.size());
  }

 private:
  std::int64_t tokens_of(const std::vector<MicroBatch>& step) const;
  std::string ids(const MicroBatch& samples) const;  // of its utterances, for messages
  std::string ids();                                 // of all utterances of the step under way
  StepReport step(Loader& loader);
  AdamW update() const;
  void refresh_gains();
  double micro_batch(std::span<const Example> examples, const Pass& pass, float scale);
  void read_states(std::span<const Example> examples, const Pass& pass);  // of batch_, from the cache

  Whisper& model_;
  Backend& backend_;
  OptimizerState& optimizer_;
  LearnMemory& memory_;
  const std::vector<Utterance>& utterances_;
  const ExampleMaker& maker_;
  TrainPlan plan_;
  RunState& state_;
  MicroBatches batches_;
  std::optional<FusedStep> fused_;
  Batch batch_;
  Batch alone_;  // an utterance whose states are to be kept: they must not depend on batch mates, to the bit
  std::vector<BatchItem> items_;
  std::vector<int> target_counts_;  // of each utterance
  int no_speech_targets_ = 0;       // of a sample in which nobody speaks
};

// Most tokens of any utterance's labels: the T that memory is planned for.
std::int64_t longest_labels(const std::vector<Utterance>& utterances, const ExampleMaker& maker);

}  // namespace sori
