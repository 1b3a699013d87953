// Dual numbers: a value and the derivative of it along one direction. Running a definition on them gives J u exactly
// (to double's rounding), with no step size: Clifford, 1873; Griewank & Walther, "Evaluating derivatives", 2008,
// chapter 3.
#pragma once

#include <cmath>
#include <numbers>

namespace sori::test {

struct Dual {
  double value = 0, tangent = 0;

  Dual() = default;
  Dual(double value_) : value(value_) {}  // a constant
  Dual(double value_, double tangent_) : value(value_), tangent(tangent_) {}

  friend Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.tangent + b.tangent}; }
  friend Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.tangent - b.tangent}; }
  friend Dual operator*(Dual a, Dual b) { return {a.value * b.value, a.tangent * b.value + a.value * b.tangent}; }
  friend Dual operator/(Dual a, Dual b) {
    const double q = a.value / b.value;
    return {q, (a.tangent - q * b.tangent) / b.value};
  }
  friend Dual operator-(Dual a) { return {-a.value, -a.tangent}; }
  Dual& operator+=(Dual b) { return *this = *this + b; }
  Dual& operator-=(Dual b) { return *this = *this - b; }
  Dual& operator*=(Dual b) { return *this = *this * b; }
  Dual& operator/=(Dual b) { return *this = *this / b; }
  friend bool operator<(Dual a, Dual b) { return a.value < b.value; }

  friend Dual exp(Dual a) { return {std::exp(a.value), std::exp(a.value) * a.tangent}; }
  friend Dual log(Dual a) { return {std::log(a.value), a.tangent / a.value}; }
  friend Dual sqrt(Dual a) { return {std::sqrt(a.value), a.tangent / (2 * std::sqrt(a.value))}; }
  friend Dual erf(Dual a) {
    return {std::erf(a.value), 2 * std::numbers::inv_sqrtpi * std::exp(-a.value * a.value) * a.tangent};
  }
};

}  // namespace sori::test
