// The whole model as a tree of layers (Radford et al., "Robust speech recognition via large-scale weak supervision",
// 2022, figure 1): shapes first, then memory, then numbers.
#pragma once

#include "model/config.h"
#include "model/layers.h"

namespace sori {

struct Encoder {
  Conv1d conv1, conv2;        // [C, M, 3] stride 1, [C, C, 3] stride 2
  Embedding embed_positions;  // [1500, C] sinusoids; never trained
  std::vector<EncoderLayer> layers;
  LayerNorm layer_norm;

  template <class V>
  void visit(V& v) {
    v("conv1", conv1), v("conv2", conv2), v("embed_positions", embed_positions), v("layers", layers),
        v("layer_norm", layer_norm);
  }
};

struct Decoder {
  Embedding embed_tokens;     // [V, C], tied to the output projection
  Embedding embed_positions;  // [448, C]
  std::vector<DecoderLayer> layers;
  LayerNorm layer_norm;

  template <class V>
  void visit(V& v) {
    v("embed_tokens", embed_tokens), v("embed_positions", embed_positions), v("layers", layers),
        v("layer_norm", layer_norm);
  }
};

struct Whisper {
  WhisperConfig config;
  Encoder encoder;
  Decoder decoder;

  template <class V>
  void visit(V& v) {
    v("model.encoder", encoder), v("model.decoder", decoder);
  }
};

// The tree with every shape and no numbers: enough to list, to count and to plan.
Whisper make_whisper(const WhisperConfig& config);

// Marks what full fine-tuning learns: everything but the encoder's positions. Matrices are kept in f32 or bf16, vectors
// in f32.
void train_everything(Whisper& model, DType matrices = DType::kF32);

// Of everything, leaves marked what one of these names in a part of the model ("encoder", "decoder" or "both"): all;
// last-N, the last N layers of each side; norms, the LayerNorms (Zhao et al., "Tuning LayerNorm in attention", 2023);
// biases, those of LayerNorms too (BitFit: Ben Zaken et al., 2022). Error kUsage for another name, or for more layers
// than there are.
void freeze_others(Whisper& model, const std::vector<std::string>& parts, const std::string& scope);

// "model.encoder.conv1.weight" is in "encoder" and in "both".
bool in_scope(const std::string& name, const std::string& scope);

// Marks what is kept of all that learns, before memory is planned. moments: f32, or u8 for codes, which tensors of less
// than kLeastCoded numbers do not get. fused_step: the optimizer steps inside backward, so matrices share the memory of
// one gradient; only the tied embedding, whose gradient has two sources, has its own.
void keep_little(Whisper& model, DType moments, bool fused_step);
inline constexpr std::int64_t kLeastCoded = 4096;  // bitsandbytes' min_8bit_size

}  // namespace sori
