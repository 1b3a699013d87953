// Where adapters start from, other than from no change (PEFT's init_lora_weights): singular vectors.
#pragma once

#include "formats/tensor_file.h"
#include "model/lora.h"
#include "model/svd.h"

namespace sori {

// Memory of a start, which is over before the first step.
struct StartMemory {
  std::unique_ptr<Backend> backend;  // f32, whatever the run computes in
  SvdMemory svd;
  std::span<float> difference;  // loftq's, of the largest weight
};
// Nothing for init "true".
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

}  // namespace sori
