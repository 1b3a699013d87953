#include "cli/layer_formats.h"

#include "base/clock.h"
#include "base/hash.h"
#include "cli/cache_folder.h"
#include "model/stored_weight.h"
#include "plan/shapes.h"

namespace sori {
namespace {

constexpr const char* kMost = "bf16";                    // 16 bits
const std::vector<std::string> kFormats{"nf4", "int8"};  // that layers get beside them

std::uint64_t bytes_of(const NamedShape& weight, const std::string& format) {
  return stored_bytes(weight, weight_nowhere(format, weight.shape[0], weight.shape[1]));
}

// What each layer may be, and what it would cost.
std::vector<LayerOptions> options_of(const Sensitivity& s) {
  std::vector<LayerOptions> layers;
  for (const LayerSensitivity& l : s.layers) {
    std::vector<FormatOption> options{{kMost, bytes_of(l.weight, kMost), 0}};
    for (std::size_t f = 0; f < s.formats.size(); ++f)
      options.push_back({s.formats[f], bytes_of(l.weight, s.formats[f]), l.rises[f]});
    std::ranges::stable_sort(options, {}, &FormatOption::bytes);  // nf4's tables outweigh the codes of tiny layers
    const auto same = std::ranges::unique(options, {}, &FormatOption::bytes);
    options.erase(same.begin(), same.end());
    layers.push_back({l.weight.name, std::move(options)});
  }
  return layers;
}

// Where all layers are stored so; infinite where that was not measured.
double rise_of(const Sensitivity& s, const std::string& format) {
  const auto at = std::ranges::find(s.formats, format);
  if (at == s.formats.end()) return INFINITY;
  double sum = 0;
  for (const LayerSensitivity& l : s.layers) sum += l.rises[static_cast<std::size_t>(at - s.formats.begin())];
  return sum;
}

Json to_json(const Sensitivity& s) {
  Json layers = Json::object();
  for (const LayerSensitivity& l : s.layers) {
    Json rises = Json::object();
    for (std::size_t f = 0; f < s.formats.size(); ++f) rises[s.formats[f]] = l.rises[f];
    layers[module_of(l.weight.name)] = {{"loss_rise", rises}};
  }
  return {{"target_tokens", s.tokens}, {"loss", s.loss}, {"layers", layers}};
}

Sensitivity parse_sensitivity(const Json& json, const WhisperConfig& config, const std::string& where) {
  Sensitivity s{.formats = kFormats,
                .layers = {},
                .loss = json_get<double>(json, "loss", where),
                .tokens = json_get<std::int64_t>(json, "target_tokens", where)};
  const Json& layers = json_member(json, "layers", where);
  for (const NamedShape& t : tensor_list(config)) {
    if (!is_linear(t)) continue;
    const Json& rises = json_member(json_member(layers, module_of(t.name).c_str(), where), "loss_rise", where);
    LayerSensitivity& l = s.layers.emplace_back(LayerSensitivity{t, {}});
    for (const std::string& format : kFormats) l.rises.push_back(json_get<double>(rises, format.c_str(), where));
  }
  return s;
}

std::string line_of(const Sensitivity& s, const std::vector<LayerOptions>& layers, const FormatChoice& chosen) {
  std::map<std::string, int> counts;
  for (std::size_t i = 0; i < layers.size(); ++i) ++counts[layers[i].options[chosen.chosen[i]].format];
  std::string text;
  for (const auto& [format, count] : counts) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, format);
  text += fmt::format("; loss {:.4f} of a token, expected to rise by {:.3g} (", s.loss, chosen.rise);
  for (const std::string& format : s.formats)
    text += fmt::format("{}all {}: {:.3g}", format == s.formats.front() ? "" : ", ", format, rise_of(s, format));
  return text + ")";
}

// Measured once for each model and what it is measured on.
Sensitivity kept_sensitivity(const ModelFolder& model, const CalibrationData& data, Log& log) {
  const Json key{{"sori", SORI_VERSION}, {"source_sha256", model_hash(model)}, {"data", data.record()}};
  const Path file = cache_folder() / fmt::format("sensitivity-{}.json", sha256_hex(to_text(key)));
  std::error_code code;
  if (std::filesystem::exists(file, code)) {
    try {
      Sensitivity s = parse_sensitivity(read_json(file), model.model.config, file.string());
      log.line(fmt::format("what layers mind: {}", file.string()));
      return s;
    } catch (const Error& e) {
      log.line(fmt::format("what layers mind is measured again: {}", e.what()));
    }
  }
  const auto start = Clock::now();
  Sensitivity s = measure_sensitivity(model, data, log);
  Json json{{"key", key}};
  json.update(to_json(s));
  make_folder(file.parent_path());
  write_file(file, to_text(json));
  log.line(
      fmt::format("what layers mind: measured in {}, kept in {}", format_seconds(seconds_since(start)), file.string()));
  return s;
}

// What linear layers may take in this way to run, other matrices being as the base has them.
FormatBudget budget_of(const BaseChoice& base, const RunChoice& run, std::uint64_t ram) {
  Whisper model = base.model;
  const std::uint64_t others = run.memory.resident_bytes() - run.memory.base + base_bytes(model).others,
                      left = ram - std::min(ram, others);
  if (!run.limits.drop_layers) return {.bytes = left};
  // Two layers are there at a time, and the decoder whole where it decodes from memory.
  const bool decoder_stays = run.limits.judge && !run.limits.judge->drop_decoder;
  return {.bytes = left / (2 + (decoder_stays ? model.decoder.layers.size() : 0)), .in_turns = true};
}

// Resident while a run measures: the model's own weights pass through memory.
std::uint64_t measuring_bytes(const ModelFolder& model, const CalibrationData& data, const MemoryPlan& run) {
  Whisper own = model.model;
  const BaseBytes base = base_bytes(own);
  return run.program + run.code + base.others + 2 * base.layer +
         sensitivity_bytes(model.model.config, *model.file, data.calibration(), kFormats);
}

}  // namespace

