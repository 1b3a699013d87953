#include "model/load.h"

#include "formats/values.h"
#include "model/dora.h"
#include "model/lora.h"
#include "model/stored_weight.h"

namespace sori {
namespace {

bool is_adapter(const std::string& name) { return name.find(".lora_") != std::string::npos; }

const TensorView& find_adapter(const TensorFile& file, const std::string& name, const Parameter& p) {
  const char* remedy = "this adapter belongs to another model or configuration";
  const TensorView& t = file.get(name);
  if (t.shape != p.shape)
    throw Error{ErrorKind::kInput,
                fmt::format("tensor has shape {}, the model needs {}", to_text(t.shape), to_text(p.shape)),
                file.where() + ": " + name, remedy};
  if (!is_float(t.type))
    throw Error{ErrorKind::kInput, fmt::format("tensor has type {}, not f32, f16 or bf16", name_of(t.type)),
                file.where() + ": " + name, remedy};
  return t;
}

void refuse_not_finite(const TensorFile& file, const TensorView& t) {
  if (!all_finite(t.type, t.bytes))
    throw Error{ErrorKind::kNumeric, "tensor holds NaN or infinity", file.where() + ": " + t.name,
                "the file is damaged or the training that wrote it failed; use another one"};
}

bool aligned(const TensorView& t) { return reinterpret_cast<std::uintptr_t>(t.bytes.data()) % size_of(t.type) == 0; }

// A tensor's bytes where its numbers can be read: as they lie in the file, or a copy where that is not aligned.
std::span<const std::byte> readable(Carver& c, const TensorView& t) {
  if (aligned(t)) return t.bytes;
  auto* copy = static_cast<std::byte*>(c.take(t.bytes.size()));
  if (c.counts_only()) return t.bytes;
  std::memcpy(copy, t.bytes.data(), t.bytes.size());
  return {copy, t.bytes.size()};
}

// Trainable numbers and vectors are our own.
bool is_own(const std::string& name, const Parameter& p) {
  return is_adapter(name) || p.trainable || p.shape.size() == 1;
}

// Rounded to nearest where value is bf16.
void read_numbers(const TensorView& t, Mat value) {
  float piece[4096];
  for (std::int64_t first = 0; first < value.size(); first += std::ssize(piece)) {
    const auto n = static_cast<std::size_t>(std::min<std::int64_t>(std::ssize(piece), value.size() - first));
    read_floats(t, first, {piece, n});
    write_floats({piece, n}, value.type,
                 static_cast<std::byte*>(value.data) + static_cast<std::size_t>(first) * size_of(value.type));
  }
}

void load_own(Carver& c, Parameter& p, const TensorView* t, float* shared_gradient) {
  const Mat value = c.mat(p.trainable ? p.type : DType::kF32, p.rows(), p.cols());
  if (!c.counts_only() && t) read_numbers(*t, value);
  p.weight = as_weight(value);
  if (!p.trainable) return;
  p.value = value;
  const Carver::In gradients(c, Purpose::kGradients);
  const std::int64_t rows = p.learning_rows(), cols = p.learning_cols();
  p.gradient = p.shares_gradient ? Mat(shared_gradient, rows, cols) : c.mat(DType::kF32, rows, cols);
}

// One gradient for all matrices that take turns in it.
float* carve_shared_gradient(Carver& c, Whisper& model) {
  std::int64_t largest = 0;
  for_each_parameter(model, [&](const std::string&, Parameter& p) {
    if (p.shares_gradient) largest = std::max(largest, p.learning_size());
  });
  const Carver::In gradients(c, Purpose::kGradients);
  return c.array<float>(static_cast<std::size_t>(largest)).data();
}

void load_frozen(Carver& c, Parameter& p, const StoredWeight& stored, const std::string& where) {
  FileFormat::Parts parts;
  for (const TensorView& t : stored.parts) parts.push_back(readable(c, t));
  if (stored.format && !c.counts_only()) stored.format->refuse_not_numbers(parts, where);
  p.weight = stored.format ? stored.format->view(p.rows(), p.cols(), parts, where)
                           : as_weight(ConstMat(parts[0].data(), stored.parts[0].type, p.rows(), p.cols()));
}

void refuse_learning(const FileFormat& format, const std::string& where) {
  throw Error{ErrorKind::kUsage, fmt::format("is stored as {}, which cannot learn", format.name()), where,
              "train the unquantised model, or adapters on this one (--method lora)"};
}

}  // namespace

void load_weights(Carver& c, Whisper& model, const TensorFile& file) {
  require_our_version(file);
  const Carver::In weights(c, Purpose::kWeights);
  float* shared = carve_shared_gradient(c, model);
  for_each_parameter(model, [&](const std::string& name, Parameter& p) {
    if (is_adapter(name)) return load_own(c, p, nullptr, shared);
    const StoredWeight stored = find_weight(file, {name, p.shape});
    const std::string where = file.where() + ": " + name;
    if (stored.format && p.trainable) refuse_learning(*stored.format, where);
    if (!stored.format && !c.counts_only()) refuse_not_finite(file, stored.parts[0]);
    if (is_own(name, p))
      load_own(c, p, stored.parts.data(), shared);
    else
      load_frozen(c, p, stored, where);
    // It was read to be checked or copied; what is used again comes back then.
    if (!c.counts_only())
      for (const TensorView& t : stored.parts)
        if (!t.bytes.empty()) file.drop_pages(t);  // an optional part may be absent
  });
  carve_gains(c, model);
}

void count_weights(Carver& c, Whisper& model) {
  const Carver::In weights(c, Purpose::kWeights);
  float* shared = carve_shared_gradient(c, model);
  for_each_parameter(model, [&](const std::string& name, Parameter& p) {
    if (is_own(name, p)) load_own(c, p, nullptr, shared);
  });
  carve_gains(c, model);
}

void load_adapter(Whisper& model, const TensorFile& adapter) {
  std::size_t found = 0;
  for_each_parameter(model, [&](const std::string& name, Parameter& p) {
    if (!is_adapter(name)) return;
    const TensorView& t = find_adapter(adapter, peft_name(name), p);
    refuse_not_finite(adapter, t);
    read_floats(t, 0, {p.value.row<float>(0), static_cast<std::size_t>(p.size())});
    ++found;
  });
  for (const TensorView& t : adapter.tensors())
    if (found != adapter.tensors().size() && t.name.find(".lora_") == std::string::npos)
      throw Error{ErrorKind::kInput, "holds a tensor that is no LoRA matrix", adapter.where() + ": " + t.name,
                  "only plain LoRA adapters can be used"};
  if (found != adapter.tensors().size())
    throw Error{ErrorKind::kInput,
                fmt::format("holds {} tensors, its configuration asks for {}", adapter.tensors().size(), found),
                adapter.where(), "adapter_config.json and adapter_model.safetensors do not belong together"};
}

}  // namespace sori
