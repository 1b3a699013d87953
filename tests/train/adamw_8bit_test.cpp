// Ten steps of bitsandbytes' AdamW8bit: it follows our definition as closely as f32 can.
#include "ops/adamw.h"
#include "support/tiny_golden.h"

namespace sori::test {
namespace {

const Path kGolden = golden("adamw_8bit.safetensors");

TEST(DynamicMaps, AreThoseOfBitsandbytes) {
  const SafetensorsFile f(kGolden);
  for (const auto& [name, map] : {std::pair("signed_map", &kSignedDynamicMap), {"unsigned_map", &kUnsignedDynamicMap}})
    EXPECT_EQ(floats(f.get(name)), std::vector(map->numbers.begin(), map->numbers.end())) << name;
}

OwnedMat numbers(const TensorView& t) {
  OwnedMat m(t.type, t.shape[0], t.shape[1]);
  std::memcpy(m.mat().data, t.bytes.data(), t.bytes.size());
  return m;
}

TEST(AdamW8bit, OfBitsandbytesFollowsTheDefinition) {
  const SafetensorsFile f(kGolden);
  Tensors state(numbers(f.get("start")), /*coded=*/true);
  for (std::int64_t step = 1; step <= 10; ++step) {
    SCOPED_TRACE(step);
    const auto of_step = [&](const char* name) -> const TensorView& {
      return f.get(fmt::format("step{}.{}", step, name));
    };
    const AdamW how{1e-2, 0.9, 0.98, 1e-6, 0.1, 1, step};
    const Expected e = expected_step(how, numbers(of_step("gradient")).values(), state);
    state.weight = numbers(of_step("weight"));
    state.m = numbers(of_step("m")), state.v = numbers(of_step("v"));
    state.m_absmax = floats(of_step("m_absmax")), state.v_absmax = floats(of_step("v_absmax"));
    EXPECT_TRUE(within("weight", e.w, state.weight, e.w_bound));
    expect_coded(kSignedDynamicMap, e.m, e.m_bound, state.first());
    expect_coded(kUnsignedDynamicMap, e.v, e.v_bound, state.second());
  }
}

}  // namespace
}  // namespace sori::test
