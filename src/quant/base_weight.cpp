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
std::size_t bytes(const Dense<T>& w) {
  return static_cast<std::size_t>(w.rows * w.cols) * sizeof(T);
}
std::size_t bytes(const Int8& w) {
  return static_cast<std::size_t>(w.rows * w.cols) + sizeof(float) * static_cast<std::size_t>(w.rows);
}
std::size_t bytes(const Nf4& w) {
  const std::int64_t n = w.rows * w.cols;
  return static_cast<std::size_t>(nf4_bytes(n) + nf4_blocks(n)) +
         sizeof(float) * static_cast<std::size_t>(nf4_nested_blocks(n));
}

template <class T>
std::string_view format(const Dense<T>&) {
  return name_of(dtype_of<T>);
}
std::string_view format(const Int8&) { return "int8"; }
std::string_view format(const Nf4&) { return "nf4"; }

template <class T>
ConstMat numbers(const Dense<T>& w) {
  return ConstMat(w.data, w.rows, w.cols);
}
ConstMat numbers(const Int8&) { return {}; }
ConstMat numbers(const Nf4&) { return {}; }

}  // namespace

std::size_t bytes_of(const BaseWeight& w) {
  return std::visit([](const auto& f) { return bytes(f); }, w);
}

std::string_view format_of(const BaseWeight& w) {
  return std::visit([](const auto& f) { return format(f); }, w);
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
