// CTranslate2 fuses the products of one input into one tensor and names things its own way; here they come apart again.
#include <set>

#include "base/error.h"
#include "export/source_model.h"
#include "formats/ct2.h"
#include "formats/values.h"

namespace sori {
namespace {

constexpr const char* kRemedy = "convert the model again with CTranslate2's TransformersConverter";

Error bad(const std::string& what, const std::string& where) { return Error{ErrorKind::kInput, what, where, kRemedy}; }

// Where one of Hugging Face's modules lies: rows [part, part + 1) / parts of a tensor.
struct Place {
  std::string_view hf, ct2;
  int part = 0, parts = 1;
};
constexpr Place kModules[] = {{"conv1", "conv1"},
                              {"conv2", "conv2"},
                              {"embed_positions", "position_encodings"},
                              {"embed_tokens", "embeddings"},
                              {"layer_norm", "layer_norm"},
                              {"self_attn.q_proj", "self_attention/linear_0", 0, 3},
                              {"self_attn.k_proj", "self_attention/linear_0", 1, 3},
                              {"self_attn.v_proj", "self_attention/linear_0", 2, 3},
                              {"self_attn.out_proj", "self_attention/linear_1"},
                              {"self_attn_layer_norm", "self_attention/layer_norm"},
                              {"encoder_attn.q_proj", "attention/linear_0"},
                              {"encoder_attn.k_proj", "attention/linear_1", 0, 2},
                              {"encoder_attn.v_proj", "attention/linear_1", 1, 2},
                              {"encoder_attn.out_proj", "attention/linear_2"},
                              {"encoder_attn_layer_norm", "attention/layer_norm"},
                              {"fc1", "ffn/linear_0"},
                              {"fc2", "ffn/linear_1"},
                              {"final_layer_norm", "ffn/layer_norm"}};

// Numbers that say how the model computes: Whisper's, or it is another model. What is not listed here is not known.
struct Scalar {
  std::string_view name;
  std::optional<std::int64_t> value;  // nothing: any
};
constexpr Scalar kScalars[] = {{"activation", 3},  // GELU
                               {"pre_norm", 1},
                               {"scale_embeddings", 0},
                               {"start_from_zero_embedding", 0},
                               {"alibi", 0},
                               {"alibi_use_positive_positions", {}},
                               {"scale_alibi", {}},
                               {"alignment_heads", {}},
                               {"alignment_layer", {}},
                               {"num_heads", {}}};

class Ct2Model {
 public:
  explicit Ct2Model(const Ct2File& file) : file_(file) {
    for (const TensorView& t : file.tensors()) quantised_ |= t.type == DType::kI8 && !t.shape.empty();
  }

  WhisperConfig config() {
    WhisperConfig c;
    const Shape embeddings = dims("decoder/embeddings/weight", 2), conv = dims("encoder/conv1/weight", 3);
    c.vocab_size = narrow(embeddings[0]);
    c.d_model = narrow(embeddings[1]);
    c.mel_bins = narrow(conv[1]);
    c.max_source_positions = narrow(dims("encoder/position_encodings/encodings", 2)[0]);
    c.max_target_positions = narrow(dims("decoder/position_encodings/encodings", 2)[0]);
    c.encoder_layers = layers("encoder");
    c.decoder_layers = layers("decoder");
    c.encoder_heads = narrow(scalar("encoder/num_heads"));
    c.decoder_heads = narrow(scalar("decoder/num_heads"));
    c.encoder_ffn = narrow(dims("encoder/layer_0/ffn/linear_0/weight", 2)[0]);
    c.decoder_ffn = narrow(dims("decoder/layer_0/ffn/linear_0/weight", 2)[0]);
    check(c, file_.where());
    return c;
  }

