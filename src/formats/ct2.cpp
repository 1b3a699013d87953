#include "formats/ct2.h"

#include "base/error.h"
#include "formats/pickle.h"

namespace sori {
namespace {

constexpr std::uint32_t kVersion = 6;
constexpr std::uint32_t kMaxTensors = 100'000;

// By the format's type number.
constexpr DType kTypes[] = {DType::kF32, DType::kI8, DType::kI16, DType::kI32, DType::kF16, DType::kBF16};

}  // namespace

// Reads forward; never past the end.
class Ct2File::Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, const std::string& where) : left_(bytes), where_(where) {}

  std::span<const std::byte> take(std::uint64_t n) {
    if (n > left_.size()) throw bad("ends in the middle; it may be truncated");
    const auto taken = left_.first(n);
    left_ = left_.subspan(n);
    return taken;
  }

  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  // u16 length with the NUL at the end, bytes, NUL. Names go into messages, so they must be printable.
  std::string name() {
    const auto raw = take(number<std::uint16_t>());
    const std::string_view text(reinterpret_cast<const char*>(raw.data()), raw.size());
    const bool printable = text.size() >= 2 && text.back() == '\0' &&
                           std::all_of(text.begin(), text.end() - 1, [](char c) { return c > ' ' && c <= '~'; });
    if (!printable) throw bad("has a name that is empty or not printable ASCII");
    return std::string(text.substr(0, text.size() - 1));
  }

  bool at_end() const { return left_.empty(); }
  Error bad(const std::string& what) const {
    return Error{ErrorKind::kInput, what, where_, "fetch or convert the file again"};
  }

 private:
  std::span<const std::byte> left_;
  const std::string& where_;
};

Ct2File::Ct2File(const Path& path) : TensorFile(path.string()), file_(path) {
  if (looks_like_pickle(file_.bytes())) refuse_pickle(path);
  Cursor cursor(file_.bytes(), where());
  const auto version = cursor.number<std::uint32_t>();
  if (version != kVersion)
    throw Error{ErrorKind::kInput, fmt::format("is no CTranslate2 model of version {}", kVersion), where(),
                "convert the model with CTranslate2 4"};
  spec_ = cursor.name();
  revision_ = cursor.number<std::uint32_t>();
  const auto count = cursor.number<std::uint32_t>();
  if (count > kMaxTensors) throw cursor.bad(fmt::format("claims more than {} tensors", kMaxTensors));
  for (std::uint32_t i = 0; i < count; ++i) read_tensor(cursor);
  const auto aliases = cursor.number<std::uint32_t>();
  if (aliases > kMaxTensors) throw cursor.bad(fmt::format("claims more than {} aliases", kMaxTensors));
  for (std::uint32_t i = 0; i < aliases; ++i) read_alias(cursor, count);
  if (!cursor.at_end()) throw cursor.bad("has bytes after its last alias");
}

// name, u8 rank, u32 dims, u8 type, u32 bytes, data.
void Ct2File::read_tensor(Cursor& cursor) {
  std::string name = cursor.name();
  const auto rank = cursor.number<std::uint8_t>();
  if (rank > kMaxRank) throw cursor.bad(fmt::format("has a tensor {} of more than {} dimensions", name, kMaxRank));
  Shape shape;
  for (int i = 0; i < rank; ++i) shape.push_back(cursor.number<std::uint32_t>());
  const auto type = cursor.number<std::uint8_t>();
  if (type >= std::size(kTypes)) throw cursor.bad(fmt::format("has a tensor {} of an unknown type", name));
  const auto bytes = cursor.number<std::uint32_t>();
  if (byte_count(kTypes[type], shape) != bytes)
    throw cursor.bad(fmt::format("has a tensor {} of {} bytes, which shape {} of {} does not need", name, bytes,
                                 to_text(shape), name_of(kTypes[type])));
  const auto data = cursor.take(bytes);
  if (!add({{name, kTypes[type], std::move(shape)}, data})) throw cursor.bad("has tensor " + name + " twice");
}

void Ct2File::read_alias(Cursor& cursor, std::size_t stored) {
  std::string name = cursor.name();
  const std::string target = cursor.name();
  const TensorView* tensor = find(target);
  // Only what is stored: an alias of an alias could be a circle.
  if (!tensor || static_cast<std::size_t>(tensor - tensors().data()) >= stored)
    throw cursor.bad(fmt::format("has an alias {} of {}, which it does not hold", name, target));
  TensorView copy = *tensor;
  copy.name = name;
  if (!add(std::move(copy))) throw cursor.bad("has tensor " + name + " twice");
}

}  // namespace sori
