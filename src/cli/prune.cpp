// sori prune: the layers that a model misses least, left out.
#include "export/prune.h"

#include "base/unicode.h"
#include "cli/calibration_data.h"
#include "cli/cli.h"
#include "lighten/drop_layers.h"

namespace sori {
namespace {

struct Options {
  std::string model, out, side = "both";
  int drop_layers = 0;
  CalibrationOptions calibration;
  bool overwrite = false;

  void describe(OptionTable& t) {
    t.argument("MODEL", model, "unquantised model folder in the Hugging Face layout");
    t.argument("OUT", out, "model folder to make");
    t.integer("drop-layers", drop_layers,
              "leave out so many layers, one after the other: each time the one without which the loss on --data is "
              "lowest",
              1, 126)
        .required();
    t.choice("side", side, "of the encoder, of the decoder, or of both together", {"both", "encoder", "decoder"});
    calibration.describe(t).required();
    t.flag("overwrite", overwrite, "replace OUT if it is there");
  }

  std::vector<Side> sides() const {
    if (side == "encoder") return {Side::kEncoder};
    if (side == "decoder") return {Side::kDecoder};
    return {Side::kEncoder, Side::kDecoder};
  }
};

LayerDrop choose(const Options& o, const ModelFolder& model, const CalibrationData& data, Log& log) {
  if (is_quantised(model.base))
    throw Error{ErrorKind::kInput, fmt::format("is quantised ({})", model.base), o.model,
                "name the unquantised model it was made from, and quantise what is left"};
  return choose_layers_to_drop(model.model.config, *model.file, data.calibration(), o.sides(), o.drop_layers,
                               [&](std::int64_t done, std::int64_t all) { log.progress("layers", done, all); });
}

Json record_of(const LayerDrop& drop, const ModelFolder& model, const CalibrationData& data) {
  Json dropped = Json::array();
  for (const DroppedLayer& d : drop.dropped)
    dropped.push_back({{"side", name_of(d.side)}, {"layer", d.layer}, {"loss", d.loss}});
  Json record = data.record();
  record.update({{"source_sha256", model_hash(model)},
                 {"target_tokens", drop.tokens},
                 {"loss", drop.loss},
                 {"dropped", dropped}});
  return record;
}

}  // namespace

int run_prune(const Verb& verb, const std::vector<std::string>& words, Log& log) {
  Options o;
  std::string json_path;
  if (!parse_verb(verb, words, o, json_path)) return 0;
  const ModelFolder model = open_model(o.model);
  const CalibrationData data = CalibrationData::load(o.calibration, model);
  { const AtomicFolder can_be_made(o.out, existing_model(o.out, o.overwrite, {o.model})); }  // before measuring
  const LayerDrop drop = choose(o, model, data, log);
  const WhisperConfig& whole = model.model.config;
  PruneOptions options;
  options.overwrite = o.overwrite;
  options.record = record_of(drop, model, data);
  options.progress = [&](std::int64_t done, std::int64_t total) {
    log.progress("prune: MiB", done >> 20, total >> 20);
  };
  const PruneReport r = prune_model(
      o.model, o.out,
      {drop.kept(Side::kEncoder, whole.encoder_layers), drop.kept(Side::kDecoder, whole.decoder_layers)}, options);
  std::string text = fmt::format("{:<14}loss of a token\n{:<14}{:.4f}\n", "", "whole", drop.loss);
  for (const DroppedLayer& d : drop.dropped)
    text += fmt::format("{:<14}{:.4f}\n", fmt::format("- {} {}", name_of(d.side), d.layer), d.loss);
  text += fmt::format(
      "{} + {} layers of {} + {}; {} from {}, in {}\nlearn again what went with them: sori train --model {}\n",
      r.config.encoder_layers, r.config.decoder_layers, whole.encoder_layers, whole.decoder_layers,
      format_bytes(r.bytes), format_bytes(r.source_bytes), printable(o.out), printable(o.out));
  print_result(text);
  Json result = options.record;
  result.update({{"encoder_layers", r.config.encoder_layers},
                 {"decoder_layers", r.config.decoder_layers},
                 {"source_bytes", r.source_bytes},
                 {"bytes", r.bytes}});
  write_json(json_path, result);
  return 0;
}

}  // namespace sori
