#include "formats/tensor_file.h"

#include "base/error.h"

namespace sori {

std::optional<std::uint64_t> byte_count(DType type, const Shape& shape) {
  std::uint64_t bytes = size_of(type);
  for (const std::int64_t dim : shape)
    if (dim < 1 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(dim), &bytes)) return std::nullopt;
  return bytes;
}

std::int64_t element_count(const Shape& shape) {
  const auto bytes = byte_count(DType::kI8, shape);
  require(bytes.has_value() && *bytes <= INT64_MAX, "the shape was checked");
  return static_cast<std::int64_t>(*bytes);
}

std::string to_text(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

const TensorView* TensorFile::find(std::string_view name) const {
  const auto at = index_.find(std::string(name));
  return at == index_.end() ? nullptr : &tensors_[at->second];
}

const TensorView& TensorFile::get(std::string_view name) const {
  if (const TensorView* tensor = find(name)) return *tensor;
  throw Error{ErrorKind::kInput, fmt::format("has no tensor {}", name), where_,
              "check that this is the file you meant and that it is complete"};
}

bool TensorFile::add(TensorView tensor) {
  if (!index_.emplace(tensor.name, tensors_.size()).second) return false;
  tensors_.push_back(std::move(tensor));
  return true;
}

}  // namespace sori
