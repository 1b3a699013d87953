#include "base/clock.h"
#include "base/unicode.h"
#include "cli/cli.h"
#include "cli/model_folder.h"
#include "export/quantise.h"

namespace sori {
namespace {

struct Options {
  std::string model, out, base, embedding = "auto";
  bool overwrite = false;

  void describe(OptionTable& t) {
    t.argument("MODEL", model, "unquantised model folder in the Hugging Face layout");
    t.argument("OUT", out, "model folder to make");
    t.choice("base", base, "format of the linear layers", file_format_names()).required();
    t.choice("embedding", embedding,
             "the tied embedding: 8 bits, which only sori reads, or 16; auto: int8 with nf4, else bf16",
             {"auto", "int8", "bf16"});
    t.flag("overwrite", overwrite, "replace OUT if it is there");
  }
};

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

}  // namespace

int run_quantize(const Verb& verb, const std::vector<std::string>& words, Log& log) {
  Options o;
  std::string json_path;
  if (!parse_verb(verb, words, o, json_path)) return 0;
  const Quantisation how = quantisation_of(*find_file_format(o.base), o.embedding);
  QuantiseOptions options;
  options.overwrite = o.overwrite;
  options.progress = [&](std::int64_t done, std::int64_t total) {
    log.progress("quantize: MiB", done >> 20, total >> 20);
  };
  const auto start = Clock::now();
  const QuantiseReport r = quantise_model(o.model, o.out, how, options);
  const double seconds = seconds_since(start);
  std::string text = error_table(r);
  text += fmt::format("{} as {}, embedding {}: {} from {}, {:.1f} s, in {}\n", printable(o.model), o.base,
                      how.embedding(), format_bytes(r.bytes), format_bytes(r.source_bytes), seconds, printable(o.out));
  text += how.int8_embedding
              ? "only sori reads an int8 embedding; --embedding bf16 makes a folder for transformers too\n"
              : fmt::format("transformers and {} read this folder too\n", how.format->peer());
  if (!r.warning.empty()) text += "warning: " + r.warning + "\n";
  print_result(text);
  Json layers = Json::array();
  for (const QuantiseReport::Layer& l : r.layers) layers.push_back({{"name", l.name}, {"relative_error", l.error}});
  write_json(json_path, {{"base", o.base},
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
