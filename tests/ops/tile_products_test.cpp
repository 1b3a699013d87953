// One tile of a product: oneDNN's and our own strips, on odd shapes and every order that operands lie in.
#include "ops/cpu/matmul.h"

#include "ops/reference/linear.h"
#include "support/bounds.h"
#include "support/compare.h"

namespace sori::test {
namespace {

struct Size {
  std::int64_t m, n, k;
};
// Around what strips and blocks of depth hold: 6 rows, 16 columns (8 with SSE4), 256 numbers.
const Size kSizes[] = {{1, 1, 1},    {6, 16, 64},   {7, 17, 65},   {5, 15, 255}, {64, 64, 256},
                       {13, 8, 257}, {64, 33, 513}, {64, 256, 80}, {3, 100, 7},  {128, 512, 66}};

using Case = std::tuple<TileKernels, DType>;

class Tile : public ::testing::TestWithParam<Case> {
 protected:
  DType type() const { return std::get<1>(GetParam()); }

  // c as run on operands that lie as the shape says.
  OwnedMat run(const TileShape& s, ConstMat a, ConstMat b, const OwnedMat& start) {
    OwnedMat c = start;
    std::vector<std::byte> packed;
    const void* from = b.data;
    if (s.b == TileShape::B::kPacked) {  // out of columns, as a weight lies
      packed.resize(products_.packed_bytes(s.k, s.n, s.type));
      products_.packer(s.k, s.n, s.type, TileShape::B::kColumns, b.stride).run(0, b.data, packed.data());
      from = packed.data();
    }
    TileProduct& product = products_.product(s);
    const bool strips = std::get<0>(GetParam()) == TileKernels::kStrips && product_type(s.type) == DType::kF32;
    EXPECT_EQ(product.implementation() == std::string("strips"), strips);
    product.run(0, a.data, from, c.mat().row<float>(0));
    return c;
  }

 private:
  TileProducts products_{1, std::get<0>(GetParam())};
};

Values turned(const Values& m) {
  Values t(m.cols, m.rows);
  for (std::int64_t r = 0; r < m.rows; ++r)
    for (std::int64_t c = 0; c < m.cols; ++c) t(c, r) = m(r, c);
  return t;
}

TEST_P(Tile, IsTheSumOfItsTerms) {
  constexpr float kScale = 0.75f;
  for (const Size& size : kSizes)
    for (const bool a_transposed : {false, true})
      for (const TileShape::B stored : {TileShape::B::kPacked, TileShape::B::kRows, TileShape::B::kColumns})
        for (const bool add : {false, true}) {
          const TileShape s{size.m, size.n, size.k, type(), a_transposed, stored, add, kScale};
          Drawn draw(7);
          const bool columns = stored != TileShape::B::kRows;
          const OwnedMat a = a_transposed ? draw.mat(type(), s.k, s.m) : draw.mat(type(), s.m, s.k);
          const OwnedMat b = columns ? draw.mat(type(), s.n, s.k) : draw.mat(type(), s.k, s.n);
          const OwnedMat start = draw.mat(DType::kF32, s.m, s.n);
          const Values x = a_transposed ? turned(a.values()) : a.values(),
                       w = columns ? b.values() : turned(b.values());
          Values expected = start.values(), terms(s.m, s.n);
          if (!add) std::fill(expected.data.begin(), expected.data.end(), 0.0);
          terms = magnitude(expected);
          reference::add_x_wt(x, w, kScale, expected);
          reference::add_x_wt(magnitude(x), magnitude(w), kScale, terms);
          for (double& t : terms.data) t *= gamma(static_cast<double>(s.k) + 3, kRoundoffF32);
          EXPECT_TRUE(within(fmt::format("m {} n {} k {}, a {}, b {}, add {}", s.m, s.n, s.k, a_transposed,
                                         static_cast<int>(stored), add),
                             expected, run(s, a, b, start), terms));
        }
}

// A tile may be cut anywhere: rows and columns do not know how many others there are.
TEST(Strips, ANumberDoesNotDependOnTheSizeOfItsTile) {
  constexpr std::int64_t kRows = 29, kCols = 37, kDepth = 300;
  TileProducts products(1, TileKernels::kStrips);
  Drawn draw(3);
  const OwnedMat a = draw.mat(DType::kF32, kRows, kDepth), b = draw.mat(DType::kF32, kCols, kDepth);
  const auto multiply = [&](ConstMat x, ConstMat w) {
    OwnedMat c(DType::kF32, x.rows, w.rows);
    products.product({.m = x.rows, .n = w.rows, .k = kDepth, .b = TileShape::B::kColumns})
        .run(0, x.data, w.data, c.mat().row<float>(0));
    return c;
  };
  const OwnedMat whole = multiply(a, b);
  const ConstMat some = a.mat();
  for (const std::int64_t first : {0, 1, 6, 23})
    for (const std::int64_t count : {1, 2, 5, 6})
      EXPECT_EQ(bits_of(multiply(some.row_range(first, count), b)), bits_of(whole.mat().row_range(first, count)));
  const ConstMat weight = b.mat();
  for (const std::int64_t first : {0, 3, 16, 30})
    EXPECT_EQ(bits_of(multiply(a, weight.row_range(first, 7))), bits_of(whole.mat().col_range(first, 7)));
}

// Rows of weights lie apart, and backward packs them the other way round.
TEST_P(Tile, WeightsArePackedFromRowsThatLieApart) {
  constexpr std::int64_t kM = 9, kN = 21, kK = 70, kGap = 5;
  Drawn draw(11);
  const OwnedMat a = draw.mat(type(), kM, kK), rows = draw.mat(type(), kK, kN, {kGap, 0}),
                 columns = draw.mat(type(), kN, kK, {kGap, 0});
  const auto multiply = [&](ConstMat b, TileShape::B stored) {
    TileProducts products(1, std::get<0>(GetParam()));
    std::vector<std::byte> packed(products.packed_bytes(kK, kN, type()));
    products.packer(kK, kN, type(), stored, b.stride).run(0, b.data, packed.data());
    OwnedMat c(DType::kF32, kM, kN);
    products.product({.m = kM, .n = kN, .k = kK, .type = type()})
        .run(0, a.mat().data, packed.data(), c.mat().row<float>(0));
    return c;
  };
  for (const auto& [b, stored] : {std::pair{&rows, TileShape::B::kRows}, {&columns, TileShape::B::kColumns}}) {
    const Values w = stored == TileShape::B::kRows ? turned(b->values()) : b->values();
    Values expected(kM, kN), terms(kM, kN);
    reference::add_x_wt(a.values(), w, 1, expected);
    reference::add_x_wt(magnitude(a.values()), magnitude(w), 1, terms);
    for (double& t : terms.data) t *= gamma(static_cast<double>(kK) + 3, kRoundoffF32);
    EXPECT_TRUE(within("packed", expected, multiply(*b, stored), terms));
  }
}

std::string name_of_case(const ::testing::TestParamInfo<Case>& info) {
  return fmt::format("{}_{}", std::get<0>(info.param) == TileKernels::kStrips ? "strips" : "library",
                     name_of(std::get<1>(info.param)));
}
INSTANTIATE_TEST_SUITE_P(All, Tile,
                         ::testing::Combine(::testing::Values(TileKernels::kLibrary, TileKernels::kStrips),
                                            ::testing::Values(DType::kF32, DType::kBF16)),
                         name_of_case);

}  // namespace
}  // namespace sori::test
