// The same call gives the same bits: again, on another backend of the same kind, and for our own sums with any number
// of threads.
#include "ops/backends.h"
#include "ops/reference/linear.h"
#include "ops/threads.h"

namespace sori::test {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::int64_t kRows = 960, kWidth = 80, kClasses = 300;

// What the operations read. Results are written to what run() makes.
struct Inputs {
  OwnedMat x, wide, weight, embedding, stream, table_gradient;
  std::vector<float> gain, bias;
  std::vector<int> index;

  explicit Inputs(DType compute) {
    Drawn draw(1);
    x = draw.mat(compute, kRows, kWidth);
    wide = draw.mat(compute, kRows, kWidth);
    weight = draw.mat(DType::kF16, kWidth, kWidth);
    embedding = draw.mat(DType::kBF16, kClasses, kWidth);
    stream = draw.mat(DType::kF32, kRows, kWidth);
    table_gradient = draw.mat(DType::kF32, kClasses, kWidth);
    gain = draw.vector(kWidth, 1);
    bias = draw.vector(kWidth);
    for (std::int64_t r = 0; r < kRows; ++r) index.push_back(static_cast<int>(draw.integer(-1, 5)));
  }
};

Bytes float_bits(std::span<const float> v) { return bits_of(ConstMat(v.data(), 1, std::ssize(v))); }

void run_linear(Backend& backend, const Inputs& in, std::map<std::string, Bytes>& out) {
  OwnedMat y(DType::kF32, kRows, kWidth), saved(backend.compute(), kRows, kWidth), dw(DType::kF32, kWidth, kWidth);
  reference::write(Values(kWidth, kWidth), dw);
  std::vector<float> dbias(kWidth);
  backend.linear(in.x, as_weight(in.weight.mat()), {in.bias.data(), nullptr, saved, true, in.stream}, y);
  out["linear"] = bits_of(y);
  backend.linear_backward(in.x, as_weight(in.weight.mat()), false, y);
  out["linear_backward"] = bits_of(y);
  backend.weight_gradient(in.wide, in.x, 1, dw, dbias.data());
  out["weight_gradient"] = bits_of(dw);
  out["bias gradient"] = float_bits(dbias);
}

// In several parts of the rows, and in several tiles.
void run_gradients(Backend& backend, std::map<std::string, Bytes>& out) {
  constexpr std::int64_t kTall = 2100;
  Drawn draw(5);
  for (const std::int64_t width : {std::int64_t{40}, std::int64_t{400}}) {
    const OwnedMat dy = draw.mat(backend.compute(), kTall, width), x = draw.mat(backend.compute(), kTall, width);
    OwnedMat dw(DType::kF32, width, width);
    reference::write(Values(width, width), dw);
    backend.weight_gradient(dy, x, 1, dw, nullptr);
    out[fmt::format("weight_gradient of width {}", width)] = bits_of(dw);
  }
}

void run_attention(Backend& backend, const Inputs& in, std::map<std::string, Bytes>& out) {
  const std::vector<AttentionSpan> spans{{{0, 100}, {0, 100}}, {{100, 40}, {100, 40}}};
  OwnedMat y(backend.compute(), kRows, kWidth), lse(DType::kF32, kRows, 2), dq = y, dk = y, dv = y;
  backend.attention(in.x, in.wide, in.wide, spans, 2, true, y, lse);
  backend.attention_backward(in.x, in.wide, in.wide, y, lse, in.stream, spans, 2, true, dq, dk, dv);
  out["attention"] = bits_of(y);
  out["attention dq"] = bits_of(dq);
  out["attention dk"] = bits_of(dk);
  out["attention dv"] = bits_of(dv);
}

void run_cross_entropy(Backend& backend, const Inputs& in, std::map<std::string, Bytes>& out) {
  std::vector<float> losses(kRows);
  OwnedMat dx(DType::kF32, kRows, kWidth), de = in.table_gradient;
  backend.cross_entropy(in.x, as_weight(in.embedding.mat()), in.index, 1, 0.1f, losses, dx, de);
  out["losses"] = float_bits(losses);
  out["cross_entropy dx"] = bits_of(dx);
  out["cross_entropy de"] = bits_of(de);
}

// The sums that are ours and not a library's: fixed trees, whatever the number of threads.
void run_sums(Backend& backend, const Inputs& in, std::map<std::string, Bytes>& out) {
  OwnedMat y(DType::kF32, kRows, kWidth), stats(DType::kF32, kRows, 2), dx = in.stream, dtable = in.table_gradient;
  std::vector<float> dgain(kWidth), dbias(kWidth);
  backend.layer_norm(in.stream, in.gain.data(), in.bias.data(), y, stats);
  backend.layer_norm_backward(in.stream, stats, in.gain.data(), y, dx, dgain.data(), dbias.data());
  backend.add_rows_backward(in.stream, in.index, dtable);
  OwnedMat dy = in.x;
  std::vector<float> dm(kWidth);
  backend.gain_backward(in.wide, in.bias.data(), in.gain.data(), in.gain.data(), dy, dm.data());
  out["gain_backward dy"] = bits_of(dy);
  out["gain_backward dm"] = float_bits(dm);
  out["layer_norm"] = bits_of(y);
  out["layer_norm dx"] = bits_of(dx);
  out["layer_norm dgain"] = float_bits(dgain);
  out["layer_norm dbias"] = float_bits(dbias);
  out["add_rows_backward"] = bits_of(dtable);
  const double squares = backend.sum_squares(in.stream);
  const auto* bytes = reinterpret_cast<const std::byte*>(&squares);
  out["sum_squares"] = Bytes(bytes, bytes + sizeof squares);
}

class Determinism : public OnEveryBackend {
 protected:
  Backend& fresh() {
    return make({.rows = kRows,
                 .width = kWidth,
                 .query_rows = 100,
                 .key_rows = 100,
                 .head_width = kWidth / 2,
                 .heads = 2,
                 .target_rows = kRows,
                 .vocabulary = kClasses});
  }
  void expect_equal(const std::map<std::string, Bytes>& a, const std::map<std::string, Bytes>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (const auto& [name, bytes] : a) EXPECT_TRUE(bytes == b.at(name)) << name;
  }
};

TEST_P(Determinism, TwoRunsGiveEqualBits) {
  const Inputs in(compute());
  std::map<std::string, Bytes> results[2];
  for (auto& out : results) {
    Backend& backend = fresh();
    run_linear(backend, in, out);
    run_attention(backend, in, out);
    run_cross_entropy(backend, in, out);
    run_sums(backend, in, out);
  }
  expect_equal(results[0], results[1]);
}

TEST_P(Determinism, SumsAndProductsDoNotDependOnTheNumberOfThreads) {
  const Inputs in(compute());
  std::map<std::string, Bytes> results[3];
  for (int n = 1; n <= 3; ++n) {
    const Threads threads(n);
    run_sums(fresh(), in, results[n - 1]);
    run_linear(fresh(), in, results[n - 1]);
    run_gradients(fresh(), results[n - 1]);
  }
  expect_equal(results[0], results[1]);
  expect_equal(results[0], results[2]);
}

// A row of a product must not depend on which rows are beside it: 1 x 16 equals 16 x 1.
TEST_P(Determinism, ARowOfALinearLayerIsTheSameInASmallerBatchWithinRounding) {
  const Inputs in(compute());
  Backend& backend = fresh();
  OwnedMat all(DType::kF32, kRows, kWidth), one(DType::kF32, 1, kWidth);
  backend.linear(in.x, as_weight(in.weight.mat()), {}, all);
  backend.linear(in.x.mat().row_range(77, 1), as_weight(in.weight.mat()), {}, one);
  Values expected(1, kWidth), bound(1, kWidth);
  const Values weight = reference::read(as_weight(in.weight.mat()), compute());
  reference::Matrix<double> row = reference::read(in.x.mat().row_range(77, 1));
  reference::add_x_wt(magnitude(row), magnitude(weight), 2 * gamma(kWidth + 1, kRoundoffF32), bound);
  for (std::int64_t c = 0; c < kWidth; ++c) expected(0, c) = all.mat().at(77, c);
  EXPECT_TRUE(within("one row of linear", expected, one, bound));
}

INSTANTIATE_TEST_SUITE_P(Backends, Determinism, ::testing::ValuesIn(all_backends()), case_name);

}  // namespace
}  // namespace sori::test
