#include "base/hash.h"

#include <gtest/gtest.h>

namespace sori {
namespace {

// Vectors of FIPS 180-4's examples (NIST, "SHA256.pdf") and of the empty message.
TEST(Sha256, MatchesThePublishedVectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, DoesNotDependOnHowTheBytesArrive) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) bytes += static_cast<char>(i * 7);
  for (const std::size_t length : {0, 1, 55, 56, 57, 63, 64, 65, 127, 128, 129, 300}) {
    const std::string_view message = std::string_view(bytes).substr(0, length);
    for (const std::size_t piece : {1, 3, 63, 64, 65}) {
      Sha256 hash;
      for (std::size_t at = 0; at < length; at += piece) hash.add(message.substr(at, piece));
      EXPECT_EQ(hash.hex(), sha256_hex(message)) << length << " in pieces of " << piece;
    }
  }
}

TEST(Sha256, TellsMessagesApartByTheirLength) {
  EXPECT_NE(sha256_hex(std::string(55, '\0')), sha256_hex(std::string(56, '\0')));
}

}  // namespace
}  // namespace sori
