#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/dropout.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/cpu/kernels.h"
#include "ops/cpu/random-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sori::kernels::HWY_NAMESPACE {

template <class T>
void dropout_row(const T* x, std::int64_t cols, const Rng& rng, std::uint64_t threshold, float scale, bool add, T* y) {
  const Words d;
  std::uint32_t words[4 * hn::MaxLanes(Words())];
  const auto group = static_cast<std::int64_t>(4 * hn::Lanes(d));
  const WordVec limit = hn::Set(d, static_cast<std::uint32_t>(threshold));
  const Vec factor = hn::Set(Floats(), scale);
  for (std::int64_t begin = 0; begin < cols; begin += group) {
    random_words(rng, static_cast<std::uint32_t>(begin / 4), words);
    for_vectors(std::min(group, cols - begin), [&](std::int64_t i, std::size_t n) HWY_ATTR {
      const auto drop = hn::Lt(hn::LoadU(d, words + i), limit);
      const Vec kept = hn::IfThenZeroElse(hn::RebindMask(Floats(), drop), hn::Mul(load_some(x + begin + i, n), factor));
      store_some(add ? hn::Add(load_some(y + begin + i, n), kept) : kept, y + begin + i, n);
    });
  }
}

void dropout(ConstMat x, const Rng& rng, std::uint64_t threshold, float scale, bool add, Mat y) {
  with_type(x.type, [&](auto* type) HWY_ATTR {
    using T = std::remove_pointer_t<decltype(type)>;
    dropout_row(x.row<T>(0), x.cols, rng, threshold, scale, add, y.row<T>(0));
  });
}

}  // namespace sori::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sori::kernels {
HWY_EXPORT(dropout);
void dropout(ConstMat x, const Rng& rng, std::uint64_t threshold, float scale, bool add, Mat y) {
  HWY_DYNAMIC_DISPATCH(dropout)(x, rng, threshold, scale, add, y);
}
}  // namespace sori::kernels
#endif
