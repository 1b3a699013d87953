#include "base/clock.h"
#include "base/unicode.h"
#include "cli/cli.h"
#include "cli/model_folder.h"
#include "export/quantise.h"

namespace sori {
namespace {

struct Options {
  std::string model, out, base, layers, embedding = "auto";
  bool overwrite = false;

  void describe(OptionTable& t) {
    t.argument("MODEL", model, "unquantised model folder in the Hugging Face layout");
    t.argument("OUT", out, "model folder to make");
    std::vector<std::string> bases = file_format_names();
    bases.emplace_back(kMixedBase);
    t.choice("base", base, "format of the linear layers; mixed: of each the one that --layers names", bases).required();
    t.path("layers", layers, "config.json of a mixed folder of the same model size: its map of layers to formats");
    t.choice("embedding", embedding,
             "the tied embedding: 8 bits, which only sori reads, or 16; auto: int8 with nf4, else bf16",
             {"auto", "int8", "bf16"});
    t.flag("overwrite", overwrite, "replace OUT if it is there");
  }

  void check() const {
    if (layers.empty() == (base == kMixedBase))
      throw Error{ErrorKind::kUsage, "--base mixed and --layers go together", "", "give both, or a single format"};
  }
};

Quantisation quantisation(const Options& o) {
  if (o.base != kMixedBase) return quantisation_of(*find_file_format(o.base), o.embedding);
  const Path config = Path(o.model) / "config.json";
  const Json described = json_get<Json>(read_json(o.layers), "quantization_config", o.layers);
  return quantisation_of(parse_layer_formats(json_get<Json>(described, "layers", o.layers),
                                             parse_config(read_json(config), config.string()), o.layers),
                         o.embedding);
}

struct Kind {
  int layers = 0;
  double sum = 0, most = 0;
};

std::string error_table(const QuantiseReport& r) {
  std::vector<std::string> order;
  std::map<std::string, Kind> kinds;
  for (const QuantiseReport::Layer& l : r.layers) {
    Kind& k = kinds[l.kind];
    if (k.layers++ == 0) order.push_back(l.kind);
    k.sum += l.error, k.most = std::max(k.most, l.error);
  }
  std::string text = fmt::format("{:<32} {:>7} {:>9} {:>9}\n", "relative error", "layers", "mean", "most");
  for (const std::string& name : order) {
    const Kind& k = kinds[name];
    text += fmt::format("  {:<30} {:>7} {:>8.3f}% {:>8.3f}%\n", name, k.layers, 100 * k.sum / k.layers, 100 * k.most);
  }
  return text + fmt::format("worst: {} {:.3f}%\n", r.worst().name, 100 * r.worst().error);
}

// A row a layer of encoder and decoder, a column a kind of matrix.
std::string format_table(const LayerFormats& layers, const WhisperConfig& config) {
  constexpr const char* kKinds[] = {"self_attn.q_proj",
                                    "self_attn.k_proj",
                                    "self_attn.v_proj",
                                    "self_attn.out_proj",
                                    "encoder_attn.q_proj",
                                    "encoder_attn.k_proj",
                                    "encoder_attn.v_proj",
                                    "encoder_attn.out_proj",
                                    "fc1",
                                    "fc2"};
  std::string text =
      fmt::format("{:<12}{:<26}{:<26}{:<5}  {:<5}\n{:<12}", "format", "self_attn", "encoder_attn", "fc1", "fc2", "");
  for (int i = 0; i < 2; ++i) text += fmt::format("{:<6}{:<6}{:<6}{:<8}", "q", "k", "v", "out");
  text += "\n";
  for (const auto& [side, count] : {std::pair{"encoder", config.encoder_layers}, {"decoder", config.decoder_layers}})
    for (int i = 0; i < count; ++i) {
      text += fmt::format("{:<12}", fmt::format("{} {}", side, i));
      for (const std::string kind : kKinds) {
        const auto layer = layers.find(fmt::format("model.{}.layers.{}.{}.weight", side, i, kind));
        const std::string_view format = layer == layers.end() ? "" : layer->second ? layer->second->name() : "bf16";
        text += fmt::format("{:<{}}", format, kind.ends_with("out_proj") ? 8 : kind == "fc1" ? 7 : 6);
      }
      text.erase(text.find_last_not_of(' ') + 1);
      text += "\n";
    }
  return text;
}

std::string readers(const Quantisation& how) {
  if (!how.format) return "only sori reads a base that mixes formats\n";
  if (how.int8_embedding)
    return "only sori reads an int8 embedding; --embedding bf16 makes a folder for transformers too\n";
  return fmt::format("transformers and {} read this folder too\n", how.format->peer());
}

}  // namespace

int run_quantize(const Verb& verb, const std::vector<std::string>& words, Log& log) {
  Options o;
  std::string json_path;
  if (!parse_verb(verb, words, o, json_path)) return 0;
  o.check();
  const Quantisation how = quantisation(o);
  QuantiseOptions options;
  options.overwrite = o.overwrite;
  options.progress = [&](std::int64_t done, std::int64_t total) {
    log.progress("quantize: MiB", done >> 20, total >> 20);
  };
  const auto start = Clock::now();
  const QuantiseReport r = quantise_model(o.model, o.out, how, options);
  const double seconds = seconds_since(start);
  std::string text = error_table(r);
  if (!how.format) text += format_table(how.layers, r.config);
  text += fmt::format("{} as {}, embedding {}: {} from {}, {:.1f} s, in {}\n", printable(o.model), how.base(),
                      how.embedding(), format_bytes(r.bytes), format_bytes(r.source_bytes), seconds, printable(o.out));
  text += readers(how);
  if (!r.warning.empty()) text += "warning: " + r.warning + "\n";
  print_result(text);
  Json layers = Json::array();
  for (const QuantiseReport::Layer& l : r.layers)
    layers.push_back({{"name", l.name}, {"format", l.format}, {"relative_error", l.error}});
  write_json(json_path, {{"base", how.base()},
                         {"embedding", how.embedding()},
                         {"source_sha256", r.source_hash},
                         {"source_bytes", r.source_bytes},
                         {"bytes", r.bytes},
                         {"seconds", seconds},
                         {"worst", r.worst().name},
                         {"layers", layers}});
  return 0;
}

}  // namespace sori
