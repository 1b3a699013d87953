// Large matrices are quantised in pieces, on all threads; the result is that of the whole.
#include <gtest/gtest.h>

#include "base/rng.h"
#include "support/made_weight.h"

namespace sori::test {
namespace {

constexpr std::int64_t kRows = 161, kCols = 259;  // 41,699 numbers: rows, blocks and pieces end at different places

std::vector<float> numbers() {
  const Rng rng(3, Draw::kNoise);
  std::vector<float> x(kRows * kCols);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(0.03 * rng.normal(i));
  return x;
}

std::vector<float> decoded(const BaseWeight& w) {
  std::vector<float> out(kRows * kCols);
  decode_rows(w, 0, Mat(out.data(), kRows, kCols));
  return out;
}

TEST(FileFormat, QuantisesInt8InPiecesAsInOne) {
  std::vector<float> x = numbers(), absmax;
  std::vector<std::int8_t> codes(x.size());
  for (std::int64_t r = 0; r < kRows; ++r)
    absmax.push_back(quantise_int8(std::span(x).subspan(static_cast<std::size_t>(r * kCols), kCols),
                                   std::span(codes).subspan(static_cast<std::size_t>(r * kCols), kCols)));
  EXPECT_EQ(MadeWeight("int8", kRows, kCols, numbers()).decoded(),
            decoded(Int8{codes.data(), absmax.data(), kRows, kCols}));
}

TEST(FileFormat, QuantisesNf4InPiecesAsInOne) {
  constexpr std::int64_t kNumbers = kRows * kCols;
  std::vector<std::uint8_t> codes(nf4_bytes(kNumbers)), absmax_codes(nf4_blocks(kNumbers));
  std::vector<float> x = numbers(), absmax(absmax_codes.size()), nested(nf4_nested_blocks(kNumbers));
  quantise_nf4(x, codes, absmax);
  const float offset = quantise_nf4_absmax(absmax, absmax_codes, nested);
  EXPECT_EQ(MadeWeight("nf4", kRows, kCols, numbers()).decoded(),
            decoded(Nf4{codes.data(), absmax_codes.data(), nested.data(), offset, kRows, kCols}));
}

TEST(FileFormat, NamesEachFormatOnce) {
  for (const FileFormat* f : file_formats()) EXPECT_EQ(find_file_format(f->name()), f);
  EXPECT_EQ(find_file_format("bf16"), nullptr);
}

}  // namespace
}  // namespace sori::test
