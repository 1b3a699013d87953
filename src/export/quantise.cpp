#include "export/quantise.h"

#include <deque>
#include <set>

#include "base/error.h"
#include "base/threads.h"
#include "export/source_model.h"
#include "formats/values.h"
#include "model/model_hash.h"

namespace sori {
namespace {

constexpr std::int64_t kPiece = std::int64_t{1} << 14;  // numbers that a thread compares at a time
constexpr int kSmallWidth = 512;                        // tiny and base: docs/quantisation.md measures them
constexpr std::string_view kSixteenBits = "bf16";       // as files call them; f16 stays f16
constexpr const char* kWeight = ".weight";

// What a matrix that is not quantised, or a vector, is stored as.
DType kept_type(const NamedShape& t, DType source) {
  return t.shape.size() > 1 && source == DType::kF32 ? DType::kBF16 : source;
}

// Sum of squares; in f32 over at most kPiece numbers, of which each lane adds a sixteenth.
double sum_squares(std::span<const float> x) {
  std::array<float, 16> lanes{};
  const std::size_t whole = x.size() / lanes.size() * lanes.size();
  for (std::size_t i = 0; i < whole; i += lanes.size())
    for (std::size_t l = 0; l < lanes.size(); ++l) lanes[l] += x[i + l] * x[i + l];
  double sum = 0;
  for (const float lane : lanes) sum += lane;
  for (std::size_t i = whole; i < x.size(); ++i) sum += x[i] * x[i];
  return sum;
}

double relative_error(const Numbers& n, const BaseWeight& decoded) {
  const std::int64_t rows = std::max<std::int64_t>(1, kPiece / n.cols), pieces = (n.rows + rows - 1) / rows;
  struct Sums {
    double weight = 0, change = 0;
  };
  std::vector<Sums> sums(static_cast<std::size_t>(pieces));
  parallel_for(pieces, [&](std::int64_t i) {
    const std::int64_t first = i * rows, count = std::min(rows, n.rows - first);
    std::vector<float> original(static_cast<std::size_t>(count * n.cols)), found(original.size());
    n.read(first * n.cols, original);
    std::visit(
        [&](const auto& w) {
          for (std::int64_t r = 0; r < count; ++r)
            decode(w, first + r, 0,
                   std::span(found).subspan(static_cast<std::size_t>(r * n.cols), static_cast<std::size_t>(n.cols)));
        },
        decoded);
    Sums& s = sums[static_cast<std::size_t>(i)];
    s.weight = sum_squares(original);
    for (std::size_t k = 0; k < found.size(); ++k) found[k] -= original[k];
    s.change = sum_squares(found);
  });
  Sums all;
  for (const Sums& s : sums) all.weight += s.weight, all.change += s.change;
  return all.weight > 0 ? std::sqrt(all.change / all.weight) : 0;
}

// A weight on its way into the file. Its parts are made when the first one is asked for, and each is dropped when it is
// written.
class QuantisedWeight {
 public:
  QuantisedWeight(const TensorFile& file, const TensorView& source, const FileFormat& format, const std::string& dtype)
      : file_(file), source_(source), format_(format), where_(file.where() + ": " + source.name) {
    numbers_ = {source.shape[0], source.shape[1], dtype, [this](std::int64_t first, std::span<float> out) {
                  const std::size_t size = size_of(source_.type);
                  read_floats(source_, first, out);
                  if (!all_finite(source_.type,
                                  source_.bytes.subspan(static_cast<std::size_t>(first) * size, out.size() * size)))
                    throw Error{ErrorKind::kNumeric, "tensor holds NaN or infinity", where_,
                                "use another copy of the model; this one is damaged"};
                }};
  }
  QuantisedWeight(const QuantisedWeight&) = delete;
  QuantisedWeight& operator=(const QuantisedWeight&) = delete;

  void write(std::size_t part, const ByteSink& sink) {
    if (bytes_.empty()) make();
    sink(bytes_[part]);
    std::vector<std::byte>().swap(bytes_[part]);
  }
  double error() const { return error_; }

 private:
  void make() {
    QuantisedNumbers made = quantise(format_, numbers_, where_);
    error_ = relative_error(numbers_, made.weight);
    bytes_ = std::move(made.parts);
    file_.drop_pages(source_);
  }

