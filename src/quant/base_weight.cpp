#include "quant/base_weight.h"

namespace sori {

std::int64_t rows_of(const BaseWeight& w) {
  return std::visit([](const auto& f) { return f.rows; }, w);
}

std::int64_t cols_of(const BaseWeight& w) {
  return std::visit([](const auto& f) { return f.cols; }, w);
}

namespace {

template <class T>
ConstMat numbers(const Dense<T>& w) {
  return ConstMat(w.data, w.rows, w.cols);
}
template <class Format>
ConstMat numbers(const Format&) {
  return {};
}

template <class... Formats>
BaseWeight of_format(std::string_view name, const std::variant<Formats...>&) {
  BaseWeight found;
  const bool known = ((Formats::kFormat == name && (found = Formats(), true)) || ...);
  require(known, "a base has a known format");
  return found;
}

}  // namespace

std::size_t bytes_of(const BaseWeight& w) {
  return std::visit([](const auto& f) { return f.bytes(); }, w);
}

std::string_view format_of(const BaseWeight& w) {
  return std::visit([](const auto& f) { return f.kFormat; }, w);
}

ConstMat dense(const BaseWeight& w) {
  return std::visit([](const auto& f) { return numbers(f); }, w);
}

BaseWeight as_weight(ConstMat m) {
  require(m.contiguous(), "a weight has no gaps between its rows");
  switch (m.type) {
    case DType::kF32:
      return Dense<float>{m.row<float>(0), m.rows, m.cols};
    case DType::kF16:
      return Dense<f16>{m.row<f16>(0), m.rows, m.cols};
    case DType::kBF16:
      return Dense<bf16>{m.row<bf16>(0), m.rows, m.cols};
    default:
      require(false, "a dense weight is f32, f16 or bf16");
      return {};
  }
}

BaseWeight weight_nowhere(std::string_view format, std::int64_t rows, std::int64_t cols) {
  BaseWeight w = of_format(format, BaseWeight());
  std::visit([&](auto& f) { f.rows = rows, f.cols = cols; }, w);
  return w;
}

void decode_rows(const BaseWeight& w, std::int64_t first, Mat out) {
  std::visit(
      [&](const auto& f) {
        require(first >= 0 && first + out.rows <= f.rows && out.cols == f.cols, "decoded rows lie inside the weight");
        std::vector<float> row(static_cast<std::size_t>(out.cols));
        for (std::int64_t r = 0; r < out.rows; ++r) {
          decode(f, first + r, 0, row);
          for (std::int64_t c = 0; c < out.cols; ++c) store(out, r, c, row[static_cast<std::size_t>(c)]);
        }
      },
      w);
}

}  // namespace sori
