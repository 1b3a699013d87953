#include "model/stored_weight.h"

#include <set>

#include "base/hash.h"
#include "formats/values.h"

namespace sori {
namespace {

constexpr const char* kRemedy = "check that config.json belongs to these weights, or make the folder again";

// The quantised format that a weight's parts are named by; nullptr when there is none.
const FileFormat* format_in(const TensorFile& file, const NamedShape& wanted) {
  if (!is_quantisable(wanted)) return nullptr;
  const bool embedding = wanted.name == kTokenEmbedding;
  for (const FileFormat* f : file_formats())
    if (file.find(part_name(wanted.name, *f, embedding ? ".weight" : std::string(f->mark())))) return f;
  return nullptr;
}

TensorView part_of(const TensorFile& file, const std::string& name, const FilePart& part, const FileFormat& format) {
  const TensorView* found = part.optional ? file.find(name) : &file.get(name);
  if (found == nullptr) return {{name, part.type, part.shape}, {}};
  const bool fits = found->shape == part.shape || (part.any_length && found->shape.size() == 1);
  if (!fits || found->type != part.type)
    throw Error{ErrorKind::kInput,
                fmt::format("tensor is {} {}, {} of this model needs {} {}", name_of(found->type),
                            to_text(found->shape), format.name(), name_of(part.type), to_text(part.shape)),
                file.where() + ": " + name, kRemedy};
  return *found;
}

// What a tensor that is not plain numbers may be, for the message.
std::string kind_of(const TensorFile& file, const TensorView& t) {
  const std::string prefix = t.name + ".quant_state.bitsandbytes__";
  for (const TensorView& other : file.tensors())
    if (other.name.starts_with(prefix)) return "is stored as " + other.name.substr(prefix.size());
  return fmt::format("has type {}", name_of(t.type));
}

std::string known_formats() {
  std::string text = "f32, f16, bf16";
  for (const FileFormat* f : file_formats()) text += fmt::format(", {}", f->name());
  return text;
}

}  // namespace

std::uint64_t StoredWeight::bytes() const {
  std::uint64_t sum = 0;
  for (const TensorView& p : parts) sum += p.bytes.size();
  return sum;
}

bool is_quantisable(const NamedShape& t) { return is_linear(t) || t.name == kTokenEmbedding; }

std::string module_of(const std::string& weight) { return weight.substr(0, weight.rfind('.')); }

std::string part_name(const std::string& weight, const FileFormat& format, const std::string& key) {
  if (weight != kTokenEmbedding) return module_of(weight) + key;
  return weight + (key == ".weight" ? fmt::format(".{}", format.name()) : key);
}

StoredWeight find_weight(const TensorFile& file, const NamedShape& wanted) {
  if (const FileFormat* format = format_in(file, wanted)) {
    if (wanted.name == kTokenEmbedding && file.find(wanted.name))
      throw Error{ErrorKind::kInput, "is there twice, as numbers and as codes", file.where() + ": " + wanted.name,
                  "make the folder again"};
    StoredWeight stored{format, {}};
    for (const FilePart& p : format->parts(wanted.shape[0], wanted.shape[1]))
      stored.parts.push_back(part_of(file, part_name(wanted.name, *format, p.key), p, *format));
    return stored;
  }
  const TensorView& t = file.get(wanted.name);
  const std::string where = file.where() + ": " + wanted.name;
  if (!is_float(t.type))
    throw Error{ErrorKind::kInput, fmt::format("tensor {}, not one of {}", kind_of(file, t), known_formats()), where,
                "quantise the original model with sori quantize"};
  if (t.shape != wanted.shape)
    throw Error{ErrorKind::kInput,
                fmt::format("tensor has shape {}, the model needs {}", to_text(t.shape), to_text(wanted.shape)), where,
                kRemedy};
  return {nullptr, {t}};
}

std::uint64_t stored_bytes(const NamedShape& t, const BaseWeight& weight) {
  const FileFormat* format = find_file_format(format_of(weight));
  if (format == nullptr) return bytes_of(weight);
  std::uint64_t sum = 0;
  for_each_part(t, *format, [&](std::size_t, const TensorInfo& part) { sum += *byte_count(part.type, part.shape); });
  return sum;
}

std::string mixed_base(const WeightFormats& formats) {
  std::string text;
  for (const auto& [weight, format] : formats) text += fmt::format("{} {}\n", weight, format ? format->name() : "");
  return fmt::format("{}-{}", kMixedBase, sha256_hex(text).substr(0, 12));
}

std::string base_of(const TensorFile& file, const WhisperConfig& config) {
  WeightFormats formats;
  std::set<const FileFormat*> of_layers;
  for (const NamedShape& t : tensor_list(config))
    if (is_quantisable(t)) {
      const FileFormat* format = formats[t.name] = format_in(file, t);
      if (is_linear(t)) of_layers.insert(format);
    }
  const FileFormat* first = *of_layers.begin();
  if (of_layers.size() == 1 && first) return std::string(first->name());
  if (of_layers.size() > 1 || formats.at(kTokenEmbedding)) return mixed_base(formats);
  const TensorView* plain = file.find(kTokenEmbedding);
  return std::string(name_of(plain ? plain->type : DType::kF32));
}

void require_our_version(const TensorFile& file) {
  const auto stated = file.metadata().find("sori_format");
  if (stated == file.metadata().end() || stated->second == kFolderVersion) return;
  throw Error{
      ErrorKind::kInput,
      fmt::format("is a quantised model of version {}, this sori reads version {}", stated->second, kFolderVersion),
      file.where(), "quantise the original model again (sori quantize)"};
}

}  // namespace sori
