#include "model/layer_pages.h"

#include <charconv>

namespace sori {

LayerPages::LayerPages(const Whisper& model, const TensorFile& file)
    : file_(file),
      encoder_(by_layer(file, "model.encoder.layers.", model.encoder.layers.size())),
      decoder_(by_layer(file, "model.decoder.layers.", model.decoder.layers.size())) {}

std::vector<LayerPages::Views> LayerPages::by_layer(const TensorFile& file, const std::string& prefix,
                                                    std::size_t layers) {
  std::vector<Views> views(layers);
  for (const TensorView& t : file.tensors()) {
    if (!t.name.starts_with(prefix)) continue;
    std::size_t layer = layers;
    std::from_chars(t.name.data() + prefix.size(), t.name.data() + t.name.size(), layer);
    if (layer < layers) views[layer].push_back(&t);
  }
  return views;
}

}  // namespace sori
