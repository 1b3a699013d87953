#include "formats/safetensors.h"

#include "base/error.h"
#include "base/json.h"
#include "formats/pickle.h"

namespace sori {
namespace {

constexpr const char* kRemedy = "fetch or export the file again";

Error bad(const std::string& what, const std::string& where) { return Error{ErrorKind::kInput, what, where, kRemedy}; }

std::optional<DType> type_of(std::string_view name) {
  constexpr std::pair<std::string_view, DType> kTypes[] = {
      {"F32", DType::kF32}, {"F16", DType::kF16}, {"BF16", DType::kBF16}, {"I8", DType::kI8},     {"U8", DType::kU8},
      {"I16", DType::kI16}, {"I32", DType::kI32}, {"I64", DType::kI64},   {"F8_E4M3", DType::kF8}};
  for (const auto& [known, type] : kTypes)
    if (known == name) return type;
  return std::nullopt;
}

// Names go into messages, so nothing a terminal could obey.
bool printable(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
}

std::uint64_t unsigned_of(const JsonMap& value, const std::string& where, const char* what) {
  if (!value.is_number_unsigned()) throw bad(fmt::format("has a {} that is no plain integer", what), where);
  return value.get<std::uint64_t>();
}

// {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}, and nothing else; offsets count from the end of the
// header.
TensorView parse_entry(const std::string& name, const JsonMap& entry, std::span<const std::byte> data,
                       const std::string& file) {
  if (!printable(name)) throw bad("has a tensor name that is empty or not printable ASCII", file);
  const std::string where = file + ": tensor " + name;
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") || !entry.contains("shape") ||
      !entry.contains("data_offsets") || !entry["dtype"].is_string() || !entry["shape"].is_array() ||
      !entry["data_offsets"].is_array() || entry["data_offsets"].size() != 2)
    throw bad("needs exactly a dtype, a shape and two data_offsets", where);

  const auto type = type_of(entry["dtype"].get_ref<const std::string&>());
  if (!type) throw bad("has a type that is not supported (f32, f16, bf16, f8_e4m3, i8, u8, i16, i32, i64)", where);
  if (entry["shape"].size() > kMaxRank) throw bad(fmt::format("has more than {} dimensions", kMaxRank), where);
  Shape shape;
  for (const JsonMap& dim : entry["shape"]) {
    const std::uint64_t n = unsigned_of(dim, where, "dimension");
    if (n > INT64_MAX) throw bad("has an impossible dimension", where);
    shape.push_back(static_cast<std::int64_t>(n));
  }

  const std::uint64_t begin = unsigned_of(entry["data_offsets"][0], where, "data offset");
  const std::uint64_t end = unsigned_of(entry["data_offsets"][1], where, "data offset");
  if (begin > end || end > data.size()) throw bad("lies outside the file; it may be truncated", where);
  const auto bytes = byte_count(*type, shape);
  if (!bytes || *bytes != end - begin)
    throw bad(
        fmt::format("has {} bytes, which shape {} of {} does not need", end - begin, to_text(shape), name_of(*type)),
        where);
  return {{name, *type, std::move(shape)}, data.subspan(begin, end - begin)};
}

// Every byte after the header belongs to exactly one tensor.
void check_coverage(const std::vector<TensorView>& tensors, std::span<const std::byte> data, const std::string& where) {
  std::vector<const TensorView*> sorted;
  for (const TensorView& t : tensors) sorted.push_back(&t);
  std::sort(sorted.begin(), sorted.end(),
            [](const TensorView* a, const TensorView* b) { return a->bytes.data() < b->bytes.data(); });
  const std::byte* expected = data.data();
  for (const TensorView* t : sorted) {
    if (t->bytes.data() != expected)
      throw bad("begins where the tensor before it does not end", where + ": tensor " + t->name);
    expected += t->bytes.size();
  }
  if (expected != data.data() + data.size()) throw bad("has bytes that belong to no tensor", where);
}

Metadata parse_metadata(const JsonMap& json, const std::string& where) {
  Metadata metadata;
  if (!json.is_object()) throw bad("has a __metadata__ that is no object", where);
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) throw bad("has a __metadata__ value that is no text", where);
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

std::string_view header_of(std::span<const std::byte> bytes, std::size_t cap, const Path& path) {
  if (looks_like_pickle(bytes)) refuse_pickle(path);
  const std::string where = path.string();
  if (bytes.size() < 10) throw bad("is too short to be a safetensors file", where);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  if (length > bytes.size() - 8) throw bad("has a header longer than the file; it may be truncated", where);
  if (length > cap) throw bad(fmt::format("has a header of {} bytes, more than the {} allowed", length, cap), where);
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + 8, length);
  if (!header.starts_with('{')) throw bad("has no safetensors header", where);
  return header;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const Path& path, std::size_t header_cap) : TensorFile(path.string()), file_(path) {
  require(header_cap <= kMaxHeaderCap, "the header's cap is at most the format's");
  const std::string_view header = header_of(file_.bytes(), header_cap, path);
  const auto data = file_.bytes().subspan(8 + header.size());
  const JsonMap json = parse_json_map(header, where() + ": header");
  for (const auto& [name, entry] : json.items()) {
    if (name == "__metadata__")
      metadata_ = parse_metadata(entry, where());
    else if (!add(parse_entry(name, entry, data, where())))
      throw bad("has a tensor twice", where());
  }
  check_coverage(tensors(), data, where());
}

}  // namespace sori
