#include "ops/reference/rows.h"

#include "ops/adjoint.h"
#include "ops/backends.h"

namespace sori::test {
namespace {

const DType kFormats[] = {DType::kF32, DType::kF16, DType::kBF16};

struct Windows {
  std::int64_t rows, out_rows, in, stride;
  std::vector<RowSpan> from, to;
};
const std::vector<Windows>& windows() {
  static const std::vector<Windows> all{{1, 1, 1, 1, {{0, 1}}, {{0, 1}}},
                                        {1, 64, 3, 2, {{0, 1}}, {{0, 1}}},
                                        {20, 64, 5, 1, {{0, 9}, {9, 0}, {12, 8}}, {{0, 9}, {9, 0}, {10, 8}}},
                                        {20, 64, 80, 2, {{0, 9}, {9, 0}, {12, 8}}, {{0, 5}, {5, 0}, {5, 4}}},
                                        {130, 128, 33, 2, {{0, 129}}, {{3, 65}}},
                                        {4, 4, 2, 1, {}, {}}};
  return all;
}

class Rows : public OnEveryBackend {};

TEST_P(Rows, QuantisesAndDecodesEachRowByItself) {
  for (const Layout& layout : layouts())
    for (const DType type : {DType::kF32, compute()}) {
      OwnedMat x = Drawn(9).mat(type, 77, 35, layout);
      for (std::int64_t c = 0; c < x.mat().cols; ++c) store(x, 5, c, 0);  // a row of zeros
      std::vector<std::int8_t> codes(77 * 35), wanted(35);
      std::vector<float> absmax(77), row(35);
      Backend& be = make({.rows = 77, .width = 35});
      be.quantise_rows(x, codes.data(), absmax.data());
      for (std::int64_t r = 0; r < 77; ++r) {
        for (std::int64_t c = 0; c < 35; ++c) row[static_cast<std::size_t>(c)] = x.mat().at(r, c);
        ASSERT_EQ(absmax[static_cast<std::size_t>(r)], quantise_int8(row, wanted));
        ASSERT_TRUE(std::equal(wanted.begin(), wanted.end(), codes.begin() + r * 35)) << r;
      }
      const Int8 w{codes.data(), absmax.data(), 77, 35};
      OwnedMat y(compute(), 70, 35, layout), definition(compute(), 70, 35);
      be.decode_rows(w, 7, y);
      decode_rows(w, 7, definition);
      EXPECT_TRUE(within("decode_rows", definition.values(), y, Values(70, 35)));
    }
}

TEST_P(Rows, UnfoldsEachUtteranceByItself) {
  for (const Windows& w : windows())
    for (const Layout& layout : layouts())
      for (const DType type : {DType::kF32, compute()}) {
        const OwnedMat x = Drawn(1).mat(type, w.rows, w.in, layout);
        OwnedMat columns(compute(), w.out_rows, w.in * 3, layout);
        make({.rows = w.out_rows, .width = w.in * 3}).unfold(x, w.from, w.to, w.stride, columns);
        const Values expected = reference::unfold(x.values(), w.from, w.to, w.stride, w.out_rows);
        EXPECT_TRUE(within("unfold", expected, columns, storage(compute(), expected)));
      }
}

TEST_P(Rows, UnfoldBackwardAddsToWhatIsThere) {
  for (const Windows& w : windows())
    for (const Layout& layout : layouts()) {
      Drawn draw(2);
      const OwnedMat dcolumns = draw.mat(DType::kF32, w.out_rows, w.in * 3, layout);
      OwnedMat dx = draw.mat(DType::kF32, w.rows, w.in, layout);
      Values expected = dx.values(), bound = magnitude(expected);
      reference::unfold_backward(dcolumns.values(), w.from, w.to, w.stride, expected);
      reference::unfold_backward(magnitude(dcolumns.values()), w.from, w.to, w.stride, bound);
      for (double& b : bound.data) b = gamma(4, kRoundoffF32) * b;  // at most three windows meet, and what was there
      make({.rows = w.out_rows, .width = w.in * 3}).unfold_backward(dcolumns, w.from, w.to, w.stride, dx);
      EXPECT_TRUE(within("unfold_backward", expected, dx, bound));
    }
}

TEST_P(Rows, UnfoldBackwardIsTheAdjointOfUnfold) {
  for (const Windows& w : windows()) {
    Drawn draw(3);
    const Values x = draw.values(w.rows, w.in);
    const OwnedMat v = draw.mat(DType::kF32, w.out_rows, w.in * 3);
    OwnedMat dx(DType::kF32, w.rows, w.in);
    reference::write(Values(w.rows, w.in), dx);
    make({.rows = w.out_rows, .width = w.in * 3}).unfold_backward(v, w.from, w.to, w.stride, dx);
    Values bound(w.rows, w.in);
    reference::unfold_backward(magnitude(v.values()), w.from, w.to, w.stride, bound);
    for (double& b : bound.data) b = gamma(4, kRoundoffF32) * b;
    expect_adjoint(
        {"unfold",
         {{"x", x, dx.values(), bound}},
         [&](const std::vector<Duals>& in) { return reference::unfold(in[0], w.from, w.to, w.stride, w.out_rows); },
         v.values()},
        4);
  }
}

TEST_P(Rows, AddsTheTablesRowInEveryFormat) {
  const std::vector<int> index{3, -1, 0, 3, 6, -1};
  for (const DType format : kFormats)
    for (const Layout& layout : layouts())
      for (const DType from : {DType::kF32, compute()})
        for (const DType to : {DType::kF32, compute()}) {
          Drawn draw(5);
          OwnedMat x = draw.mat(from, 6, 19, layout);
          const OwnedMat table = draw.mat(format, 7, 19, {0, layout.offset});
          store(x, 1, 0, NAN);  // a dead row may hold anything
          Backend& backend = make({.rows = 6, .width = 19});
          for (const bool alone : {false, true}) {
            OwnedMat y(to, 6, 19, layout);
            backend.add_rows(alone ? ConstMat{} : x.mat(), as_weight(table.mat()), index, y);
            const Values expected = reference::add_rows(alone ? Values{} : x.values(), table.values(), index);
            EXPECT_TRUE(within("add_rows", expected, y, storage(to, expected)));
            EXPECT_TRUE(all_zero(y.values(), 1) && all_zero(y.values(), 5));
          }
        }
}

TEST_P(Rows, EmbedsTokensAtTheirPlaces) {
  const std::vector<int> ids{4, 0, -1, 4, 2}, places{0, 1, -1, 7, 2};
  for (const DType format : kFormats)
    for (const DType to : {DType::kF32, compute()}) {
      Drawn draw(6);
      const OwnedMat tokens = draw.mat(format, 5, 33), positions = draw.mat(DType::kF32, 8, 33);
      OwnedMat y(to, 5, 33, kStrided);
      make({.rows = 5, .width = 33}).embed(as_weight(tokens.mat()), ids, as_weight(positions.mat()), places, y);
      const Values expected = reference::embed(tokens.values(), ids, positions.values(), places);
      EXPECT_TRUE(within("embed", expected, y, storage(to, expected)));
      EXPECT_TRUE(all_zero(y.values(), 2));
    }
}

TEST_P(Rows, AddRowsBackwardSumsRowsThatTookTheSame) {
  const std::vector<int> index{3, -1, 0, 3, 6, 3};
  for (const Layout& layout : layouts()) {
    Drawn draw(7);
    OwnedMat dy = draw.mat(DType::kF32, 6, 19, layout), dtable = draw.mat(DType::kF32, 7, 19, layout);
    store(dy, 1, 0, NAN);  // index -1 adds nothing
    Values expected = dtable.values(), bound = magnitude(expected);
    reference::add_rows_backward(dy.values(), index, expected);
    reference::add_rows_backward(magnitude(dy.values()), index, bound);
    for (double& b : bound.data) b = gamma(4, kRoundoffF32) * b;  // three rows, and what was there
    make({.rows = 6, .width = 19}).add_rows_backward(dy, index, dtable);
    EXPECT_TRUE(within("add_rows_backward", expected, dtable, bound));
  }
}

TEST_P(Rows, AddRowsBackwardIsTheAdjointOfAddRows) {
  const std::vector<int> index{3, -1, 0, 3, 4, 3};
  Drawn draw(8);
  const OwnedMat v = draw.mat(DType::kF32, 6, 9);
  OwnedMat dtable(DType::kF32, 5, 9);
  reference::write(Values(5, 9), dtable);
  make({.rows = 6, .width = 9}).add_rows_backward(v, index, dtable);
  Values bound(5, 9), dx = v.values();
  reference::add_rows_backward(magnitude(v.values()), index, bound);
  for (double& b : bound.data) b = gamma(4, kRoundoffF32) * b;
  for (std::int64_t c = 0; c < 9; ++c) dx(1, c) = 0;
  expect_adjoint({"add_rows",
                  {{"x", draw.values(6, 9), dx, Values(6, 9)}, {"table", draw.values(5, 9), dtable.values(), bound}},
                  [&](const std::vector<Duals>& in) { return reference::add_rows(in[0], in[1], index); },
                  v.values()},
                 9);
}

TEST_P(Rows, CastScalesAndConverts) {
  for (const auto& [rows, cols] : {std::pair<std::int64_t, std::int64_t>{13, 29}, {131, 257}})
    for (const Layout& layout : layouts())
      for (const DType from : {DType::kF32, compute()})
        for (const DType to : {DType::kF32, compute()}) {
          const OwnedMat x = Drawn(10).mat(from, rows, cols, layout);
          OwnedMat y(to, rows, cols, layout);
          make({.rows = rows, .width = cols}).cast(x, -0.3f, y);
          Values expected = x.values();
          for (double& v : expected.data) v *= -0.3f;
          EXPECT_TRUE(within("cast", expected, y, storage(to, expected)));
        }
}

// More rows than one piece of work has.
TEST_P(Rows, TablesServeManyRows) {
  Drawn draw(11);
  const OwnedMat x = draw.mat(compute(), 150, 21), tokens = draw.mat(DType::kF16, 9, 21),
                 places = draw.mat(DType::kF32, 150, 21);
  std::vector<int> ids, order;
  for (int r = 0; r < 150; ++r) {
    ids.push_back(static_cast<int>(draw.integer(-1, 8)));
    order.push_back(ids.back() < 0 ? -1 : 149 - r);
  }
  OwnedMat y(compute(), 150, 21);
  Backend& backend = make({.rows = 150, .width = 21});
  backend.add_rows(x, as_weight(tokens.mat()), ids, y);
  const Values sums = reference::add_rows(x.values(), tokens.values(), ids);
  EXPECT_TRUE(within("add_rows", sums, y, storage(compute(), sums)));
  backend.embed(as_weight(tokens.mat()), ids, as_weight(places.mat()), order, y);
  const Values embedded = reference::embed(tokens.values(), ids, places.values(), order);
  EXPECT_TRUE(within("embed", embedded, y, storage(compute(), embedded)));
}

TEST(RowsDefinition, UnfoldPutsTheThreeTapsOfAChannelTogether) {
  Values x(2, 2);
  x.data = {1, 2, 3, 4};  // two rows of two channels
  const RowSpan both{0, 2};
  const Values columns = reference::unfold(x, {&both, 1}, {&both, 1}, 1, 2);
  EXPECT_EQ(columns.data, (std::vector<double>{0, 1, 3, 0, 2, 4, 1, 3, 0, 2, 4, 0}));
}

INSTANTIATE_TEST_SUITE_P(Backends, Rows, ::testing::ValuesIn(all_backends()), case_name);

}  // namespace
}  // namespace sori::test
