#include "ops/reference/dropout.h"

#include "ops/adjoint.h"
#include "ops/backends.h"

namespace sori::test {
namespace {

constexpr std::int64_t kRows = 9, kCols = 131;

struct Keys {
  std::vector<std::uint64_t> rows;
  DropoutMask mask;
  explicit Keys(double rate, std::uint64_t module = 5) {
    for (std::int64_t r = 0; r < kRows; ++r) rows.push_back(static_cast<std::uint64_t>(r * r) << 20 | 77);
    mask = {rate, 1234, 6, module, rows};
  }
};

// y = x / (1 - rate), or x times the rounded reciprocal, in f32: three roundings.
Values bound_of(const Values& y, DType type) {
  Values b = storage(type, y);
  for (std::size_t i = 0; i < b.data.size(); ++i) b.data[i] += gamma(3, kRoundoffF32) * std::abs(y.data[i]);
  return b;
}

class Dropout : public OnEveryBackend {};

TEST_P(Dropout, RemovesWhatTheMaskNamesAndScalesTheRest) {
  for (const double rate : {0.0, 0.1, 0.5, 0.875})
    for (const Layout& layout : layouts())
      for (const DType type : {DType::kF32, compute()}) {
        const Keys keys(rate);
        const OwnedMat x = Drawn(1).mat(type, kRows, kCols, layout);
        OwnedMat y(type, kRows, kCols, layout);
        make({.rows = kRows, .width = kCols}).dropout(x, keys.mask, y);
        Values expected(kRows, kCols);
        reference::add_dropout(x.values(), keys.mask, expected);
        EXPECT_TRUE(within(fmt::format("dropout {}", rate), expected, y, bound_of(expected, type)));
        for (std::int64_t r = 0; r < kRows; ++r)
          for (std::int64_t c = 0; c < kCols; ++c)
            ASSERT_EQ(y.mat().at(r, c) == 0, expected(r, c) == 0) << "mask at " << r << " " << c;
      }
}

TEST_P(Dropout, WorksInPlace) {
  const Keys keys(0.3);
  OwnedMat x = Drawn(2).mat(compute(), kRows, kCols, kStrided);
  Values expected(kRows, kCols);
  reference::add_dropout(x.values(), keys.mask, expected);
  make({.rows = kRows, .width = kCols}).dropout(x, keys.mask, x);
  EXPECT_TRUE(within("dropout in place", expected, x, bound_of(expected, compute())));
}

TEST_P(Dropout, BackwardAddsTheMaskedGradient) {
  const Keys keys(0.3);
  Drawn draw(3);
  const OwnedMat dy = draw.mat(DType::kF32, kRows, kCols, kStrided);
  OwnedMat dx = draw.mat(DType::kF32, kRows, kCols, kStrided);
  Values expected = dx.values(), terms = magnitude(expected);
  reference::add_dropout(dy.values(), keys.mask, expected);
  reference::add_dropout(magnitude(dy.values()), keys.mask, terms);
  for (double& t : terms.data) t *= gamma(4, kRoundoffF32);
  make({.rows = kRows, .width = kCols}).dropout_backward(dy, keys.mask, dx);
  EXPECT_TRUE(within("dropout_backward", expected, dx, terms));
}

TEST_P(Dropout, BackwardIsTheAdjointOfTheForward) {
  const Keys keys(0.4);
  Drawn draw(4);
  const OwnedMat v = draw.mat(DType::kF32, kRows, kCols);
  OwnedMat dx(DType::kF32, kRows, kCols);
  reference::write(Values(kRows, kCols), dx);
  make({.rows = kRows, .width = kCols}).dropout_backward(v, keys.mask, dx);
  expect_adjoint({"dropout",
                  {{"x", draw.values(kRows, kCols), dx.values(), bound_of(dx.values(), DType::kF32)}},
                  [&](const std::vector<Duals>& in) {
                    Duals y(kRows, kCols);
                    reference::add_dropout(in[0], keys.mask, y);
                    return y;
                  },
                  v.values()},
                 5);
}

// A row's mask depends on its key and not on its place in the batch.
TEST_P(Dropout, GivesARowTheSameMaskWhereverItStands) {
  Keys keys(0.5);
  const OwnedMat x = Drawn(6).mat(compute(), kRows, kCols);
  OwnedMat y(compute(), kRows, kCols), alone(compute(), 1, kCols);
  Backend& backend = make({.rows = kRows, .width = kCols});
  backend.dropout(x, keys.mask, y);
  DropoutMask one = keys.mask;
  one.rows = {&keys.rows[7], 1};
  backend.dropout(x.mat().row_range(7, 1), one, alone);
  EXPECT_EQ(bits_of(alone), bits_of(y.mat().row_range(7, 1)));
}

std::vector<double> masked_ones(const DropoutMask& mask) {
  Values x(kRows, kCols), y(kRows, kCols);
  for (double& v : x.data) v = 1;
  reference::add_dropout(x, mask, y);
  return y.data;
}

TEST(DropoutDefinition, KeepsTheShareItShouldAndScalesIt) {
  const auto y = masked_ones(Keys(0.25).mask);
  const auto kept = y.size() - static_cast<std::size_t>(std::count(y.begin(), y.end(), 0.0));
  EXPECT_EQ(std::count(y.begin(), y.end(), 1 / 0.75), static_cast<std::int64_t>(kept));
  // A binomial count stays within six deviations of its mean.
  const double n = kRows * kCols;
  EXPECT_NEAR(static_cast<double>(kept), 0.75 * n, 6 * std::sqrt(n * 0.25 * 0.75));
}

TEST(DropoutDefinition, ChangesWithModuleStepSeedAndRow) {
  const Keys keys(0.25), other_module(0.25, 6);
  DropoutMask next_step = keys.mask, other_seed = keys.mask;
  ++next_step.step;
  ++other_seed.seed;
  const auto y = masked_ones(keys.mask);
  EXPECT_NE(y, masked_ones(other_module.mask));
  EXPECT_NE(y, masked_ones(next_step));
  EXPECT_NE(y, masked_ones(other_seed));
  EXPECT_FALSE(std::equal(y.begin(), y.begin() + kCols, y.begin() + kCols)) << "two rows share a mask";
}

INSTANTIATE_TEST_SUITE_P(Backends, Dropout, ::testing::ValuesIn(all_backends()), case_name);

}  // namespace
}  // namespace sori::test
