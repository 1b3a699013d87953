// What products are computed in.
#pragma once

#include <array>
#include <compare>
#include <optional>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace sori {

// type: of what enters products, f32 or bf16. int8: where an epilogue allows it and the weight is quantised,
// activations become 8-bit codes too, a scale a row (LLM.int8() without its outliers), and codes are multiplied: y =
// the sum of products of codes, exact, times both scales in f32. A weight of another format than int8 is quantised to
// it a row at a time, which adds little to what its own format has lost. CTranslate2 calls this int8_bfloat16.
struct Compute {
  DType type = DType::kF32;
  bool int8 = false;

  constexpr Compute(DType type_, bool int8_ = false) : type(type_), int8(int8_) {}
  auto operator<=>(const Compute&) const = default;
};

inline constexpr Compute kInt8Compute{DType::kBF16, true};
inline constexpr std::array<Compute, 3> kComputes{DType::kF32, DType::kBF16, kInt8Compute};

constexpr std::string_view name_of(Compute c) { return c.int8 ? "int8_bf16" : name_of(c.type); }

// Of --compute: a word that leaves the choice to the program, and the three.
inline std::vector<std::string> compute_choices(const char* automatic) {
  std::vector<std::string> names{automatic};
  for (const Compute c : kComputes) names.emplace_back(name_of(c));
  return names;
}

inline std::optional<Compute> find_compute(std::string_view name) {
  for (const Compute c : kComputes)
    if (name_of(c) == name) return c;
  return std::nullopt;
}

}  // namespace sori
