// Where adapters start from, other than from no change (PEFT's init_lora_weights): singular vectors.
#pragma once

#include <functional>

#include "formats/tensor_file.h"
#include "model/lora.h"
#include "model/svd.h"

namespace sori {

// Memory of a start, which is over before the first step.
struct StartMemory {
  std::unique_ptr<Backend> backend;  // f32, whatever the run computes in
  SvdMemory svd;
  std::span<float> matrix;  // of the largest weight: what loftq's base lost, lora_ga's gradient
};
// Nothing for init "true". For lora_ga it is in use during a backward.
StartMemory carve_start(Carver& c, Whisper& model, const std::string& init);

using AfterEach = std::function<void()>;  // called when an adapter has its start

// PiSSA (Meng, Wang & Zhang, "PiSSA: principal singular values and singular vectors adaptation of large language
// models", NeurIPS 2024; PEFT's "pissa"): A0 = sqrt(S / scale) V^T and B0 = U sqrt(S / scale) of the R largest singular
// triplets of the base, as it decodes. The adapters carry their start.
void start_pissa(Whisper& model, std::uint64_t seed, const StartMemory& m, const AfterEach& after = {});

// LoftQ (Li et al., "LoftQ: LoRA-fine-tuning-aware quantization for large language models", ICLR 2024, algorithm 1;
// PEFT's "loftq") of one iteration: the base is the quantised W itself, and scale * B A is the best of rank R for what
// that lost, W - decoded. More iterations would quantise another base. PEFT leaves the scale out, so the two are equal
// where it is 1. `original`: the file that the base was made of. Error kInput for one that does not fit.
void start_loftq(Whisper& model, const TensorFile& original, std::uint64_t seed, const StartMemory& m,
                 const AfterEach& after = {});

// LoRA-GA (Wang, Yu & Li, "LoRA-GA: low-rank adaptation with gradient approximation", NeurIPS 2024, algorithm 1; PEFT's
// "lora_ga", direction ArB2r): of the singular vectors of the base's gradient, A0 are the first R on the side of the
// input and B0 the next R on the side of the output, both times out^(1/4) / sqrt(16), the paper's stable scale. PEFT
// 0.21 gives that factor to B alone, and multiplies it by the singular values. A tap of one backward through adapters
// whose B is zero: each layer's gradient is there one at a time. The adapters carry their start.
class LoraGaStart final : public BackwardTap {
 public:
  // `learn`: the backend of that backward.
  LoraGaStart(Backend& learn, std::uint64_t seed, const StartMemory& m, AfterEach after = {})
      : learn_(learn), seed_(seed), memory_(m), after_(std::move(after)) {}
  void heard(Linear& l, ConstMat x, ConstMat dy) override;

 private:
  Backend& learn_;
  std::uint64_t seed_;
  const StartMemory& memory_;
  AfterEach after_;
};

}  // namespace sori
