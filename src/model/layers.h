// The layers Whisper is made of. Members carry Hugging Face's names, so that a name in a file is a path in this tree.
#pragma once

#include <optional>

#include "model/parameter.h"

namespace sori {

// LoRA (Hu et al., "LoRA: low-rank adaptation of large language models", 2021): y += scale * (x a^T) b^T. An adapter
// that carries its start has twice the rank, a = [A; A0] and b = [B, -B0]; the second halves are frozen, and it begins
// with A = A0 and B = B0, as no change.
struct Lora {
  Parameter a;               // [R, in]
  Parameter b;               // [out, R]
  float scale = 1;           // alpha / R
  double dropout = 0;        // of x, while training
  std::uint64_t module = 0;  // keys the dropout mask
  // DoRA's (model/dora.h).
  Parameter magnitude;            // [out]: m; of other adapters absent
  float* gain = nullptr;          // [out]: m / ||W + scale B A||
  float* base_squares = nullptr;  // [out]: ||W||^2

  template <class V>
  void visit(V& v) {
    v("lora_A.weight", a), v("lora_B.weight", b), v("lora_magnitude_vector", magnitude);
  }
};

struct Linear {
  Parameter weight;  // [out, in]
  Parameter bias;    // [out]
  std::optional<Lora> lora;
  bool reads_audio = false;  // rows are audio states: most of the work, and what Compute::int8 is for

  template <class V>
  void visit(V& v) {
    v("weight", weight), v("bias", bias);
    if (lora) lora->visit(v);
  }
  bool trainable() const { return weight.trainable || bias.trainable || lora; }
  bool dora() const { return lora && lora->magnitude.present(); }
};

struct LayerNorm {
  Parameter weight, bias;  // [C]

  template <class V>
  void visit(V& v) {
    v("weight", weight), v("bias", bias);
  }
  bool trainable() const { return weight.trainable || bias.trainable; }
};

// Width 3, padding 1.
struct Conv1d {
  Parameter weight;  // [out, in, 3]
  Parameter bias;    // [out]

  template <class V>
  void visit(V& v) {
    v("weight", weight), v("bias", bias);
  }
  bool trainable() const { return weight.trainable || bias.trainable; }
};

struct Embedding {
  Parameter weight;  // [entries, C]

  template <class V>
  void visit(V& v) {
    v("weight", weight);
  }
};

struct Attention {
  Linear k_proj, v_proj, q_proj, out_proj;  // [C, C]
  int heads = 0;

  // Whisper's key projection has no bias: it would add the same amount to every score of a query, and softmax does not
  // see a constant.
  template <class V>
  void visit(V& v) {
    v("k_proj", k_proj), v("v_proj", v_proj), v("q_proj", q_proj), v("out_proj", out_proj);
  }
};

struct EncoderLayer {
  Attention self_attn;
  LayerNorm self_attn_layer_norm;
  Linear fc1, fc2;  // [F, C], [C, F]
  LayerNorm final_layer_norm;

  template <class V>
  void visit(V& v) {
    v("self_attn", self_attn), v("self_attn_layer_norm", self_attn_layer_norm);
    v("fc1", fc1), v("fc2", fc2), v("final_layer_norm", final_layer_norm);
  }
};

struct DecoderLayer {
  Attention self_attn;
  LayerNorm self_attn_layer_norm;
  Attention encoder_attn;
  LayerNorm encoder_attn_layer_norm;
  Linear fc1, fc2;
  LayerNorm final_layer_norm;

  template <class V>
  void visit(V& v) {
    v("self_attn", self_attn), v("self_attn_layer_norm", self_attn_layer_norm);
    v("encoder_attn", encoder_attn), v("encoder_attn_layer_norm", encoder_attn_layer_norm);
    v("fc1", fc1), v("fc2", fc2), v("final_layer_norm", final_layer_norm);
  }
};

}  // namespace sori
