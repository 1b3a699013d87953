#include "tensor/carver.h"

namespace sori {
namespace {

struct Carved {
  Mat a, b, c;
  std::span<int> index;
};

Carved carve(Carver& carver) {
  Carved out;
  const Carver::In saved(carver, Purpose::kActivations);
  out.a = carver.mat(DType::kF32, 3, 5);
  {
    const Carver::Scope scope(carver);
    const Carver::In scratch(carver, Purpose::kScratch);
    out.b = carver.mat(DType::kBF16, 100, 7);
  }
  out.c = carver.mat(DType::kBF16, 1, 33);
  out.index = carver.array<int>(9);
  return out;
}

TEST(Carver, CountsExactlyWhatItHandsOut) {
  Carver count = Carver::counting();
  const Carved shapes = carve(count);
  EXPECT_TRUE(count.counts_only());
  EXPECT_EQ(shapes.a.data, nullptr);
  EXPECT_EQ(shapes.a.rows, 3);
  EXPECT_TRUE(shapes.index.empty());

  Arena arena(count.bytes());
  Carver carver(arena);
  const Carved real = carve(carver);
  EXPECT_EQ(carver.bytes(), count.bytes());
  EXPECT_EQ(real.index.size(), 9u);
  EXPECT_TRUE(real.a.same_shape(shapes.a) && real.b.same_shape(shapes.b) && real.c.same_shape(shapes.c));
}

// a: 60 bytes in 64; b: 1400 in 1408; c: 66 in 128; index: 36 in 64. The largest is a and b.
TEST(Carver, KeepsTheHighWaterMarkOfAScope) {
  Carver count = Carver::counting();
  carve(count);
  EXPECT_EQ(count.bytes(), 64u + 1408u);
  EXPECT_EQ(count.bytes(Purpose::kActivations), 64u);
  EXPECT_EQ(count.bytes(Purpose::kScratch), 1408u);
  EXPECT_EQ(count.bytes(Purpose::kWeights), 0u);
  Arena arena(count.bytes());
  Carver carver(arena);
  const Carved real = carve(carver);
  EXPECT_EQ(real.b.data, real.c.data) << "what a scope took is free again";
}

TEST(Carver, HandsOutAlignedBlocksThatDoNotOverlap) {
  Arena arena(64 * 20);
  Carver carver(arena);
  std::byte* end = arena.data();
  for (const std::size_t n : {1ul, 64ul, 65ul, 0ul, 127ul}) {
    auto* p = static_cast<std::byte*>(carver.take(n));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % 64, 0u);
    EXPECT_GE(p, end);
    end = p + n;
  }
  EXPECT_LE(end, arena.data() + arena.bytes());
}

TEST(Carver, RefusesWhatWasNotPlanned) {
  Arena arena(128);
  Carver carver(arena);
  carver.take(65);
  EXPECT_THROW(carver.take(1), Bug);
  EXPECT_EQ(carver.bytes(), 128u) << "a refused request changes nothing";
}

TEST(Carver, RefusesSizesThatOverflow) {
  Carver count = Carver::counting();
  EXPECT_THROW(count.mat(DType::kF32, std::int64_t{1} << 40, std::int64_t{1} << 40), Bug);
  EXPECT_THROW(count.mat(DType::kF32, std::int64_t{1} << 62, 1), Bug);
  EXPECT_THROW(count.mat(DType::kF32, -1, 5), Bug);
  EXPECT_THROW(count.take(SIZE_MAX - 5), Bug);
  EXPECT_THROW(count.array<double>(SIZE_MAX / 4), Bug);
  EXPECT_EQ(count.bytes(), 0u);
}

TEST(Arena, IsZeroedAndMayBeEmpty) {
  Arena arena(3 << 20);
  EXPECT_EQ(arena.bytes(), std::size_t{3} << 20);
  EXPECT_TRUE(std::all_of(arena.data(), arena.data() + arena.bytes(), [](std::byte b) { return b == std::byte{0}; }));
  EXPECT_EQ(Arena(0).data(), nullptr);
}

TEST(Arena, SaysSoWhenTheSystemHasNoMemory) {
  try {
    Arena arena(std::size_t{1} << 60);
    FAIL() << "an exbibyte was given";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kMemory);
  }
}

TEST(Carver, PartsThatTakeTurnsBeginAtTheSamePlace) {
  Carver count = Carver::counting();
  count.take(64);
  const auto small = [&] { count.take(128); };
  const auto large = [&] { count.take(64), count.take(192); };
  count.take_turns(small, large, small);
  EXPECT_EQ(count.bytes(), 64u + 256);
  count.take(64);
  EXPECT_EQ(count.bytes(), 64u + 256 + 64);

  Arena arena(count.bytes());
  Carver carver(arena);
  std::vector<void*> first;
  carver.take_turns([&] { first.push_back(carver.take(64)); }, [&] { first.push_back(carver.take(256)); });
  EXPECT_EQ(first[0], first[1]);
  EXPECT_EQ(carver.take(64), static_cast<std::byte*>(first[0]) + 256);
}

}  // namespace
}  // namespace sori
