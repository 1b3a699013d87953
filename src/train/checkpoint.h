// Folders a run writes: what was learnt, in the layout that PEFT or transformers read, and what a resumed run needs.
#pragma once

#include <functional>

#include "formats/tensor_file.h"
#include "model/lora.h"
#include "train/optimizer.h"
#include "train/run_state.h"

namespace sori {

// What identifies a run. A checkpoint of another identity is refused: resuming must not change what is learnt.
struct RunIdentity {
  Json options;       // those that decide what is learnt
  std::string data;   // hash of the data set
  std::string model;  // hash of the model's config and weights' names and shapes
  std::string compute;
};
Json to_json(const RunIdentity& identity);

struct LearntInfo {
  const LoraConfig* lora = nullptr;  // null: full fine-tuning
  std::string base_model;            // as the user wrote it
  Metadata metadata;                 // language, task, audio_context, data hash
  // Writes the files beside full weights (config.json, tokenizer, ...).
  std::function<void(const Path& folder)> write_side_files;
};

// adapter_config.json and adapter_model.safetensors, or model.safetensors and its side files, into an existing folder.
void write_learnt(const Path& folder, Whisper& model, const LearntInfo& info);

// RUN/checkpoint-<step>, complete or not there at all.
void save_checkpoint(const Path& run, Whisper& model, const OptimizerState& optimizer, const RunState& state,
                     const RunIdentity& identity, std::int64_t max_steps, double epochs, const LearntInfo& info);

// Removes the oldest checkpoints of a run, so that at most this many are left; 0 keeps all.
void keep_newest(const Path& run, std::int64_t most);

// What was logged after a checkpoint was saved, into that checkpoint: the score of its weights.
void save_state(const Path& run, const RunState& state, std::int64_t max_steps, double epochs);

// Newest checkpoint of a run folder by step; empty when there is none.
Path newest_checkpoint(const Path& run);

// How a checkpoint's steps were computed, which a resumed run repeats. Error kCheckpoint for damage.
struct CheckpointArgs {
  std::string compute;
  std::int64_t micro_batch = 0;
};
CheckpointArgs read_checkpoint_args(const Path& checkpoint);

// Reads weights, moments and state back. Error kCheckpoint for another identity (naming what differs), other shapes,
// damage.
RunState load_checkpoint(const Path& checkpoint, Whisper& model, OptimizerState& optimizer,
                         const RunIdentity& identity);

}  // namespace sori
