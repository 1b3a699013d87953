#include "plan/work.h"

#include "model/lora.h"
#include "quant/file_format.h"

namespace sori {
namespace {

using Kind = OperationKind;

// What backward wants of a module.
struct Backward {
  bool runs = false;
  bool inputs = true;       // something below learns, or the code that runs does not ask
  bool recomputes = false;  // the layer's forward runs again first
};

class Walker {
 public:
  explicit Walker(const StepShape& shape) : shape_(shape) {}
  Work take() { return std::move(work_); }

  void product(Kind kind, std::int64_t rows, const Parameter& w, std::int64_t Times::*when) {
    Operation o{kind, rows, w.cols(), w.rows()};
    if (kind == Kind::kWeightGradient)
      o.in = w.learning_cols(), o.out = w.learning_rows();
    else
      o.format = format_of(w.weight);
    ++(work_.operations[o].*when);
  }

  // A weight that multiplies, without an adapter: a convolution, the embedding.
  void weight(const Parameter& w, std::int64_t rows, const Backward& b) {
    product(Kind::kForward, rows, w, &Times::forward);
    if (!b.runs) return;
    if (b.inputs) product(Kind::kInputGradient, rows, w, &Times::backward);
    if (w.trainable) product(Kind::kWeightGradient, rows, w, &Times::backward);
  }

  // last: the end of its layer, whose result a recomputation does not want, unless it has a gain.
  void linear(const Linear& l, std::int64_t rows, const Backward& b, bool last = false) {
    weight(l.weight, rows, b);
    const bool again = b.recomputes && (!last || l.dora());
    if (again) product(Kind::kForward, rows, l.weight, &Times::recompute);
    if (!l.lora) return;
    const Parameter &first = l.lora->a, &second = l.lora->b;
    product(Kind::kForward, rows, first, &Times::forward);
    product(Kind::kForward, rows, second, &Times::forward);
    if (!b.runs) return;
    if (b.recomputes) product(Kind::kForward, rows, first, &Times::recompute);
    if (again) product(Kind::kForward, rows, second, &Times::recompute);
    if (l.dora()) product(Kind::kForward, first.rows(), l.weight, &Times::forward);  // norms
    product(Kind::kInputGradient, rows, second, &Times::backward);
    product(Kind::kWeightGradient, rows, second, &Times::backward);
    product(Kind::kWeightGradient, rows, first, &Times::backward);
    if (b.inputs) product(Kind::kInputGradient, rows, first, &Times::backward);
  }

  // key_inputs: the gradient goes on through keys and values.
  void attention(const Attention& a, std::int64_t queries, std::int64_t keys, bool causal, const Backward& b,
                 bool key_inputs = true) {
    const std::int64_t n = shape_.utterances;
    Backward of_keys = b;
    of_keys.inputs = key_inputs;
    linear(a.q_proj, n * queries, b);
    linear(a.k_proj, n * keys, of_keys);
    linear(a.v_proj, n * keys, of_keys);
    linear(a.out_proj, n * queries, b);
    attend(a, queries, keys, causal, b);
  }

  void attend(const Attention& a, std::int64_t queries, std::int64_t keys, bool causal, const Backward& b) {
    Operation o{Kind::kAttention, queries, keys, a.q_proj.weight.rows(), "", shape_.utterances, a.heads, causal};
    ++work_.operations[o].forward;
    if (b.recomputes) ++work_.operations[o].recompute;
    o.kind = Kind::kAttentionBackward;
    if (b.runs) ++work_.operations[o].backward;
  }

  void encoder(Whisper& model, bool trains) {
    Encoder& e = model.encoder;
    const std::int64_t lowest = lowest_learning(e), rows = shape_.utterances * shape_.states;
    const bool convolutions = trains && lowest < 0;
    weight(e.conv1.weight, 2 * rows, {convolutions, false});
    weight(e.conv2.weight, rows, {convolutions});
    for (std::int64_t i = 0; i < std::ssize(e.layers); ++i) {
      const EncoderLayer& l = e.layers[static_cast<std::size_t>(i)];
      const Backward b = layer(trains && i >= lowest);
      attention(l.self_attn, shape_.states, shape_.states, false, b);
      linear(l.fc1, rows, b);
      linear(l.fc2, rows, b, /*last=*/true);
    }
  }

