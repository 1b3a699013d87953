// Our loops use what oneDNN may use, which ONEDNN_MAX_CPU_ISA limits: tests/CMakeLists.txt runs all tests of operations
// below such limits.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "ops/cpu/instruction_sets.h"
#include "ops/cpu/kernels.h"

namespace sori {
namespace {

TEST(InstructionSets, OurLoopsObeyTheLimitOfOneDnn) {
  const std::string set = kernels::instruction_set();
  const bool avx512 = set.starts_with("AVX3"), avx2 = avx512 || set == "AVX2";
  if (avx512) {
    EXPECT_TRUE(has_instructions(dnnl::cpu_isa::avx512_core));
  }
  if (avx2) {
    EXPECT_TRUE(has_instructions(dnnl::cpu_isa::avx2));
  }
  const char* const variable = std::getenv("ONEDNN_MAX_CPU_ISA");
  const std::string limit = variable ? variable : "";
  if (limit == "SSE41") {
    EXPECT_FALSE(avx2) << set;
  }
  if (limit == "AVX2") {
    EXPECT_FALSE(avx512) << set;
  }
}

}  // namespace
}  // namespace sori
