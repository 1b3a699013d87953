#include "ops/cpu/instruction_sets.h"

#include <hwy/targets.h>

#include <utility>

namespace sori {

bool has_instructions(dnnl::cpu_isa set) {
  const auto have = static_cast<unsigned>(dnnl::get_effective_cpu_isa()), wanted = static_cast<unsigned>(set);
  return (have & wanted) == wanted;  // a bit for each
}

const char* best_instructions() {
  using Isa = dnnl::cpu_isa;
  for (const auto& [set, name] : {std::pair{Isa::avx512_core_amx, "AMX"},
                                  {Isa::avx512_core_bf16, "AVX-512 with bf16"},
                                  {Isa::avx512_core_vnni, "AVX-512 with VNNI"},
                                  {Isa::avx512_core, "AVX-512"},
                                  {Isa::avx2, "AVX2"},
                                  {Isa::avx, "AVX"}})
    if (has_instructions(set)) return name;
  return "SSE4.1";
}

namespace {

// Before the first loop runs, for that one chooses. Highway's better targets have lower bits.
[[maybe_unused]] const bool limited = [] {
  if (!has_instructions(dnnl::cpu_isa::avx2))
    hwy::DisableTargets(HWY_AVX2 | (HWY_AVX2 - 1));
  else if (!has_instructions(dnnl::cpu_isa::avx512_core))
    hwy::DisableTargets(HWY_AVX2 - 1);
  return true;
}();

}  // namespace
}  // namespace sori
