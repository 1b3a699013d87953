#include "plan/noise.h"

#include "base/rng.h"
#include "base/threads.h"
#include "model/load.h"
#include "model/lora.h"
#include "quant/file_format.h"

namespace sori {
namespace {

Rng rng_of(std::uint64_t number, std::int64_t part) {
  return Rng(0, Draw::kRandomWeights, number, static_cast<std::uint64_t>(part));
}

void fill(Mat m, std::uint64_t number, float deviation) {
  parallel_for(m.rows, [&](std::int64_t row) {
    float piece[256];
    for (std::int64_t first = 0; first < m.cols; first += std::ssize(piece)) {
      const std::int64_t n = std::min<std::int64_t>(std::ssize(piece), m.cols - first);
      fill_noise(rng_of(number, row * m.cols + first), deviation, {piece, static_cast<std::size_t>(n)});
      for (std::int64_t i = 0; i < n; ++i) store(m, row, first + i, piece[i]);
    }
  });
}

BaseWeight carve_quantised(Carver& c, const FileFormat& format, std::int64_t rows, std::int64_t cols,
                           std::uint64_t number) {
  FileFormat::WritableParts parts;
  for (const FilePart& p : format.parts(rows, cols)) {
    std::size_t bytes = size_of(p.type);
    for (const std::int64_t n : p.shape) bytes *= static_cast<std::size_t>(n);
    parts.emplace_back(static_cast<std::byte*>(c.take(bytes)), c.counts_only() ? 0 : bytes);
  }
  if (c.counts_only()) return weight_nowhere(format.name(), rows, cols);
  const auto read = [&](std::int64_t first, std::span<float> out) {
    fill_noise(rng_of(number, first), kNoiseDeviation, out);
  };
  format.quantise({rows, cols, "float32", read}, parts);
  return format.view(rows, cols, {parts.begin(), parts.end()}, "noise");
}

DType type_of(std::string_view format) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16})
    if (name_of(type) == format) return type;
  require(false, "a weight is in a format of files, f32, f16 or bf16");
  return DType::kF32;
}

}  // namespace

Mat carve_noise(Carver& c, DType type, std::int64_t rows, std::int64_t cols, std::uint64_t number, float deviation) {
  const Mat m = c.mat(type, rows, cols);
  if (!c.counts_only()) fill(m, number, deviation);
  return m;
}

BaseWeight carve_noise(Carver& c, std::string_view format, std::int64_t rows, std::int64_t cols, std::uint64_t number) {
  if (const FileFormat* f = find_file_format(format)) return carve_quantised(c, *f, rows, cols, number);
  return as_weight(carve_noise(c, type_of(format), rows, cols, number, kNoiseDeviation));
}

void carve_noise(Carver& c, Whisper& model) {
  count_weights(c, model);
  const Carver::In weights(c, Purpose::kWeights);
  std::uint64_t number = 0;
  for_each_parameter(model, [&](const std::string& name, Parameter& p) {
    ++number;
    const bool vector = p.shape.size() == 1;
    if (!vector && !p.trainable) p.weight = carve_noise(c, format_of(p.weight), p.rows(), p.cols(), number);
    if (c.counts_only()) return;
    if (p.trainable && !vector) fill(p.value, number, kNoiseDeviation);
    if (!vector) return;
    auto* numbers = const_cast<float*>(p.vector());  // our own: count_weights() took them from this carver
    std::fill_n(numbers, p.size(), name.ends_with("layer_norm.weight") ? 1.0F : 0.0F);
  });
  if (!c.counts_only()) init_lora(model, 0);
}

}  // namespace sori
