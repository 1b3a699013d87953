// The instructions that this process may use: those of the CPU, up to ONEDNN_MAX_CPU_ISA (SSE41, AVX2, AVX512_CORE,
// AVX512_CORE_BF16, ...), oneDNN's own variable. Our loops obey it too, so that every path can be tested and measured
// on one machine.
#pragma once

#include <dnnl.hpp>

namespace sori {

bool has_instructions(dnnl::cpu_isa set);
const char* best_instructions();  // "AVX2", "AVX-512 with bf16", ...

}  // namespace sori
