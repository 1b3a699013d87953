#include "text/byte_alphabet.h"

#include <set>

#include "support/tiny_tokenizer.h"

namespace sori {
namespace {

TEST(ByteAlphabet, SpellsEveryByteDifferentlyAndBack) {
  std::set<char32_t> letters;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    letters.insert(spell_byte(static_cast<unsigned char>(byte)));
    EXPECT_EQ(unspell_bytes(test::spell(one)), one) << byte;
  }
  EXPECT_EQ(letters.size(), 256u);
}

// From the published GPT-2 vocabulary: a blank is Ġ, a line end Ċ, and 한 is íķľ.
TEST(ByteAlphabet, SpellsAsGpt2Does) {
  EXPECT_EQ(test::spell(" \n~"), "ĠĊ~");
  EXPECT_EQ(test::spell("한"), "íķľ");
  EXPECT_EQ(spell_byte(0xAD), char32_t{0x143});  // the last of the 68 that cannot be printed
}

TEST(ByteAlphabet, RefusesOtherCharacters) {
  EXPECT_EQ(unspell_bytes("a b"), std::nullopt);
  EXPECT_EQ(unspell_bytes("한"), std::nullopt);
  EXPECT_EQ(unspell_bytes("\xC5\x84"), std::nullopt);  // U+0144, just behind the alphabet
  EXPECT_EQ(unspell_bytes(""), "");
}

}  // namespace
}  // namespace sori
