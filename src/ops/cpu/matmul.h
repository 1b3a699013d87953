// One tile of a product by one thread. Our own parallel loops share out tiles of fixed shapes, so a handful of
// primitives serves every batch, results do not depend on the number of threads, and a tile stays in cache until its
// epilogue is done. Measured on Zen 5 (bf16, 64 rows, oneDNN): 0.46 TFLOP/s a core on packed weights, 0.40 for one call
// over the whole product.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "tensor/mat.h"

namespace sori {

inline constexpr std::int64_t kTileRows = 64;

// c [m, n] f32 = (or +=, if add) scale * a [m, k] b [k, n]; of type i8: a is u8, b i8, c i32. Rows lie without gaps:
// for anything else oneDNN 2.6 falls back to a loop that is a thousand times slower.
struct TileShape {
  enum class B : std::uint8_t { kPacked, kRows, kColumns };  // the kernels' own order; [k, n]; stored as [n, k]
  std::int64_t m = 0, n = 0, k = 0;
  DType type = DType::kF32;   // of a and b
  bool a_transposed = false;  // a is stored as [k, m]
  B b = B::kPacked;
  bool add = false;
  float scale = 1;
  auto operator<=>(const TileShape&) const = default;
};

// A product ready to run. Each thread has arguments of its own, so threads may run it at the same time.
class TileProduct {
 public:
  virtual ~TileProduct() = default;
  virtual void run(int thread, const void* a, const void* b, void* c) = 0;
  virtual const char* implementation() const = 0;  // "strips", or oneDNN's name, as "brg:avx512_core_bf16"
  virtual std::size_t heap_bytes() const = 0;      // that no room was given for
};

// Brings b [k, n] into the blocked order that the products of that size read.
class TilePacker {
 public:
  virtual ~TilePacker() = default;
  virtual void run(int thread, const void* b, void* packed) = 0;
  virtual std::size_t heap_bytes() const = 0;
};

// Who computes f32 products: oneDNN, or strips (kernels.h). Below AVX-512, oneDNN 2.6 has no kernel that reads packed
// weights: it packs both operands again in every tile.
enum class TileKernels : std::uint8_t { kLibrary, kStrips };
TileKernels fastest_kernels();

class TileProducts {
 public:
  // What a thread is given: bytes of oneDNN's own scratch memory, and room for operands that are widened to f32. A
  // product that needs more takes it from the heap.
  struct Room {
    std::byte* library = nullptr;  // kLibraryScratch bytes
    float* wide = nullptr;
    std::int64_t wide_values = 0;
  };
  static constexpr std::size_t kLibraryScratch = std::size_t{256} << 10;

  explicit TileProducts(int threads, TileKernels kernels = fastest_kernels());
  ~TileProducts();
  TileProducts(const TileProducts&) = delete;
  TileProducts& operator=(const TileProducts&) = delete;

  // rooms[t]: of thread t. Forgets what was built before.
  void set_rooms(std::vector<Room> rooms);

  // Built at the first request and kept; threads may ask again for what was built before they started.
  TileProduct& product(const TileShape& shape);
  // b stored as rows [k, n] or columns [n, k], ldb elements apart (here gaps are welcome).
  TilePacker& packer(std::int64_t k, std::int64_t n, DType type, TileShape::B stored, std::int64_t ldb);
  std::size_t packed_bytes(std::int64_t k, std::int64_t n, DType type);
  std::size_t unplanned_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The type that products of `type` run in on this CPU, and that packed operands have: bf16 operands are widened to f32,
// exactly and a tile at a time, where the CPU has no bf16 products (oneDNN 2.6 has none for AVX2, and emulates them at
// a fifth of f32's rate on AVX-512 without bf16).
DType product_type(DType type);

}  // namespace sori
