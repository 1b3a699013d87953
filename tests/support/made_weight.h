// A weight made of numbers by a quantised format, in the memory of its file's parts.
#pragma once

#include "quant/file_format.h"

namespace sori::test {

inline std::size_t bytes_of_part(const FilePart& p) {
  std::size_t bytes = size_of(p.type);
  for (const std::int64_t n : p.shape) bytes *= static_cast<std::size_t>(n);
  return bytes;
}

struct MadeWeight {
  std::vector<std::vector<std::byte>> parts;  // live as long as the weight
  BaseWeight weight;

  MadeWeight(std::string_view format_name, std::int64_t rows, std::int64_t cols, std::span<const float> x) {
    const FileFormat& format = *find_file_format(format_name);
    FileFormat::WritableParts writable;
    for (const FilePart& p : format.parts(rows, cols)) parts.emplace_back(bytes_of_part(p));
    for (auto& p : parts) writable.emplace_back(p);
    format.quantise(
        {rows, cols, "bfloat16",
         [&](std::int64_t first, std::span<float> out) { std::copy_n(x.begin() + first, out.size(), out.begin()); }},
        writable);
    weight = format.view(rows, cols, {writable.begin(), writable.end()}, "here");
  }
  MadeWeight(MadeWeight&&) = default;  // a copy would look into the other one's memory

  std::vector<float> decoded() const {
    std::vector<float> out(static_cast<std::size_t>(rows_of(weight) * cols_of(weight)));
    decode_rows(weight, 0, Mat(out.data(), rows_of(weight), cols_of(weight)));
    return out;
  }
};

}  // namespace sori::test
