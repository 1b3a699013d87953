#include "quant/file_format.h"

#include <limits>

#include "base/threads.h"
#include "quant/fp8.h"
#include "quant/int8.h"
#include "quant/nf4.h"

namespace sori {
namespace {

constexpr std::int64_t kPiece = std::int64_t{1} << 14;  // numbers that a thread takes at a time

// body(first, numbers) for pieces of the flattened matrix that are multiples of `unit`, the last one excepted.
template <class Body>
void for_each_piece(const Numbers& n, std::int64_t unit, Body&& body) {
  const std::int64_t all = n.rows * n.cols, piece = std::max<std::int64_t>(1, kPiece / unit) * unit;
  parallel_for((all + piece - 1) / piece, [&](std::int64_t i) {
    const std::int64_t first = i * piece;
    std::vector<float> numbers(static_cast<std::size_t>(std::min(piece, all - first)));
    n.read(first, numbers);
    body(first, std::span<const float>(numbers));
  });
}

// body(row, its numbers), on all threads.
template <class Body>
void for_each_row(const Numbers& n, Body&& body) {
  const auto cols = static_cast<std::size_t>(n.cols);
  for_each_piece(n, n.cols, [&](std::int64_t first, std::span<const float> numbers) {
    for (std::size_t at = 0; at < numbers.size(); at += cols)
      body((first + static_cast<std::int64_t>(at)) / n.cols, numbers.subspan(at, cols));
  });
}

template <class T>
const T* typed(std::span<const std::byte> bytes) {
  return reinterpret_cast<const T*>(bytes.data());
}

template <class T>
std::span<T> typed(std::span<std::byte> bytes, std::int64_t first, std::int64_t count) {
  return {reinterpret_cast<T*>(bytes.data()) + first, static_cast<std::size_t>(count)};
}

std::vector<float> floats_of(std::span<const std::byte> bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

Error damaged(const std::string& what, const std::string& where) {
  return Error{ErrorKind::kInput, what, where, "quantise the original model again (sori quantize)"};
}

void require_scales(std::span<const std::byte> bytes, const char* key, const std::string& where) {
  for (const float x : floats_of(bytes))
    if (!std::isfinite(x) || x < 0)
      throw Error{ErrorKind::kNumeric, fmt::format("{} holds a scale that is negative, NaN or infinite", key), where,
                  "quantise the original model again (sori quantize)"};
}

constexpr std::string_view kBitsandbytes = "bitsandbytes";

// What transformers' BitsAndBytesConfig writes, with its defaults.
Json bitsandbytes_config(bool four_bits, const std::string& dtype) {
  return {{"_load_in_4bit", four_bits},
          {"_load_in_8bit", !four_bits},
          {"bnb_4bit_compute_dtype", four_bits ? dtype : "float32"},
          {"bnb_4bit_quant_storage", "uint8"},
          {"bnb_4bit_quant_type", four_bits ? "nf4" : "fp4"},
          {"bnb_4bit_use_double_quant", four_bits},
          {"llm_int8_enable_fp32_cpu_offload", false},
          {"llm_int8_has_fp16_weight", false},
          {"llm_int8_skip_modules", nullptr},
          {"llm_int8_threshold", 6.0},
          {"load_in_4bit", four_bits},
          {"load_in_8bit", !four_bits},
          {"quant_method", kBitsandbytes}};
}

class Int8Format : public FileFormat {
 public:
  std::string_view name() const override { return Int8::kFormat; }
  std::string_view mark() const override { return ".SCB"; }
  std::string_view peer() const override { return kBitsandbytes; }
  int bits() const override { return 8; }
  std::vector<FilePart> parts(std::int64_t rows, std::int64_t cols) const override {
    return {{".weight", DType::kI8, {rows, cols}},
            {".SCB", DType::kF32, {rows}},
            {".weight_format", DType::kU8, {}, /*optional=*/true}};
  }

  BaseWeight view(std::int64_t rows, std::int64_t cols, const Parts& parts, const std::string& where) const override {
    require_scales(parts[1], "SCB", where);
    if (!parts[2].empty() && parts[2][0] != kRows) throw damaged("is not stored row by row", where);
    return Int8{typed<std::int8_t>(parts[0]), typed<float>(parts[1]), rows, cols};
  }

  void quantise(const Numbers& n, const WritableParts& parts) const override {
    const auto absmax = typed<float>(parts[1], 0, n.rows);
    for_each_row(n, [&](std::int64_t row, std::span<const float> numbers) {
      absmax[static_cast<std::size_t>(row)] =
          quantise_int8(numbers, typed<std::int8_t>(parts[0], row * n.cols, n.cols));
    });
    parts[2][0] = kRows;
  }

  Json config(const std::string& dtype) const override { return bitsandbytes_config(false, dtype); }

 private:
  static constexpr std::byte kRows{0};  // bitsandbytes' LINEAR_8BIT_WEIGHTS_FORMAT_MAPPING["row"]
};

class Nf4Format : public FileFormat {
 public:
  std::string_view name() const override { return Nf4::kFormat; }
  std::string_view mark() const override { return ".weight.quant_state.bitsandbytes__nf4"; }
  std::string_view peer() const override { return kBitsandbytes; }
  int bits() const override { return 4; }
  std::vector<FilePart> parts(std::int64_t rows, std::int64_t cols) const override {
    const std::int64_t n = rows * cols;
    return {{".weight", DType::kU8, {(n + 1) / 2, 1}},
            {".weight.absmax", DType::kU8, {nf4_blocks(n)}},
            {".weight.quant_map", DType::kF32, {std::ssize(kNf4Map)}},
            {".weight.nested_absmax", DType::kF32, {nf4_nested_blocks(n)}},
            {".weight.nested_quant_map", DType::kF32, {std::ssize(kNestedMap)}},
            {std::string(mark()), DType::kU8, {kStateBytes}, /*optional=*/false, /*any_length=*/true}};
  }

  BaseWeight view(std::int64_t rows, std::int64_t cols, const Parts& parts, const std::string& where) const override {
    if (!std::ranges::equal(floats_of(parts[2]), kNf4Map)) throw damaged("quant_map is not that of nf4", where);
    if (!std::ranges::equal(floats_of(parts[4]), kNestedMap))
      throw damaged("nested_quant_map is not bitsandbytes' signed dynamic map", where);
    require_scales(parts[3], "nested_absmax", where);
    const float offset = read_state(rows, cols, parts[5], where + ": quant_state");
    return Nf4{
        typed<std::uint8_t>(parts[0]), typed<std::uint8_t>(parts[1]), typed<float>(parts[3]), offset, rows, cols};
  }

  void quantise(const Numbers& n, const WritableParts& parts) const override {
    const std::int64_t all = n.rows * n.cols;
    std::vector<float> absmax(static_cast<std::size_t>(nf4_blocks(all)));
    for_each_piece(n, kNf4Block, [&](std::int64_t first, std::span<const float> numbers) {
      const auto count = std::ssize(numbers);
      quantise_nf4(numbers, typed<std::uint8_t>(parts[0], first / 2, (count + 1) / 2),
                   std::span(absmax).subspan(static_cast<std::size_t>(first / kNf4Block),
                                             static_cast<std::size_t>(nf4_blocks(count))));
    });
    const float offset = quantise_nf4_absmax(absmax, typed<std::uint8_t>(parts[1], 0, nf4_blocks(all)),
                                             typed<float>(parts[3], 0, nf4_nested_blocks(all)));
    std::memcpy(parts[2].data(), kNf4Map.data(), sizeof kNf4Map);
    std::memcpy(parts[4].data(), kNestedMap.data(), sizeof kNestedMap);
    write_state(n, offset, parts[5]);
  }

  Json config(const std::string& dtype) const override { return bitsandbytes_config(true, dtype); }

 private:
  // JSON padded with blanks, which every parser skips: the size of a file then follows from the model's shape alone.
  static constexpr std::int64_t kStateBytes = 256;

  // bitsandbytes' QuantState.as_dict(packed=True).
  static void write_state(const Numbers& n, float offset, std::span<std::byte> out) {
    const Json state = {{"quant_type", "nf4"},
                        {"blocksize", kNf4Block},
                        {"dtype", n.dtype},
                        {"shape", {n.rows, n.cols}},
                        {"nested_blocksize", kNf4NestedBlock},
                        {"nested_dtype", "float32"},
                        {"nested_offset", static_cast<double>(offset)}};
    std::string text = state.dump();
    require(text.size() <= out.size(), "a quantisation state has room in its part");
    text.resize(out.size(), ' ');
    std::memcpy(out.data(), text.data(), out.size());
  }

  // Returns the offset.
  static float read_state(std::int64_t rows, std::int64_t cols, std::span<const std::byte> part,
                          const std::string& where) {
    const Json state = parse_json({typed<char>(part), part.size()}, where);
    const auto expect = [&](const char* key, const Json& wanted) {
      const Json found = json_get<Json>(state, key, where);
      if (found != wanted) throw damaged(fmt::format("\"{}\" is {}, not {}", key, found.dump(), wanted.dump()), where);
    };
    expect("quant_type", "nf4");
    expect("blocksize", kNf4Block);
    expect("shape", {rows, cols});
    expect("nested_blocksize", kNf4NestedBlock);
    expect("nested_dtype", "float32");
    const auto dtype = json_get<std::string>(state, "dtype", where);
    if (dtype != "float32" && dtype != "float16" && dtype != "bfloat16")
      throw damaged("\"dtype\" is neither float32, float16 nor bfloat16", where);
    const auto offset = json_get<double>(state, "nested_offset", where);
    if (!(std::abs(offset) <= std::numeric_limits<float>::max()))
      throw Error{ErrorKind::kNumeric, "\"nested_offset\" is not finite", where,
                  "quantise the original model again (sori quantize)"};
    return static_cast<float>(offset);
  }
};

class Fp8Format : public FileFormat {
 public:
  std::string_view name() const override { return Fp8::kFormat; }
  std::string_view mark() const override { return ".weight_scale"; }
  std::string_view peer() const override { return "compressed-tensors"; }
  int bits() const override { return 8; }
  std::vector<FilePart> parts(std::int64_t rows, std::int64_t cols) const override {
    return {{".weight", DType::kF8, {rows, cols}}, {".weight_scale", DType::kF32, {rows, 1}}};
  }

  BaseWeight view(std::int64_t rows, std::int64_t cols, const Parts& parts, const std::string& where) const override {
    require_scales(parts[1], "weight_scale", where);
    return Fp8{typed<e4m3>(parts[0]), typed<float>(parts[1]), rows, cols};
  }

  void refuse_not_numbers(const Parts& parts, const std::string& where) const override {
    bool found = false;
    for (const std::byte code : parts[0]) found |= is_nan({static_cast<std::uint8_t>(code)});
    if (found)
      throw Error{ErrorKind::kNumeric, "weight holds a code that is NaN", where,
                  "quantise the original model again (sori quantize)"};
  }

  void quantise(const Numbers& n, const WritableParts& parts) const override {
    const auto scales = typed<float>(parts[1], 0, n.rows);
    for_each_row(n, [&](std::int64_t row, std::span<const float> numbers) {
      scales[static_cast<std::size_t>(row)] = quantise_fp8(numbers, typed<e4m3>(parts[0], row * n.cols, n.cols));
    });
  }

  // Weights alone: products are those of the numbers that the codes stand for.
  Json config(const std::string& /*dtype*/) const override {
    const Json weights = {
        {"num_bits", 8}, {"type", "float"}, {"strategy", "channel"}, {"symmetric", true}, {"dynamic", false}};
    return {{"quant_method", peer()},
            {"format", "float-quantized"},
            {"quantization_status", "compressed"},
            {"config_groups", {{"group_0", {{"targets", {"Linear"}}, {"weights", weights}}}}},
            {"ignore", {"proj_out"}}};
  }
};

}  // namespace

QuantisedNumbers quantise(const FileFormat& format, const Numbers& numbers, const std::string& where) {
  QuantisedNumbers made;
  for (const FilePart& p : format.parts(numbers.rows, numbers.cols)) {
    std::size_t bytes = size_of(p.type);
    for (const std::int64_t n : p.shape) bytes *= static_cast<std::size_t>(n);
    made.parts.emplace_back(bytes);
  }
  const FileFormat::WritableParts writable(made.parts.begin(), made.parts.end());
  format.quantise(numbers, writable);
  made.weight = format.view(numbers.rows, numbers.cols, {writable.begin(), writable.end()}, where);
  return made;
}

const std::vector<const FileFormat*>& file_formats() {
  static const Int8Format int8;
  static const Nf4Format nf4;
  static const Fp8Format fp8;
  static const std::vector<const FileFormat*> all{&int8, &fp8, &nf4};  // the most precise first
  return all;
}

const FileFormat* find_file_format(std::string_view name) {
  for (const FileFormat* f : file_formats())
    if (f->name() == name) return f;
  return nullptr;
}

bool is_mixed(std::string_view base) { return base.starts_with(kMixedBase); }

bool is_quantised(std::string_view base) { return is_mixed(base) || find_file_format(base); }

std::vector<std::string> file_format_names() {
  std::vector<std::string> names;
  for (const FileFormat* f : file_formats()) names.emplace_back(f->name());
  return names;
}

std::vector<std::string> base_choices(const char* automatic) {
  std::vector<std::string> names = file_format_names();
  names.insert(names.begin(), "model");
  if (automatic) names.emplace_back(automatic);
  return names;
}

}  // namespace sori