  const TensorFile& file_;
  const TensorView& source_;
  const FileFormat& format_;
  std::string where_;
  Numbers numbers_;
  std::vector<std::vector<std::byte>> bytes_;
  double error_ = 0;
};

const FileFormat* format_of(const NamedShape& t, const Quantisation& how) {
  if (is_linear(t)) return how.format ? how.format : how.layers.at(t.name);
  return how.int8_embedding && t.name == kTokenEmbedding ? find_file_format(Int8::kFormat) : nullptr;
}

OutTensor kept(const TensorFile& file, const TensorView& source) {
  const DType type = kept_type({source.name, source.shape}, source.type);
  const std::int64_t cols = row_length(source.shape);
  const auto read = [&source, cols](std::int64_t row, std::span<float> values) {
    read_floats(source, row * cols, values);
  };
  OutTensor out = type == source.type ? unchanged(source, source.bytes, file.where())
                                      : computed({source.name, type, source.shape}, read, file.where());
  out.release = [&file, &source] { file.drop_pages(source); };
  return out;
}

std::string kind_of(const std::string& name) {  // "model.encoder.layers.3.fc1.weight" -> "encoder.fc1"
  constexpr std::string_view kBefore = "model.", kAfter = ".weight", kLayers = ".layers.";
  std::string kind = name.substr(kBefore.size(), name.size() - kBefore.size() - kAfter.size());
  if (const std::size_t at = kind.find(kLayers); at != std::string::npos)
    kind.erase(at, kind.find('.', at + kLayers.size()) - at);
  return kind;
}

// Those of the source, of which config.json says how the weights are stored. Of a mixed base it names no quant_method:
// without one transformers refuses the folder, while with one that it does not know it warns and takes codes for
// numbers (quantizers/auto.py, supports_quant_method).
std::vector<SideFile> quantised_side_files(const Path& model, const SourceModel& source, const Quantisation& how,
                                           DType type) {
  std::vector<SideFile> files = side_files(model, source.config, type, source.lists, Copied::kAll);
  const std::string dtype = config_name_of(type);
  for (SideFile& file : files) {
    if (file.name != "config.json") continue;
    Json config = parse_json(file.content, (model / file.name).string());
    config["quantization_config"] =
        how.format ? how.format->config(dtype) : Json{{"layers", to_json(how.layers, source.config)}};
    for (const char* key : {"dtype", "torch_dtype"}) config[key] = dtype;
    file.content = to_text(config);
  }
  return files;
}

Metadata metadata_of(const Quantisation& how, const std::string& source_hash) {
  return {{"sori_format", kFolderVersion},
          {"sori_version", SORI_VERSION},
          {"base", how.base()},
          {"embedding", how.embedding()},
          {"source_sha256", source_hash}};
}

// What is written of a model whose tensors are stored as type_of(tensor).
template <class TypeOf>
std::vector<TensorInfo> quantised_tensors(const WhisperConfig& config, const Quantisation& how, TypeOf&& type_of) {
  std::vector<TensorInfo> tensors;
  for (const NamedShape& t : tensor_list(config)) {
    if (const FileFormat* format = format_of(t, how))
      for_each_part(t, *format, [&](std::size_t, TensorInfo info) { tensors.push_back(std::move(info)); });
    else
      tensors.push_back({t.name, kept_type(t, type_of(t)), t.shape});
  }
  return tensors;
}

// Bytes of the files with these tensors. A hash is as long as any other.
std::uint64_t weights_bytes(std::vector<TensorInfo> tensors, const Quantisation& how) {
  Metadata metadata = metadata_of(how, std::string(2 * 32, '0'));
  metadata["format"] = "pt";
  return safetensors_folder_bytes(std::move(tensors), metadata);
}

}  // namespace

Json to_json(const LayerFormats& layers, const WhisperConfig& config) {
  Json json = Json::object();
  for (const NamedShape& t : tensor_list(config))
    if (is_linear(t)) {
      const FileFormat* format = layers.at(t.name);
      json[module_of(t.name)] = format ? format->name() : kSixteenBits;
    }
  return json;
}

LayerFormats parse_layer_formats(const Json& json, const WhisperConfig& config, const std::string& where) {
  const auto bad = [&](const std::string& what) {
    return Error{ErrorKind::kInput, what, where, "take the map of a mixed folder's config.json of the same model size"};
  };
  if (!json.is_object()) throw bad("is no map of layers to formats");
  LayerFormats layers;
  for (const NamedShape& t : tensor_list(config))
    if (is_linear(t)) layers[t.name] = nullptr;
  std::set<std::string> named;
  for (const auto& [module, value] : json.items()) {
    const auto layer = layers.find(module + kWeight);
    if (layer == layers.end()) throw bad(fmt::format("names {}, which is no linear layer of the model", module));
    const std::string name = value.is_string() ? value.get<std::string>() : value.dump();
    layer->second = find_file_format(name);
    if (!layer->second && name != kSixteenBits)
      throw bad(fmt::format("has {} in {}, which is none of {}, {}", module, name, kSixteenBits,
                            fmt::join(file_format_names(), ", ")));
    named.insert(layer->first);
  }
  for (const auto& [weight, format] : layers)
    if (!named.contains(weight)) throw bad(fmt::format("does not name {}", module_of(weight)));
  return layers;
}

Quantisation quantisation_of(const FileFormat& format, const std::string& embedding) {
  return {&format, embedding == "auto" ? format.bits() < 8 : embedding == "int8"};
}

Quantisation quantisation_of(LayerFormats layers, const std::string& embedding) {
  const auto four_bits = [](const auto& layer) { return layer.second && layer.second->bits() < 8; };
  const bool int8 = embedding == "auto" ? std::ranges::any_of(layers, four_bits) : embedding == "int8";
  const FileFormat* first = layers.begin()->second;
  const auto as_first = [&](const auto& layer) { return layer.second == first; };
  if (first && std::ranges::all_of(layers, as_first)) return {first, int8};
  return {nullptr, int8, std::move(layers)};
}

std::string Quantisation::base() const {
  if (format) return std::string(format->name());
  WeightFormats all = layers;
  all[kTokenEmbedding] = int8_embedding ? find_file_format(Int8::kFormat) : nullptr;
  return mixed_base(all);
}

Json to_json(const Quantisation& how, const WhisperConfig& config) {
  return {{"layers", to_json(how.layers, config)}, {"embedding", how.embedding()}};
}

Quantisation parse_quantisation(const Json& json, const WhisperConfig& config, const std::string& where) {
  return {nullptr, json_get<std::string>(json, "embedding", where) == "int8",
          parse_layer_formats(json_member(json, "layers", where), config, where)};
}

const QuantiseReport::Layer& QuantiseReport::worst() const {
  return *std::max_element(layers.begin(), layers.end(),
                           [](const Layer& a, const Layer& b) { return a.error < b.error; });
}

QuantiseReport quantise_model(const Path& model, const Path& target, const Quantisation& how,
                              const QuantiseOptions& options) {
  const SourceModel source = open_hf_model(model);
  const std::vector<NamedShape> list = tensor_list(source.config);
  if (std::ranges::none_of(list, [&](const NamedShape& t) { return format_of(t, how); }))
    throw Error{ErrorKind::kUsage, "would stay as it is: all layers are to have 16 bits", model.string(),
                "use it as it is, or quantise some of its layers"};
  AtomicFolder folder(target, existing_model(target, options.overwrite, {model}));
  QuantiseReport report;
  report.config = source.config;
  report.source_hash = model_hash(source.config, *source.file);
  if (how.format && how.format->bits() < 8 && source.config.d_model <= kSmallWidth)
    report.warning = fmt::format("{} bits cost a model of width {} accuracy; int8 costs less", how.format->bits(),
                                 source.config.d_model);
  const DType type = kept_type({"", {1, 1}}, embedding_type(source.tensors));
  const std::string dtype = config_name_of(type);

  std::deque<QuantisedWeight> weights;
  std::vector<OutTensor> tensors;
  for (const NamedShape& t : list) {
    const TensorView& from = source.file->get(t.name);
    report.source_bytes += from.bytes.size();
    const FileFormat* format = format_of(t, how);
    if (format == nullptr) {
      tensors.push_back(kept(*source.file, from));
      continue;
    }
    QuantisedWeight& weight = weights.emplace_back(*source.file, from, *format, dtype);
    report.layers.push_back({t.name, kind_of(t.name), std::string(format->name())});
    for_each_part(t, *format, [&](std::size_t i, TensorInfo info) {
      tensors.push_back({std::move(info), [&weight, i](const ByteSink& sink) { weight.write(i, sink); }});
    });
  }
  for (const SideFile& file : quantised_side_files(model, source, how, type))
    write_file(folder.path() / file.name, file.content);
  if (!options.record.is_null()) write_file(folder.path() / "sensitivity.json", to_text(options.record));
  report.bytes =
      write_tensors(folder.path(), tensors, options.progress, options.max_shard, metadata_of(how, report.source_hash));
  for (std::size_t i = 0; i < weights.size(); ++i) report.layers[i].error = weights[i].error();
  folder.commit();
  return report;
}

std::uint64_t tensor_bytes(const Path& model, const Quantisation& how) {
  const SourceModel source = open_hf_model(model);
  std::uint64_t bytes = 0;
  for (const TensorInfo& t :
       quantised_tensors(source.config, how, [&](const NamedShape& t) { return source.file->get(t.name).type; }))
    bytes += *byte_count(t.type, t.shape);
  return bytes;
}

std::uint64_t quantised_bytes(const WhisperConfig& config, const Quantisation& how, DType source) {
  return weights_bytes(quantised_tensors(config, how, [&](const NamedShape&) { return source; }), how);
}

std::uint64_t quantised_bytes(const Path& model, const Quantisation& how) {
  const SourceModel source = open_hf_model(model);
  const auto type_of = [&](const NamedShape& t) { return source.file->get(t.name).type; };
  std::uint64_t bytes = weights_bytes(quantised_tensors(source.config, how, type_of), how);
  const DType type = kept_type({"", {1, 1}}, embedding_type(source.tensors));
  for (const SideFile& file : quantised_side_files(model, source, how, type)) bytes += file.content.size();
  return bytes;
}

}  // namespace sori
