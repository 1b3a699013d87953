// The pages of a mapped base by layer, so that a layer can leave memory as soon as it has done its work. What has left
// is read again from the file, or from the system's cache of it, when the layer's turn comes.
#pragma once

#include "formats/tensor_file.h"
#include "model/whisper.h"

namespace sori {

class LayerPages {
 public:
  // The file is the one that the model was loaded from, and must outlive this.
  LayerPages(const Whisper& model, const TensorFile& file);
  void drop_encoder(std::size_t layer) const { drop(encoder_[layer]); }
  void drop_decoder(std::size_t layer) const { drop(decoder_[layer]); }
  void drop_all() const {
    for (const auto* side : {&encoder_, &decoder_})
      for (const Views& layer : *side) drop(layer);
  }

 private:
  using Views = std::vector<const TensorView*>;
  void drop(const Views& layer) const {
    for (const TensorView* t : layer) file_.drop_pages(*t);
  }
  static std::vector<Views> by_layer(const TensorFile& file, const std::string& prefix, std::size_t layers);

  const TensorFile& file_;
  std::vector<Views> encoder_, decoder_;
};

}  // namespace sori
