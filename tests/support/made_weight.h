// A weight made of numbers by a quantised format, in the memory of its file's parts.
#pragma once

#include "quant/file_format.h"

namespace sori::test {

struct MadeWeight {
  std::vector<std::vector<std::byte>> parts;  // live as long as the weight
  BaseWeight weight;

  MadeWeight(std::string_view format, std::int64_t rows, std::int64_t cols, std::span<const float> x) {
    QuantisedNumbers made = quantise(
        *find_file_format(format),
        {rows, cols, "bfloat16",
         [&](std::int64_t first, std::span<float> out) { std::copy_n(x.begin() + first, out.size(), out.begin()); }},
        "here");
    parts = std::move(made.parts), weight = made.weight;
  }
  MadeWeight(MadeWeight&&) = default;  // a copy would look into the other one's memory

  std::vector<float> decoded() const {
    std::vector<float> out(static_cast<std::size_t>(rows_of(weight) * cols_of(weight)));
    decode_rows(weight, 0, Mat(out.data(), rows_of(weight), cols_of(weight)));
    return out;
  }
};

}  // namespace sori::test
