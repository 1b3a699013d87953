#include "plan/shapes.h"

namespace sori {
namespace {

BaseWeight nowhere(std::string_view format, const Parameter& p) { return weight_nowhere(format, p.rows(), p.cols()); }

}  // namespace

void assume_base(Whisper& model, const std::string& base, bool int8_embedding) {
  const bool quantised = find_file_format(base) != nullptr;
  for_each_parameter(model, [&](const std::string&, Parameter& p) {
    if (!p.trainable && p.shape.size() > 1) p.weight = nowhere(quantised ? "bf16" : base, p);
  });
  for_each_linear(model, [&](const std::string&, Linear& l) {
    if (!l.weight.trainable) l.weight.weight = nowhere(base, l.weight);
  });
  Parameter& embedding = model.decoder.embed_tokens.weight;
  if (int8_embedding && !embedding.trainable) embedding.weight = nowhere(Int8::kFormat, embedding);
}

void assume_base(Whisper& model, const Quantisation& how) {
  assume_base(model, how.format ? std::string(how.format->name()) : "bf16", how.int8_embedding);
  if (how.format) return;
  for_each_linear(model, [&](const std::string& name, Linear& l) {
    const FileFormat* format = how.layers.at(name + ".weight");
    if (format && !l.weight.trainable) l.weight.weight = nowhere(format->name(), l.weight);
  });
}

}  // namespace sori