  void decoder(Whisper& model) {
    Decoder& d = model.decoder;
    const bool encoder_learns = lowest_learning(model.encoder) <= std::ssize(model.encoder.layers);
    const std::int64_t lowest = lowest_learning(d, encoder_learns), rows = shape_.utterances * shape_.tokens;
    for (std::int64_t i = 0; i < std::ssize(d.layers); ++i) {
      const DecoderLayer& l = d.layers[static_cast<std::size_t>(i)];
      const Backward b = layer(i >= lowest);
      attention(l.self_attn, shape_.tokens, shape_.tokens, true, b);
      attention(l.encoder_attn, shape_.tokens, shape_.states, false, b, encoder_learns);
      linear(l.fc1, rows, b);
      linear(l.fc2, rows, b, /*last=*/true);
    }
    weight(d.embed_tokens.weight, rows, {true});
  }

 private:
  Backward layer(bool runs) const { return {runs, true, runs && shape_.keep == Keep::kInputs}; }

  const StepShape& shape_;
  Work work_;
};

}  // namespace

const char* name_of(OperationKind kind) {
  switch (kind) {
    case Kind::kForward:
      return "forward";
    case Kind::kInputGradient:
      return "input gradient";
    case Kind::kWeightGradient:
      return "weight gradient";
    case Kind::kAttention:
      return "attention";
    case Kind::kAttentionBackward:
      return "attention backward";
  }
  return "";
}

double Operation::flop() const {
  const double product = 2.0 * static_cast<double>(rows) * static_cast<double>(in) * static_cast<double>(out);
  if (!is_attention()) return product;
  return (kind == Kind::kAttention ? 2 : 5) * product * static_cast<double>(utterances);
}

double Operation::written() const {
  const auto numbers = [](std::int64_t n, std::int64_t width) {
    return static_cast<double>(n) * static_cast<double>(width);
  };
  switch (kind) {
    case Kind::kForward:
      return numbers(rows, out);
    case Kind::kInputGradient:
      return numbers(rows, in);
    case Kind::kWeightGradient:
      return 0;
    case Kind::kAttention:
      return numbers(utterances * rows, out);
    case Kind::kAttentionBackward:
      return numbers(utterances * (rows + 2 * in), out);
  }
  return 0;
}

double Work::sum(std::int64_t Times::*part) const {
  double flop = 0;
  for (const auto& [operation, times] : operations) flop += static_cast<double>(times.*part) * operation.flop();
  return flop;
}

double Work::decoded() const {
  double numbers = 0;
  for (const auto& [o, times] : operations)
    if (find_file_format(o.format))
      numbers += static_cast<double>(times.all()) * static_cast<double>(o.in) * static_cast<double>(o.out);
  return numbers;
}

Work step_work(Whisper& model, const StepShape& shape) {
  Walker walker(shape);
  if (!shape.from_states) walker.encoder(model, /*trains=*/true);
  walker.decoder(model);
  return walker.take();
}

Work encode_work(Whisper& model, std::int64_t states) {
  const StepShape shape{1, states, 0};
  Walker walker(shape);
  walker.encoder(model, /*trains=*/false);
  for (const DecoderLayer& l : model.decoder.layers) {
    walker.linear(l.encoder_attn.k_proj, states, {});
    walker.linear(l.encoder_attn.v_proj, states, {});
  }
  return walker.take();
}

Work token_work(Whisper& model, std::int64_t rows, std::int64_t states, std::int64_t tokens) {
  const StepShape shape{rows, states, 1};
  Walker walker(shape);
  for (const DecoderLayer& l : model.decoder.layers) {
    const Attention &self = l.self_attn, &cross = l.encoder_attn;
    for (const Linear* p :
         {&self.q_proj, &self.k_proj, &self.v_proj, &self.out_proj, &cross.q_proj, &cross.out_proj, &l.fc1, &l.fc2})
      walker.linear(*p, rows, {});
    walker.attend(self, 1, tokens, /*causal=*/true, {});
    walker.attend(cross, 1, states, /*causal=*/false, {});
  }
  walker.weight(model.decoder.embed_tokens.weight, rows, {});
  return walker.take();
}

}  // namespace sori
