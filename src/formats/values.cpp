#include "formats/values.h"

#include "base/error.h"

namespace sori {
namespace {

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

template <class T>
void read_as(const std::byte* from, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = to_float(load<T>(from + i * sizeof(T)));
}

template <class T>
void write_as(std::span<const float> values, std::byte* out) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const T rounded = from_float<T>(values[i]);
    std::memcpy(out + i * sizeof(T), &rounded, sizeof(T));
  }
}

// A number is infinite or NaN when all bits of its exponent are set: then adding the lowest of them carries into the
// sign. Without a branch, so that the compiler can use vectors.
template <class Bits>
bool exponents_below_full(std::span<const std::byte> bytes, Bits exponent) {
  const Bits lowest = exponent & (~exponent + 1), sign = static_cast<Bits>(exponent + lowest);
  Bits seen = 0;
  for (std::size_t i = 0; i + sizeof(Bits) <= bytes.size(); i += sizeof(Bits))
    seen = static_cast<Bits>(seen | ((load<Bits>(bytes.data() + i) & exponent) + lowest));
  return (seen & sign) == 0;
}

}  // namespace

void read_floats(const TensorView& tensor, std::int64_t first, std::span<float> out) {
  const std::size_t size = size_of(tensor.type);
  require(first >= 0 && (static_cast<std::size_t>(first) + out.size()) * size <= tensor.bytes.size(),
          "elements lie inside the tensor");
  const std::byte* from = tensor.bytes.data() + static_cast<std::size_t>(first) * size;
  switch (tensor.type) {
    case DType::kF32:
      std::memcpy(out.data(), from, out.size_bytes());
      break;
    case DType::kF16:
      read_as<f16>(from, out);
      break;
    case DType::kBF16:
      read_as<bf16>(from, out);
      break;
    case DType::kI8:
      read_as<std::int8_t>(from, out);
      break;
    default:
      require(false, "a tensor of numbers is f32, f16, bf16 or i8");
  }
}

void write_floats(std::span<const float> values, DType type, std::byte* out) {
  switch (type) {
    case DType::kF32:
      std::memcpy(out, values.data(), values.size_bytes());
      break;
    case DType::kF16:
      write_as<f16>(values, out);
      break;
    case DType::kBF16:
      write_as<bf16>(values, out);
      break;
    default:
      require(false, "numbers are written as f32, f16 or bf16");
  }
}

bool all_finite(DType type, std::span<const std::byte> bytes) {
  switch (type) {
    case DType::kF32:
      return exponents_below_full<std::uint32_t>(bytes, 0x7f800000);
    case DType::kF16:
      return exponents_below_full<std::uint16_t>(bytes, 0x7c00);
    case DType::kBF16:
      return exponents_below_full<std::uint16_t>(bytes, 0x7f80);
    default:
      require(false, "only f32, f16 and bf16 have infinities");
      return false;
  }
}

std::optional<std::int64_t> integer_value(const TensorView& tensor) {
  if (tensor.bytes.size() != size_of(tensor.type)) return std::nullopt;
  const std::byte* at = tensor.bytes.data();
  switch (tensor.type) {
    case DType::kI8:
      return load<std::int8_t>(at);
    case DType::kU8:
      return load<std::uint8_t>(at);
    case DType::kI16:
      return load<std::int16_t>(at);
    case DType::kI32:
      return load<std::int32_t>(at);
    case DType::kI64:
      return load<std::int64_t>(at);
    default:
      return std::nullopt;
  }
}

}  // namespace sori