  OutTensor tensor(const NamedShape& wanted) {
    const auto [name, place] = locate(wanted.name);
    const TensorView& t = slice_of(name, place, wanted);
    const std::string_view module = std::string_view(name).substr(0, name.rfind('/'));
    if (wanted.name.ends_with("k_proj.weight")) require_zero_bias(std::string(module), place);
    if (t.type == DType::kI8) return dequantised(t, name + "_scale", place, wanted);
    if (!is_float(t.type))
      throw bad(fmt::format("tensor has type {}, not f32, f16, bf16 or i8", name_of(t.type)), at(name));
    const std::size_t bytes = t.bytes.size() / place.parts;
    const auto slice = t.bytes.subspan(bytes * place.part, bytes);
    if (!quantised_ || t.type == DType::kF32)
      return unchanged({wanted.name, t.type, wanted.shape}, slice, file_.where());
    const TensorView view{{wanted.name, t.type, wanted.shape}, slice};
    const std::int64_t cols = row_length(wanted.shape);
    return computed(
        {wanted.name, DType::kF32, wanted.shape},
        [view, cols](std::int64_t row, std::span<float> values) { read_floats(view, row * cols, values); },
        file_.where());
  }

  // Everything that was not asked for is a known number, or the output projection, which is the embedding.
  void account_for_others() {
    for (const TensorView& t : file_.tensors()) {
      if (used_.contains(t.name)) continue;
      if (t.name == "decoder/projection/weight" || t.name == "decoder/projection/weight_scale") {
        require_tied(t);
      } else {
        check_scalar(t);
      }
    }
  }

 private:
  std::string at(const std::string& name) const { return file_.where() + ": " + name; }

  // Clamped before it is narrowed; check() refuses what was clamped.
  static int narrow(std::int64_t n) { return static_cast<int>(std::clamp<std::int64_t>(n, -1, INT32_MAX)); }

  Shape dims(const std::string& name, std::size_t rank) {
    const TensorView& t = file_.get(name);
    if (t.shape.size() != rank) throw bad(fmt::format("tensor has shape {}", to_text(t.shape)), at(name));
    return t.shape;
  }

  int layers(const std::string& side) {
    int n = 0;
    while (file_.find(fmt::format("{}/layer_{}/ffn/linear_0/weight", side, n))) ++n;
    return n;
  }

  std::int64_t scalar(const std::string& name) {
    const auto value = integer_value(file_.get(name));
    if (!value) throw bad("is no single integer", at(name));
    return *value;
  }

  // "model.encoder.layers.3.self_attn.k_proj.weight" -> "encoder/layer_3/self_attention/linear_0/weight", part 1 of 3.
  static std::pair<std::string, Place> locate(std::string_view hf) {
    hf.remove_prefix(std::string_view("model.").size());
    std::string name(hf.substr(0, 7));  // encoder, decoder
    hf.remove_prefix(8);
    if (hf.starts_with("layers.")) {
      hf.remove_prefix(7);
      const std::size_t end = hf.find('.');
      name += fmt::format("/layer_{}", hf.substr(0, end));
      hf.remove_prefix(end + 1);
    }
    const std::string_view module = hf.substr(0, hf.rfind('.')), leaf = hf.substr(hf.rfind('.') + 1);
    const auto place =
        std::find_if(std::begin(kModules), std::end(kModules), [&](const Place& p) { return p.hf == module; });
    require(place != std::end(kModules), "every module of Whisper has a place in CTranslate2");
    std::string_view ending = leaf;
    if (module.ends_with("layer_norm")) ending = leaf == "weight" ? "gamma" : "beta";
    if (module == "embed_positions") ending = "encodings";
    return {fmt::format("{}/{}/{}", name, place->ct2, ending), *place};
  }

  // The stored tensor, whose shape is the wanted one with `parts` times the rows.
  const TensorView& slice_of(const std::string& name, const Place& place, const NamedShape& wanted) {
    const TensorView& t = file_.get(name);
    Shape whole = wanted.shape;
    whole[0] *= place.parts;
    if (t.shape != whole)
      throw bad(fmt::format("tensor has shape {}, the model needs {}", to_text(t.shape), to_text(whole)), at(name));
    used_.insert(name);
    return t;
  }

