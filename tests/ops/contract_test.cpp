// What the operations refuse. A wrong shape is our bug, and must be found before memory is touched.
#include "ops/backends.h"

namespace sori::test {
namespace {

class Contract : public OnEveryBackend {
 protected:
  Backend& backend() {
    return make({.rows = 8,
                 .width = 8,
                 .query_rows = 8,
                 .key_rows = 8,
                 .head_width = 4,
                 .heads = 2,
                 .target_rows = 8,
                 .vocabulary = 8});
  }
};

TEST_P(Contract, LinearRefusesShapesThatDoNotFit) {
  Drawn draw(1);
  const OwnedMat x = draw.mat(compute(), 8, 8), w = draw.mat(DType::kF32, 6, 8), narrow = draw.mat(DType::kF32, 6, 7);
  OwnedMat y(DType::kF32, 8, 6), short_y(DType::kF32, 7, 6), dx(DType::kF32, 8, 8);
  Backend& b = backend();
  EXPECT_NO_THROW(b.linear(x, as_weight(w.mat()), {}, y));
  EXPECT_THROW(b.linear(x, as_weight(narrow.mat()), {}, y), Bug);
  EXPECT_THROW(b.linear(x, as_weight(w.mat()), {}, short_y), Bug);
  Epilogue e;
  e.add = short_y;
  EXPECT_THROW(b.linear(x, as_weight(w.mat()), e, y), Bug);
  EXPECT_THROW(b.linear_backward(x, as_weight(w.mat()), false, dx), Bug) << "dy has 8 columns, w 6 rows";
  EXPECT_THROW(b.weight_gradient(x, x, 1, y, nullptr), Bug);
}

TEST_P(Contract, RowsThatDoNotExistAreRefused) {
  Drawn draw(2);
  const OwnedMat table = draw.mat(DType::kF32, 5, 8), x = draw.mat(compute(), 2, 8);
  OwnedMat y(DType::kF32, 2, 8), dtable(DType::kF32, 5, 8);
  const std::vector<int> above{0, 5}, below{-2, 0}, good{4, -1}, three{0, 1, 2};
  std::vector<float> losses(2);
  Backend& b = backend();
  EXPECT_NO_THROW(b.add_rows({}, as_weight(table.mat()), good, y));
  for (const auto& bad : {above, below, three}) {
    EXPECT_THROW(b.add_rows({}, as_weight(table.mat()), bad, y), Bug);
    EXPECT_THROW(b.embed(as_weight(table.mat()), bad, as_weight(table.mat()), good, y), Bug);
    EXPECT_THROW(b.embed(as_weight(table.mat()), good, as_weight(table.mat()), bad, y), Bug);
    EXPECT_THROW(b.add_rows_backward(y, bad, dtable), Bug);
    EXPECT_THROW(b.cross_entropy(x, as_weight(table.mat()), bad, 1, 0, losses, {}, {}), Bug);
  }
}

TEST_P(Contract, AttentionRefusesSpansOutsideItsMatricesAndQueriesWithoutKeys) {
  Drawn draw(3);
  const OwnedMat q = draw.mat(compute(), 8, 8), k = draw.mat(compute(), 6, 8);
  OwnedMat out(compute(), 8, 8), lse(DType::kF32, 8, 2);
  Backend& b = backend();
  const auto run = [&](AttentionSpan span, bool causal) { b.attention(q, k, k, {&span, 1}, 2, causal, out, lse); };
  EXPECT_NO_THROW(run({{0, 2}, {4, 2}}, true));
  EXPECT_THROW(run({{7, 2}, {0, 2}}, false), Bug);
  EXPECT_THROW(run({{0, 2}, {5, 2}}, false), Bug);
  EXPECT_THROW(run({{-1, 2}, {0, 2}}, false), Bug);
  EXPECT_THROW(run({{0, 2}, {0, 0}}, false), Bug);
  EXPECT_THROW(run({{0, 3}, {0, 2}}, true), Bug) << "the first query would see no key";
  const AttentionSpan span{{0, 2}, {0, 2}};
  EXPECT_THROW(b.attention(q, k, k, {&span, 1}, 3, false, out, lse), Bug) << "8 columns are no 3 heads";
}

TEST_P(Contract, UnfoldRefusesSpansOutsideItsMatrices) {
  const OwnedMat x = Drawn(4).mat(compute(), 8, 2);
  OwnedMat columns(compute(), 8, 6);
  Backend& b = backend();
  const auto run = [&](RowSpan from, RowSpan to, std::int64_t stride) {
    b.unfold(x, {&from, 1}, {&to, 1}, stride, columns);
  };
  EXPECT_NO_THROW(run({0, 5}, {0, 3}, 2));
  EXPECT_THROW(run({0, 5}, {0, 2}, 2), Bug) << "5 rows by 2 are 3";
  EXPECT_THROW(run({4, 5}, {0, 5}, 1), Bug);
  EXPECT_THROW(run({0, 5}, {4, 5}, 1), Bug);
  EXPECT_THROW(run({0, 5}, {0, 5}, 0), Bug);
}

TEST_P(Contract, DropoutRefusesAMaskThatDoesNotFit) {
  const OwnedMat x = Drawn(5).mat(compute(), 2, 8);
  OwnedMat y(compute(), 2, 8);
  const std::vector<std::uint64_t> one{1}, two{1, 2};
  Backend& b = backend();
  EXPECT_THROW(b.dropout(x, {0.1, 1, 1, 1, one}, y), Bug);
  EXPECT_THROW(b.dropout(x, {1.0, 1, 1, 1, two}, y), Bug);
  EXPECT_THROW(b.dropout(x, {-0.1, 1, 1, 1, two}, y), Bug);
}

TEST_P(Contract, SaysWhatItIs) {
  EXPECT_EQ(backend().compute(), GetParam().compute);
  EXPECT_TRUE(GetParam().name.starts_with(backend().name()));
}

INSTANTIATE_TEST_SUITE_P(Backends, Contract, ::testing::ValuesIn(all_backends()), case_name);

}  // namespace
}  // namespace sori::test
