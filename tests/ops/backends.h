// The list of backends that every test of an operation runs over, in one place.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "ops/backend.h"
#include "support/bounds.h"
#include "support/compare.h"

namespace sori::test {

struct BackendCase {
  std::string name;
  std::unique_ptr<Backend> (*make)(Compute);
  DType compute;
  Precision precision;
};

// The reference adds in double and rounds nothing on the way; its functions are those of the C library (under 1 ulp).
inline constexpr Precision kReferencePrecision{kRoundoffF64, 0, 2};

inline std::vector<BackendCase> all_backends() {
  return {{"reference_f32", make_reference_backend, DType::kF32, kReferencePrecision},
          {"reference_bf16", make_reference_backend, DType::kBF16, kReferencePrecision},
          {"cpu_f32", make_cpu_backend, DType::kF32, {}},
          {"cpu_bf16", make_cpu_backend, DType::kBF16, {.operand = kRoundoffBF16}}};
}

inline std::vector<BackendCase> f32_backends() {
  std::vector<BackendCase> cases = all_backends();
  std::erase_if(cases, [](const BackendCase& c) { return c.compute != DType::kF32; });
  return cases;
}

// A test body runs once a backend; make(limits) gives it with exactly the scratch memory it asked for, filled with NaN.
class OnEveryBackend : public ::testing::TestWithParam<BackendCase> {
 protected:
  Backend& make(const Limits& limits) {
    backend_ = GetParam().make(GetParam().compute);
    Carver count = Carver::counting();
    backend_->carve_scratch(count, limits);
    arena_ = std::make_unique<Arena>(count.bytes());
    if (count.bytes() > 0) std::memset(arena_->data(), 0xFF, arena_->bytes());
    Carver carver(*arena_);
    backend_->carve_scratch(carver, limits);
    return *backend_;
  }
  DType compute() const { return GetParam().compute; }
  const Precision& precision() const { return GetParam().precision; }

 private:
  std::unique_ptr<Arena> arena_;  // outlives the backend
  std::unique_ptr<Backend> backend_;
};

inline void PrintTo(const BackendCase& c, std::ostream* out) { *out << c.name; }
inline std::string case_name(const ::testing::TestParamInfo<BackendCase>& info) { return info.param.name; }

inline const std::vector<Layout>& layouts() {
  static const std::vector<Layout> both{kPlain, kStrided};
  return both;
}

}  // namespace sori::test
