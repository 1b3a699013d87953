// SHA-256 (FIPS 180-4), to name contents: data sets, base models, checkpoints.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sori {

class Sha256 {
 public:
  void add(const void* data, std::size_t bytes);
  void add(std::string_view bytes) { add(bytes.data(), bytes.size()); }
  std::array<std::uint8_t, 32> digest() const;  // of what was added so far
  std::string hex() const;                      // the same as 64 lower-case hexadecimal digits

 private:
  static void mix(std::array<std::uint32_t, 8>& state, const std::uint8_t* block);

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::uint8_t, 64> block_{};  // bytes that do not fill a block yet
  std::uint64_t bytes_ = 0;
};

std::string sha256_hex(std::string_view bytes);

}  // namespace sori
