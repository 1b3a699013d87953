#include "quant/base_weight.h"

namespace sori {

std::int64_t rows_of(const BaseWeight& w) {
  return std::visit([](const auto& f) { return f.rows; }, w);
}

std::int64_t cols_of(const BaseWeight& w) {
  return std::visit([](const auto& f) { return f.cols; }, w);
}

std::size_t bytes_of(const BaseWeight& w) {
  return std::visit([](const auto& f) { return static_cast<std::size_t>(f.rows * f.cols) * sizeof(*f.data); }, w);
}

std::string_view format_of(const BaseWeight& w) {
  return std::visit([](const auto& f) { return name_of(dtype_of<std::remove_cvref_t<decltype(*f.data)>>); }, w);
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
        for (std::int64_t r = 0; r < out.rows; ++r)
          for (std::int64_t c = 0; c < out.cols; ++c) store(out, r, c, to_float(f.data[(first + r) * f.cols + c]));
      },
      w);
}

}  // namespace sori
