#include "export/prune.h"

#include "base/error.h"
#include "export/source_model.h"

namespace sori {
namespace {

void check(const std::vector<int>& kept, int layers) {
  require(!kept.empty() && kept.front() >= 0 && kept.back() < layers &&
              std::ranges::adjacent_find(kept, std::ranges::greater_equal{}) == kept.end(),
          "layers that stay are layers of the model, each once");
}

// The name that a tensor of the smaller model has in the whole one.
std::string whole_name(const std::string& name, const KeptLayers& kept) {
  for (const auto& [prefix, layers] :
       {std::pair{std::string("model.encoder.layers."), &kept.encoder}, {"model.decoder.layers.", &kept.decoder}}) {
    if (!name.starts_with(prefix)) continue;
    const std::size_t end = name.find('.', prefix.size());
    const int layer = std::stoi(name.substr(prefix.size(), end - prefix.size()));
    return prefix + std::to_string((*layers)[static_cast<std::size_t>(layer)]) + name.substr(end);
  }
  return name;
}

void renumber_heads(Json& generation, const KeptLayers& kept, int layers, const std::string& where) {
  Json left = Json::array();
  for (const auto& pair :
       json_get_or<std::vector<std::vector<std::int64_t>>>(generation, "alignment_heads", {}, where)) {
    if (pair.size() != 2 || pair[0] < 0 || pair[0] >= layers)
      throw Error{ErrorKind::kInput, "\"alignment_heads\" names a layer that the model does not have", where,
                  "check that the files belong to one model"};
    const auto at = std::ranges::find(kept.decoder, pair[0]);
    if (at != kept.decoder.end()) left.push_back({at - kept.decoder.begin(), pair[1]});
  }
  if (left.empty())
    generation.erase(
        "alignment_heads");  // transformers says then that there are none; of an empty list it knows nothing
  else
    generation["alignment_heads"] = left;
}

void write_configs(const Path& folder, const WhisperConfig& config, const KeptLayers& kept, int whole_decoder) {
  const Path path = folder / "config.json", generation_path = folder / "generation_config.json";
  Json json = read_json(path);
  json["encoder_layers"] = config.encoder_layers;
  json["decoder_layers"] = config.decoder_layers;
  if (json.contains("num_hidden_layers")) json["num_hidden_layers"] = config.encoder_layers;  // transformers' alias
  write_file(path, to_text(json));
  Json generation = read_json(generation_path);
  renumber_heads(generation, kept, whole_decoder, generation_path.string());
  write_file(generation_path, to_text(generation));
}

}  // namespace

PruneReport prune_model(const Path& model, const Path& target, const KeptLayers& kept, const PruneOptions& options) {
  const SourceModel source = open_hf_model(model);
  check(kept.encoder, source.config.encoder_layers);
  check(kept.decoder, source.config.decoder_layers);
  AtomicFolder folder(target, existing_model(target, options.overwrite, {model}));
  PruneReport report;
  report.config = source.config;
  report.config.encoder_layers = static_cast<int>(kept.encoder.size());
  report.config.decoder_layers = static_cast<int>(kept.decoder.size());

  std::map<std::string, const OutTensor*> whole;
  for (const OutTensor& t : source.tensors) {
    whole[t.info.name] = &t;
    report.source_bytes += *byte_count(t.info.type, t.info.shape);
  }
  std::vector<OutTensor> tensors;
  for (const NamedShape& t : tensor_list(report.config)) {
    tensors.push_back(*whole.at(whole_name(t.name, kept)));
    tensors.back().info.name = t.name;
  }
  write_side_files(model, folder.path(), source.config, embedding_type(source.tensors), source.lists, Copied::kAll);
  write_configs(folder.path(), report.config, kept, source.config.decoder_layers);
  if (!options.record.is_null()) write_file(folder.path() / "pruning.json", to_text(options.record));
  report.bytes = write_tensors(folder.path(), tensors, options.progress);
  folder.commit();
  return report;
}

}  // namespace sori
