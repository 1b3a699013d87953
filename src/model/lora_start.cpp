#include "model/lora_start.h"

#include "formats/values.h"
#include "model/encoder.h"
#include "model/stored_weight.h"

namespace sori {
namespace {

constexpr int kGradientIterations = 4;  // as the authors' code and PEFT: gradients' values fall fast
constexpr double kStableGamma = 16;
constexpr int kIterations = 16;  // as in PEFT's example of its own fast search, pissa_niter_16

template <class F>
void for_each_adapter(Whisper& model, F&& f) {
  for_each_linear(model, [&](const std::string& name, Linear& l) {
    if (l.lora) f(name, l, *l.lora);
  });
}

// to[0], to[step], ... = factor * from [1, n].
void copy(ConstMat from, double factor, float* to, std::int64_t step) {
  for (std::int64_t i = 0; i < from.cols; ++i) to[i * step] = static_cast<float>(factor * from.row<float>(0)[i]);
}

// Row i of A is a * right, column i of B is b * left; and so are their frozen twins, B's negated.
void set_direction(Lora& lora, std::int64_t i, ConstMat left, double b, ConstMat right, double a) {
  const std::int64_t rank = lora.a.rows(), half = lora.a.learning_rows();
  float *const as = lora.a.value.row<float>(0), *const bs = lora.b.value.row<float>(0);
  copy(right, a, as + i * right.cols, 1);
  copy(left, b, bs + i, rank);
  if (half == rank) return;
  copy(right, a, as + (half + i) * right.cols, 1);
  copy(left, -b, bs + half + i, rank);
}

// scale * B A is the best of its rank for matrix_of(name, layer).
template <class MatrixOf>
void start_each(Whisper& model, std::uint64_t seed, const StartMemory& m, const AfterEach& after,
                MatrixOf&& matrix_of) {
  for_each_adapter(model, [&](const std::string& name, Linear& l, Lora& lora) {
    const Rng rng(seed, Draw::kInit, 1, lora.module);
    const Svd svd = truncated_svd(*m.backend, matrix_of(name, l), lora.a.learning_rows(), kIterations, rng, m.svd);
    for (std::int64_t i = 0; i < svd.left.rows; ++i) {
      const double factor = std::sqrt(svd.values[static_cast<std::size_t>(i)] / lora.scale);
      set_direction(lora, i, svd.left.row_range(i, 1), factor, svd.right.row_range(i, 1), factor);
    }
    if (after) after();
  });
}

}  // namespace

StartMemory carve_start(Carver& c, Whisper& model, const std::string& init) {
  StartMemory m;
  if (init == "true") return m;
  SvdLimits l;
  std::int64_t largest = 0;
  for_each_adapter(model, [&](const std::string&, const Linear& linear, const Lora& lora) {
    l.rank = std::max(l.rank, init == "lora_ga" ? lora.a.rows() : lora.a.learning_rows());
    l.out = std::max(l.out, linear.weight.rows());
    l.in = std::max(l.in, linear.weight.cols());
    largest = std::max(largest, linear.weight.size());
  });
  const Carver::In scratch(c, Purpose::kScratch);
  m.backend = make_cpu_backend(DType::kF32);
  Limits limits;
  limits.rows = round_rows(l.rank + kOversampling);
  limits.width = std::max(l.out, l.in);
  m.backend->carve_scratch(c, limits);
  m.svd = carve_svd(c, l);
  if (init != "pissa") m.matrix = c.array<float>(static_cast<std::size_t>(largest));
  return m;
}

void start_pissa(Whisper& model, std::uint64_t seed, const StartMemory& m, const AfterEach& after) {
  start_each(model, seed, m, after, [](const std::string&, Linear& l) { return l.weight.weight; });
}

void start_loftq(Whisper& model, const TensorFile& original, std::uint64_t seed, const StartMemory& m,
                 const AfterEach& after) {
  start_each(model, seed, m, after, [&](const std::string& name, Linear& l) {
    const std::int64_t rows = l.weight.rows(), cols = l.weight.cols();
    const Mat lost(m.matrix.data(), rows, cols);
    const StoredWeight stored = find_weight(original, {name + ".weight", l.weight.shape});
    require(stored.format == nullptr, "the original weights are numbers");
    read_floats(stored.parts[0], 0, m.matrix.first(static_cast<std::size_t>(lost.size())));
    original.drop_pages(stored.parts[0]);
    for (std::int64_t r = 0; r < rows; ++r) {
      const Mat decoded(m.svd.right.data(), 1, cols);
      m.backend->decode_rows(l.weight.weight, r, decoded);
      for (std::int64_t c = 0; c < cols; ++c) lost.row<float>(r)[c] -= decoded.row<float>(0)[c];
    }
    return as_weight(lost);
  });
}

void LoraGaStart::heard(Linear& l, ConstMat x, ConstMat dy) {
  if (!l.lora) return;
  Lora& lora = *l.lora;
  const Mat gradient(memory_.matrix.data(), l.weight.rows(), l.weight.cols());
  set_zero(gradient);
  learn_.weight_gradient(dy, x, 1, gradient, nullptr);
  const std::int64_t rank = lora.a.learning_rows();
  const Rng rng(seed_, Draw::kInit, 1, lora.module);
  const Svd svd = truncated_svd(*memory_.backend, as_weight(gradient), 2 * rank, kGradientIterations, rng, memory_.svd);
  const double factor = std::pow(static_cast<double>(gradient.rows), 0.25) / std::sqrt(kStableGamma);
  for (std::int64_t i = 0; i < rank; ++i)
    set_direction(lora, i, svd.left.row_range(rank + i, 1), factor, svd.right.row_range(i, 1), factor);
  if (after_) after_();
}

}  // namespace sori
