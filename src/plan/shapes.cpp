#include "plan/shapes.h"

namespace sori {
namespace {

BaseWeight nowhere(const std::string& format, const Parameter& p) {
  const std::int64_t rows = p.rows(), cols = p.cols();
  if (format == "int8") return Int8{nullptr, nullptr, rows, cols};
  if (format == "nf4") return Nf4{nullptr, nullptr, nullptr, 0, rows, cols};
  if (format == "f32") return Dense<float>{nullptr, rows, cols};
  if (format == "f16") return Dense<f16>{nullptr, rows, cols};
  require(format == "bf16", "a base has a known format");
  return Dense<bf16>{nullptr, rows, cols};
}

}  // namespace

void assume_base(Whisper& model, const std::string& base, bool int8_embedding) {
  const bool quantised = base == "int8" || base == "nf4";
  for_each_parameter(model, [&](const std::string&, Parameter& p) {
    if (!p.trainable && p.shape.size() > 1) p.weight = nowhere(quantised ? "bf16" : base, p);
  });
  for_each_linear(model, [&](const std::string&, Linear& l) {
    if (!l.weight.trainable) l.weight.weight = nowhere(base, l.weight);
  });
  Parameter& embedding = model.decoder.embed_tokens.weight;
  if (int8_embedding && !embedding.trainable) embedding.weight = nowhere("int8", embedding);
}

}  // namespace sori
