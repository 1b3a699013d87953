// The work of training and of decoding as a list of operations by shape, walked from the model. What is ranked, priced
// in seconds and measured is this one list; the closed formulas follow from it (docs/performance.md).
#pragma once

#include <map>

#include "model/decoder.h"

namespace sori {

enum class OperationKind : std::uint8_t {
  kForward,         // y [rows, out] = x [rows, in] w^T, w [out, in]
  kInputGradient,   // dx [rows, in] = dy [rows, out] w
  kWeightGradient,  // dw [out, in] += dy^T x
  kAttention,       // of `utterances`, each with `rows` queries and `in` keys of `out` columns in `heads` heads
  kAttentionBackward
};
const char* name_of(OperationKind kind);

struct Operation {
  OperationKind kind = OperationKind::kForward;
  std::int64_t rows = 0, in = 0, out = 0;
  std::string format{};                    // of the weight that is read, "bf16", "nf4"; else empty
  std::int64_t utterances = 1, heads = 0;  // of an attention
  bool causal = false;

  bool is_attention() const { return kind >= OperationKind::kAttention; }
  // A multiplication and an addition count two; what a causal mask hides is counted, as it usually is. Attention's
  // backward is five products, its forward two.
  double flop() const;
  double written() const;  // numbers of its result that later operations read; 0 of a weight gradient
  auto operator<=>(const Operation&) const = default;
};

// How often an operation is done.
struct Times {
  std::int64_t forward = 0, backward = 0, recompute = 0;
  std::int64_t all() const { return forward + backward + recompute; }
  std::int64_t useful() const { return forward + backward; }
};

struct Work {
  std::map<Operation, Times> operations;

  // FLOP. Useful: recomputation is a price, not work.
  double forward() const { return sum(&Times::forward); }
  double backward() const { return sum(&Times::backward); }
  double recompute() const { return sum(&Times::recompute); }
  double useful() const { return forward() + backward(); }
  double total() const { return useful() + recompute(); }
  double decoded() const;  // numbers of quantised weights that are decoded

 private:
  double sum(std::int64_t Times::*part) const;
};

// A micro-batch.
struct StepShape {
  std::int64_t utterances = 1, states = 1500, tokens = 32;  // audio states and text tokens of each utterance
  Keep keep = Keep::kEverything;
  bool from_states = false;  // the encoder's states are there already
};

// Forward and backward of a micro-batch. Backward stops at the lowest layer that learns, and what is frozen has no
// weight gradient. The model needs shapes, adapters and marks, and its frozen weights' formats.
Work step_work(Whisper& model, const StepShape& shape);

// Decoding: the encoder on one window, with the keys and values of its states; and one token each for `rows` windows.
Work encode_work(Whisper& model, std::int64_t states);
Work token_work(Whisper& model, std::int64_t rows, std::int64_t states, std::int64_t tokens);

}  // namespace sori
