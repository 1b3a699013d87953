#include "model/model_hash.h"

#include "base/hash.h"

namespace sori {

std::string model_hash(const WhisperConfig& config, const TensorFile& file) {
  Sha256 hash;
  hash.add(to_text(to_json(config, DType::kF32, {})));
  for (const TensorView& t : file.tensors()) {
    hash.add(t.name + to_text(t.shape) + std::string(name_of(t.type)));
    for (std::size_t i = 0; i < 16; ++i) {
      const std::size_t at = t.bytes.size() / 16 * i;
      const auto piece = t.bytes.subspan(at, std::min<std::size_t>(64, t.bytes.size() - at));
      hash.add(piece.data(), piece.size());
    }
    file.drop_pages(t);
  }
  return hash.hex();
}

}  // namespace sori