LayerBytes layer_bytes(const WhisperConfig& config) {
  LayerBytes sum;
  for (const NamedShape& t : tensor_list(config)) {
    if (!is_linear(t)) continue;
    const std::uint64_t sixteen = bytes_of(t, kMost);
    std::uint64_t least = sixteen;
    for (const std::string& format : kFormats) least = std::min(least, bytes_of(t, format));
    sum.sixteen += sixteen, sum.least += least;
  }
  return sum;
}

Sensitivity measure_sensitivity(const ModelFolder& model, const CalibrationData& data, Log& log) {
  return measure_sensitivity(model.model.config, *model.file, data.calibration(), kFormats,
                             [&](std::int64_t done, std::int64_t all) { log.progress("sensitivity", done, all); });
}

ChosenFormats choose_layer_formats(const Sensitivity& s, const FormatBudget& budget) {
  const std::vector<LayerOptions> options = options_of(s);
  const FormatChoice chosen = choose_formats(options, budget);
  ChosenFormats c{.layers = {}, .bytes = chosen.bytes, .rise = chosen.rise, .text = line_of(s, options, chosen)};
  const Json measured = to_json(s);
  Json layers = Json::object();
  for (std::size_t i = 0; i < options.size(); ++i) {
    const std::string& format = options[i].options[chosen.chosen[i]].format;
    const std::string module = module_of(options[i].weight);
    c.layers[options[i].weight] = find_file_format(format);
    layers[module] = {{"format", format}};
    layers[module].update(measured.at("layers").at(module));
  }
  c.record = {{"target_tokens", s.tokens}, {"loss", s.loss}, {"loss_rise", chosen.rise}, {"layers", layers}};
  return c;
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

std::string why_one_format(const TrainOptions& options) {
  if (options.ram.empty()) return "a format for each is chosen under --ram alone, so that the choice can be made again";
  if (options.init_lora_weights == "loftq") return "--init-lora-weights loftq starts from what one format lost";
  return "";
}

std::optional<BaseByLayer> choose_base_by_layer(const Whisper& model, const Sensitivity& s, const BaseChoice& whole,
                                                const RunRequest& request) {
  Whisper in_16_bits = model;
  assume_base(in_16_bits, kMost, false);
  const BaseBytes sixteen = base_bytes(in_16_bits);
  std::optional<BaseByLayer> best;
  double least = rise_of(s, whole.base);
  for (const RunChoice& run : least_runs(whole, request)) {
    FormatBudget budget = budget_of(whole, run, request.ram);
    // In 16 bits throughout it would be no quantised base.
    if (!whole.how->int8_embedding)
      budget.bytes = std::min(budget.bytes, (budget.in_turns ? sixteen.layer : sixteen.encoder + sixteen.decoder) - 1);
    ChosenFormats formats = choose_layer_formats(s, budget);
    if (!(formats.rise < least)) continue;
    BaseChoice base = choose_base(model, {nullptr, whole.how->int8_embedding, formats.layers}, request);
    if (!base.runs.chosen) continue;
    least = formats.rise;
    best = {std::move(base), std::move(formats)};
  }
  return best;
}

std::optional<BaseByLayer> choose_base_by_layer(const ModelFolder& model, const CalibrationData& data,
                                                const BaseChoice& whole, const TrainOptions& options,
                                                const RunRequest& request, Log& log) {
  const auto stays = [&](const std::string& why) {
    log.line(fmt::format("all layers in {}: {}", whole.base, why));
    return std::nullopt;
  };
  if (const std::string why = why_one_format(options); !why.empty()) return stays(why);
  if (const std::uint64_t needed = measuring_bytes(model, data, whole.best().memory); needed > request.ram)
    return stays(fmt::format("measuring what each minds takes {}, and the limit is {}", format_bytes(needed),
                             format_bytes(request.ram)));
  std::optional<BaseByLayer> chosen =
      choose_base_by_layer(model.model, kept_sensitivity(model, data, log), whole, request);
  if (!chosen) return stays(fmt::format("what is left of {} buys no layer more bits", format_bytes(request.ram)));
  Json record = data.record();
  record.update({{"source_sha256", model_hash(model)},
                 {"ram_bytes", request.ram},
                 {"bytes", tensor_bytes(model.path, *chosen->base.how)}});
  record.update(chosen->formats.record);
  chosen->formats.record = std::move(record);
  log.line(fmt::format("base {} in place of {}: {}", chosen->base.base, whole.base, chosen->formats.text));
  const std::string table = format_table(chosen->formats.layers, model.model.config);
  for (const std::string_view line : split_lines(table)) log.line(std::string(line));
  return chosen;
}

}  // namespace sori