  void require_zero_bias(const std::string& module, const Place& place) {
    const TensorView& bias = file_.get(module + "/bias");
    const std::int64_t n = element_count(bias.shape) / place.parts;
    if (!is_float(bias.type)) throw bad("is not f32, f16 or bf16", at(bias.name));
    std::vector<float> values(static_cast<std::size_t>(n));
    read_floats(bias, n * place.part, values);
    if (std::any_of(values.begin(), values.end(), [](float v) { return v != 0; }))
      throw bad("has a bias on the keys, which Whisper does not have", at(bias.name));
  }

  // q / scale, with one scale for each row.
  OutTensor dequantised(const TensorView& t, const std::string& scale_name, const Place& place,
                        const NamedShape& wanted) {
    const TensorView& scale = file_.get(scale_name);
    if (scale.type != DType::kF32 || scale.shape != Shape{t.shape[0]})
      throw bad(fmt::format("is not f32 {}", to_text(Shape{t.shape[0]})), at(scale_name));
    used_.insert(scale_name);
    const std::int64_t cols = row_length(t.shape), first = wanted.shape[0] * place.part;
    auto fill = [&t, &scale, cols, first, where = at(scale_name)](std::int64_t row, std::span<float> values) {
      float s = 0;
      read_floats(scale, first + row, {&s, 1});
      if (!(s > 0) || !std::isfinite(s))
        throw Error{ErrorKind::kNumeric, "has a scale that is not positive", where, kRemedy};
      read_floats(t, (first + row) * cols, values);
      for (float& v : values) v /= s;
    };
    return computed({wanted.name, DType::kF32, wanted.shape}, std::move(fill), file_.where());
  }

  void require_tied(const TensorView& t) {
    const TensorView& embedding =
        file_.get(t.name.ends_with("_scale") ? "decoder/embeddings/weight_scale" : "decoder/embeddings/weight");
    const bool same = t.type == embedding.type && t.bytes.size() == embedding.bytes.size() &&
                      (t.bytes.data() == embedding.bytes.data() ||
                       std::memcmp(t.bytes.data(), embedding.bytes.data(), t.bytes.size()) == 0);
    if (!same) throw bad("differs from the embedding, to which Whisper ties it", at(t.name));
  }

  void check_scalar(const TensorView& t) {
    const std::string_view ending = std::string_view(t.name).substr(t.name.rfind('/') + 1);
    const auto known =
        std::find_if(std::begin(kScalars), std::end(kScalars), [&](const Scalar& s) { return s.name == ending; });
    if (known == std::end(kScalars)) throw bad("holds a tensor that Whisper does not have: " + t.name, file_.where());
    const auto value = integer_value(t);
    if (!value || (known->value && *value != *known->value)) throw bad("has a value that is not Whisper's", at(t.name));
  }

  const Ct2File& file_;
  bool quantised_ = false;
  std::set<std::string, std::less<>> used_;
};

}  // namespace

SourceModel open_ct2_model(const Path& folder) {
  auto file = std::make_unique<Ct2File>(folder / "model.bin");
  if (file->spec() != "WhisperSpec" || file->revision() != 3)
    throw bad("is no Whisper model of revision 3", file->where());
  Ct2Model ct2(*file);
  SourceModel model;
  model.config = ct2.config();
  for (const NamedShape& wanted : tensor_list(model.config)) model.tensors.push_back(ct2.tensor(wanted));
  ct2.account_for_others();

  const Json json = read_json(folder / "config.json");
  constexpr std::pair<const char*, const char*> kLists[] = {{"suppress_ids", "suppress_tokens"},
                                                            {"suppress_ids_begin", "begin_suppress_tokens"},
                                                            {"alignment_heads", "alignment_heads"},
                                                            {"lang_ids", "lang_ids"}};
  for (const auto& [from, to] : kLists)
    if (json.contains(from) && json[from].is_array()) model.lists[to] = json[from];
  model.file = std::move(file);
  return model;
}

}  // namespace sori
