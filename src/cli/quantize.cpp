#include "base/clock.h"
#include "base/process_memory.h"
#include "base/unicode.h"
#include "cli/cli.h"
#include "cli/layer_formats.h"

namespace sori {
namespace {

constexpr const char* kAuto = "auto";

struct Options {
  std::string model, out, base, layers, ram, embedding = kAuto;
  CalibrationOptions calibration;
  bool overwrite = false;

  void describe(OptionTable& t) {
    t.argument("MODEL", model, "unquantised model folder in the Hugging Face layout");
    t.argument("OUT", out, "model folder to make");
    std::vector<std::string> bases = file_format_names();
    bases.insert(bases.end(), {kAuto, std::string(kMixedBase)});
    t.choice("base", base,
             "format of the linear layers; auto: nf4, and int8 or 16 bits for those that lower the loss on --data most "
             "for their bytes, while all tensors fit into --ram; mixed: of each the one that --layers names",
             bases)
        .required();
    t.text("ram", ram, "of --base auto: bytes of all tensors together, as 1200M");
    calibration.describe(t);
    t.path("layers", layers, "config.json of a mixed folder of the same model size: its map of layers to formats");
    t.choice("embedding", embedding,
             "the tied embedding: 8 bits, which only sori reads, or 16; auto: int8 with nf4 and --base auto, else bf16",
             {kAuto, "int8", "bf16"});
    t.flag("overwrite", overwrite, "replace OUT if it is there");
  }

  void check() const {
    if (layers.empty() == (base == kMixedBase))
      throw Error{ErrorKind::kUsage, "--base mixed and --layers go together", "", "give both, or a single format"};
    const bool measures = base == kAuto;
    if (ram.empty() == measures || calibration.data.empty() == measures)
      throw Error{ErrorKind::kUsage, "--base auto, --data and --ram go together", "",
                  "give all three, or a single format"};
  }
};

struct Choice {
  Quantisation how;
  Json record{};       // where it was measured
  std::string text{};  // the same in a line
};

// Bytes of everything that is no linear layer.
std::uint64_t other_bytes(const Options& o, const WhisperConfig& config, bool int8_embedding) {
  Quantisation how{.int8_embedding = int8_embedding};
  for (const NamedShape& t : tensor_list(config))
    if (is_linear(t)) how.layers[t.name] = nullptr;
  return tensor_bytes(o.model, how) - layer_bytes(config).sixteen;
}

// Most bits where they are missed most, under a budget of bytes.
Choice measured_choice(const Options& o, Log& log) {
  const ModelFolder model = open_model(o.model);
  const WhisperConfig& config = model.model.config;
  const std::uint64_t budget = memory_limit(o.ram);
  const auto [sixteen, least] = layer_bytes(config);
  const std::uint64_t plain = other_bytes(o, config, false),
                      others = o.embedding == "bf16" ? plain : other_bytes(o, config, true);
  if (plain + sixteen <= budget)
    throw Error{ErrorKind::kUsage, fmt::format("fits into {} with 16 bits throughout", format_bytes(budget)), o.model,
                "use it as it is, or lower --ram"};
  if (others + least > budget)
    throw Error{
        ErrorKind::kMemory,
        fmt::format("takes {} at least, and the limit is {}", format_bytes(others + least), format_bytes(budget)),
        o.model, fmt::format("the nearest that fits is --ram {}K", ((others + least) >> 10) + 1)};
  const CalibrationData data = CalibrationData::load(o.calibration, model);
  ChosenFormats chosen = choose_layer_formats(measure_sensitivity(model, data, log), {.bytes = budget - others});
  Json record = data.record();
  record.update({{"source_sha256", model_hash(model)}, {"budget_bytes", budget}, {"bytes", others + chosen.bytes}});
  record.update(chosen.record);
  return {quantisation_of(std::move(chosen.layers), o.embedding == kAuto ? "int8" : o.embedding), std::move(record),
          chosen.text + "\n"};
}

Choice choose(const Options& o, Log& log) {
  if (o.base == kAuto) return measured_choice(o, log);
  if (o.base != kMixedBase) return {quantisation_of(*find_file_format(o.base), o.embedding)};
  const Path config = Path(o.model) / "config.json";
  const Json described = json_get<Json>(read_json(o.layers), "quantization_config", o.layers);
  return {quantisation_of(parse_layer_formats(json_get<Json>(described, "layers", o.layers),
                                              parse_config(read_json(config), config.string()), o.layers),
                          o.embedding)};
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
  { const AtomicFolder can_be_made(o.out, existing_model(o.out, o.overwrite, {o.model})); }  // before measuring
  const Choice choice = choose(o, log);
  const Quantisation& how = choice.how;
  QuantiseOptions options;
  options.overwrite = o.overwrite;
  options.record = choice.record;
  options.progress = [&](std::int64_t done, std::int64_t total) {
    log.progress("quantize: MiB", done >> 20, total >> 20);
  };
  const auto start = Clock::now();
  const QuantiseReport r = quantise_model(o.model, o.out, how, options);
  const double seconds = seconds_since(start);
  std::string text = error_table(r);
  if (!how.format) text += format_table(how.layers, r.config);
  text += choice.text;
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
                         {"choice", choice.record},
                         {"layers", layers}});
  return 0;
}

}  // namespace sori
