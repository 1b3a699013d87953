// A backward is the adjoint of its forward: <v, J u> == <J^T v, u>. The left side is one run of the definition on dual
// numbers, the right side the gradients under test.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "support/bounds.h"
#include "support/draw.h"
#include "support/dual.h"

namespace sori::test {

using Duals = reference::Matrix<Dual>;

struct AdjointInput {
  std::string name;
  Values value;
  Values gradient;  // J^T v, as the backward under test says
  Values bound;     // of the gradient's error, element by element
};

struct AdjointCase {
  std::string operation;
  std::vector<AdjointInput> inputs;
  std::function<Duals(const std::vector<Duals>&)> forward;
  Values v;
};

inline Duals with_tangent(const Values& value, const Values& tangent) {
  Duals out(value.rows, value.cols);
  for (std::size_t i = 0; i < out.data.size(); ++i) out.data[i] = {value.data[i], tangent.data[i]};
  return out;
}

// Along one direction u of one input, the others constant. The bound of the right side is sum |u_i| bound_i; the left
// side is double, with fewer than 2^20 roundings of its terms.
inline void expect_adjoint_along(const AdjointCase& c, std::size_t which, const Values& u,
                                 const std::string& direction) {
  std::vector<Duals> inputs;
  for (std::size_t k = 0; k < c.inputs.size(); ++k) {
    const Values& value = c.inputs[k].value;
    inputs.push_back(with_tangent(value, k == which ? u : Values(value.rows, value.cols)));
  }
  const Duals y = c.forward(inputs);
  ASSERT_EQ(y.data.size(), c.v.data.size()) << c.operation;
  double left = 0, terms = 0, right = 0, bound = 0;
  for (std::size_t i = 0; i < y.data.size(); ++i) {
    left += c.v.data[i] * y.data[i].tangent;
    terms += std::abs(c.v.data[i] * y.data[i].tangent);
  }
  const AdjointInput& in = c.inputs[which];
  for (std::size_t i = 0; i < u.data.size(); ++i) {
    right += in.gradient.data[i] * u.data[i];
    bound += in.bound.data[i] * std::abs(u.data[i]);
  }
  EXPECT_NEAR(left, right, bound + terms * 0x1p20 * kRoundoffF64)
      << fmt::format("{}: gradient of {} [{}, {}] along {}", c.operation, in.name, u.rows, u.cols, direction);
}

// Several random directions for each input, and every coordinate where the input is tiny: a random direction could hide
// an error below the bound's sum.
inline void expect_adjoint(const AdjointCase& c, std::uint64_t seed) {
  constexpr std::size_t kTiny = 48;
  for (std::size_t which = 0; which < c.inputs.size(); ++which) {
    const AdjointInput& in = c.inputs[which];
    ASSERT_EQ(in.gradient.data.size(), in.value.data.size()) << c.operation << ": " << in.name;
    ASSERT_EQ(in.bound.data.size(), in.value.data.size()) << c.operation << ": " << in.name;
    Drawn draw(seed + which);
    for (int n = 0; n < 3; ++n)
      expect_adjoint_along(c, which, draw.values(in.value.rows, in.value.cols), fmt::format("draw {}", n));
    if (in.value.data.size() > kTiny) continue;
    for (std::size_t i = 0; i < in.value.data.size(); ++i) {
      Values unit(in.value.rows, in.value.cols);
      unit.data[i] = 1;
      expect_adjoint_along(c, which, unit, fmt::format("element {}", i));
    }
  }
}

}  // namespace sori::test
