// The CPU backend's scratch memory: what carve_scratch takes is enough for every operation within its Limits.
#include <gtest/gtest.h>

#include <array>
#include <numeric>

#include "ops/cpu/unplanned.h"

namespace sori {
namespace {

class CpuScratch : public ::testing::TestWithParam<DType> {
 protected:
  void SetUp() override { backend_ = make_cpu_backend(GetParam()); }
  // For as little as the test does, so that no operation hides behind another's need.
  Backend& plan(const Limits& limits) {
    Carver count = Carver::counting();
    backend_->carve_scratch(count, limits);
    arena_ = std::make_unique<Arena>(count.bytes());
    Carver carver(*arena_);
    backend_->carve_scratch(carver, limits);
    return *backend_;
  }
  Mat mat(DType type, std::int64_t rows, std::int64_t cols, std::int64_t gap = 0) {
    blocks_.push_back(std::make_unique<Arena>(static_cast<std::size_t>(rows * (cols + gap)) * size_of(type)));
    return {blocks_.back()->data(), type, rows, cols, cols + gap};
  }
  std::size_t unplanned() const { return unplanned_bytes(*backend_); }

 private:
  std::vector<std::unique_ptr<Arena>> blocks_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Backend> backend_;
};

TEST_P(CpuScratch, SufficesForProductsOfEveryShape) {
  constexpr std::int64_t kRank = 17, kRows = 77, kWidth = 2048;  // a panel is full at this width
  Backend& be = plan({.rows = kRows, .width = kWidth});
  for (const auto& [in, out] : {std::pair{std::int64_t{67}, kWidth}, {kWidth, std::int64_t{67}}, {kWidth, kWidth}})
    for (const std::int64_t gap : {0, 3}) {
      const Mat x = mat(GetParam(), kRows, in, gap), y = mat(DType::kF32, kRows, out, gap);
      const Mat dy = mat(GetParam(), kRows, out, gap), dx = mat(DType::kF32, kRows, in, gap);
      const LowRank low{mat(GetParam(), kRows, kRank, gap), as_weight(mat(DType::kF32, out, kRank)), 2};
      for (const DType weight : {DType::kF32, DType::kF16, DType::kBF16}) {
        const BaseWeight w = as_weight(mat(weight, out, in));
        be.linear(x, w, {.low_rank = &low}, y);
        be.linear(x.row_range(0, 3), w, {}, y.row_range(0, 3));
        be.linear_backward(dy, w, true, dx);
      }
      const Mat bias = mat(DType::kF32, 1, out);
      be.weight_gradient(dy, x, 0.5f, mat(DType::kF32, out, in), bias.row<float>(0));
    }
  EXPECT_EQ(unplanned(), 0u);
}

TEST_P(CpuScratch, SufficesForWholePassesOfAWeightGradient) {
  constexpr std::int64_t kRows = 1536, kWidth = 1408;  // every step of a pass is full, and more columns than are ready
  Backend& be = plan({.rows = kRows, .width = kWidth});
  be.weight_gradient(mat(GetParam(), kRows, kWidth), mat(GetParam(), kRows, kWidth), 1,
                     mat(DType::kF32, kWidth, kWidth), nullptr);
  be.weight_gradient(mat(GetParam(), kRows, 64, 3), mat(GetParam(), kRows, kWidth, 3), 1, mat(DType::kF32, 64, kWidth),
                     nullptr);
  EXPECT_EQ(unplanned(), 0u);
}

TEST_P(CpuScratch, SufficesForAttentionAndItsBackward) {
  constexpr std::int64_t kHeads = 20, kHeadWidth = 56, kQueries = 130, kKeys = 3001, kWidth = kHeads * kHeadWidth;
  Backend& be = plan({.query_rows = kQueries, .key_rows = kKeys, .head_width = kHeadWidth, .heads = kHeads});
  const std::array<AttentionSpan, 3> spans{
      {{{0, kQueries}, {0, kKeys}}, {{130, 40}, {kKeys, 40}}, {{170, 70}, {3041, 300}}}};
  constexpr std::int64_t kAllQueries = 240, kAllKeys = 3341;
  const DType type = GetParam();
  const Mat q = mat(type, kAllQueries, kWidth), k = mat(type, kAllKeys, kWidth), v = mat(type, kAllKeys, kWidth);
  const Mat out = mat(type, kAllQueries, kWidth), lse = mat(DType::kF32, kAllQueries, kHeads);
  const Mat dout = mat(DType::kF32, kAllQueries, kWidth), dq = mat(type, kAllQueries, kWidth);
  const Mat dk = mat(type, kAllKeys, kWidth), dv = mat(type, kAllKeys, kWidth);
  be.attention(q, k, v, spans, kHeads, false, out, lse);
  be.attention_backward(q, k, v, out, lse, dout, spans, kHeads, false, dq, dk, dv);
  const std::array<AttentionSpan, 2> decoding{{{{0, 1}, {0, kKeys}}, {{1, 1}, {kKeys, 340}}}};
  be.attention(q.row_range(0, 2), k, v, decoding, kHeads, true, out.row_range(0, 2), lse.row_range(0, 2));
  EXPECT_EQ(unplanned(), 0u);
}

TEST_P(CpuScratch, SufficesForWhatWorksRowByRow) {
  constexpr std::int64_t n = 333, c = 1100, v = 30001, t = 70;
  Backend& be = plan({.rows = n, .width = c, .target_rows = t, .vocabulary = v});
  const Mat x = mat(DType::kF32, n, c), gain = mat(DType::kF32, 4, c);
  be.layer_norm(x, gain.row<float>(0), gain.row<float>(1), mat(GetParam(), n, c), mat(DType::kF32, n, 2));
  be.layer_norm_backward(x, mat(DType::kF32, n, 2), gain.row<float>(0), mat(DType::kF32, n, c), mat(DType::kF32, n, c),
                         gain.row<float>(2), gain.row<float>(3));
  be.gain_backward(mat(GetParam(), n, c), gain.row<float>(0), gain.row<float>(1), gain.row<float>(2),
                   mat(GetParam(), n, c), gain.row<float>(3));
  std::vector<int> index(n, 2);
  be.add_rows(x, as_weight(mat(DType::kF16, 3, c)), index, mat(GetParam(), n, c));
  be.embed(as_weight(mat(DType::kF16, 3, c)), index, as_weight(mat(DType::kF32, 3, c)), index, mat(GetParam(), n, c));
  std::vector<float> losses(t);
  be.cross_entropy(mat(GetParam(), t, c), as_weight(mat(DType::kF16, v, c)), std::span<const int>(index).first(t), 1,
                   0.1f, losses, mat(DType::kF32, t, c), mat(DType::kF32, v, c));
  be.sum_squares(mat(DType::kF32, n, c));
  EXPECT_EQ(unplanned(), 0u);
}

TEST_P(CpuScratch, CountsWhatIsTakenBeyondThePlan) {
  Backend& be = plan({.rows = 64, .width = 64});
  be.linear(mat(GetParam(), 64, 20000), as_weight(mat(DType::kF16, 64, 20000)), {}, mat(DType::kF32, 64, 64));
  EXPECT_GT(unplanned(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Types, CpuScratch, ::testing::Values(DType::kF32, DType::kBF16),
                         [](const auto& c) { return std::string(name_of(c.param)); });

}  // namespace
}  // namespace sori
