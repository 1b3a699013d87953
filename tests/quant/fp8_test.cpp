// E4M3 and its rows against PyTorch's float8_e4m3fn (golden), and what the format promises of any weight.
#include "quant/fp8.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "formats/safetensors.h"
#include "formats/values.h"
#include "support/made_weight.h"

namespace sori::test {
namespace {

SafetensorsFile golden() { return SafetensorsFile(Path(SORI_SOURCE_DIR) / "tests/golden/fp8.safetensors"); }

std::vector<float> floats(const TensorView& t) {
  std::vector<float> x(static_cast<std::size_t>(element_count(t.shape)));
  read_floats(t, 0, x);
  return x;
}

e4m3 code(int bits) { return {static_cast<std::uint8_t>(bits)}; }

// Of a row, as a weight.
struct Row {
  std::vector<e4m3> codes;
  float scale;

  explicit Row(std::span<const float> x) : codes(x.size()), scale(quantise_fp8(x, codes)) {}
  std::vector<float> decoded() const {
    std::vector<float> out(codes.size());
    decode(Fp8{codes.data(), &scale, 1, std::ssize(out)}, 0, 0, out);
    return out;
  }
};

// Half the distance between the neighbours of a number of this size, in units of the scale: half of the last of 3 bits
// of fraction; half of 2^-9 where numbers are multiples of that.
double half_a_gap(double size) {
  const int exponent = std::max(std::ilogb(size), std::ilogb(kE4m3LeastNormal));
  return std::ldexp(1.0, exponent - 4);
}

TEST(E4m3, HasTheNumbersOfPyTorch) {
  const SafetensorsFile file = golden();
  const std::vector<float> numbers = floats(file.get("numbers"));
  ASSERT_EQ(numbers.size(), 256u);
  for (int c = 0; c < 256; ++c) {
    const float ours = to_float(code(c)), theirs = numbers[static_cast<std::size_t>(c)];
    EXPECT_EQ(is_nan(code(c)), c == 0x7f || c == 0xff);
    EXPECT_EQ(std::isnan(ours), std::isnan(theirs)) << c;
    if (!std::isnan(ours)) {
      EXPECT_EQ(ours, theirs) << c;
      EXPECT_EQ(std::signbit(ours), std::signbit(theirs)) << c;
    }
  }
}

TEST(E4m3, KeepsItsOwnNumbers) {
  for (int c = 0; c < 256; ++c)
    if (!is_nan(code(c))) {
      EXPECT_EQ(to_e4m3(to_float(code(c))).bits, c);
    }
}

TEST(E4m3, RoundsToTheNearestAndTiesToEven) {
  for (int c = 0; c < 0x7e; ++c)
    for (const int sign : {0, 0x80}) {
      const float below = to_float(code(c | sign)), above = to_float(code((c + 1) | sign));
      const float middle = (below + above) / 2;  // exact
      EXPECT_EQ(to_e4m3(middle).bits, (c + c % 2) | sign) << middle;
      EXPECT_EQ(to_e4m3(std::nextafter(middle, below)).bits, c | sign) << middle;
      EXPECT_EQ(to_e4m3(std::nextafter(middle, above)).bits, (c + 1) | sign) << middle;
    }
}

TEST(E4m3, EndsAtItsLargestNumber) {
  EXPECT_EQ(to_float(code(0x7e)), kE4m3Largest);
  for (const float x : {448.5f, 480.0f, 1e30f, std::numeric_limits<float>::max()}) {
    EXPECT_EQ(to_e4m3(x).bits, 0x7e) << x;
    EXPECT_EQ(to_e4m3(-x).bits, 0xfe) << x;
  }
}

TEST(Fp8, IsThatOfPyTorch) {
  const SafetensorsFile file = golden();
  std::size_t cases = 0;
  for (const TensorView& t : file.tensors()) {
    if (!t.name.ends_with(".numbers")) continue;
    const std::string name = t.name.substr(0, t.name.find('.'));
    const std::vector<float> x = floats(t), scales = floats(file.get(name + ".scale"));
    const TensorView& codes = file.get(name + ".fp8");
    ASSERT_EQ(codes.type, DType::kF8) << name;
    const auto rows = static_cast<std::size_t>(t.shape[0]), cols = static_cast<std::size_t>(t.shape[1]);
    std::vector<float> decoded;
    for (std::size_t r = 0; r < rows; ++r) {
      const Row row{std::span(x).subspan(r * cols, cols)};
      EXPECT_EQ(row.scale, scales[r]) << name << " " << r;
      EXPECT_EQ(std::memcmp(row.codes.data(), codes.bytes.data() + r * cols, cols), 0) << name << " " << r;
      for (const float number : row.decoded()) decoded.push_back(number);
    }
    EXPECT_EQ(decoded, floats(file.get(name + ".fp8_decoded"))) << name;
    ++cases;
  }
  EXPECT_EQ(cases, 11u);
}

// The quotient, the product and the code's own rounding: half a gap and what two roundings of f32 add. Rows of a wide
// range, so that codes of every size occur.
TEST(Fp8, ErrsByAtMostHalfAGap) {
  for (const std::size_t cols : {1, 2, 63, 64, 999}) {
    const Rng rng(cols, Draw::kNoise);
    std::vector<float> x(cols);
    for (std::size_t i = 0; i < cols; ++i)
      x[i] = static_cast<float>(rng.normal(2 * i) * std::exp(3 * rng.normal(2 * i + 1)));
    const Row row(x);
    const std::vector<float> got = row.decoded();
    for (std::size_t i = 0; i < cols; ++i) {
      const double scale = row.scale, size = std::abs(x[i]);
      EXPECT_LE(std::abs(double{got[i]} - x[i]), scale * half_a_gap(size / scale) * (1 + 0x1p-23) + size * 0x1p-23)
          << cols << ": " << i;
    }
  }
}

TEST(Fp8, MakesNothingOfZeros) {
  const std::vector<float> x{0.0f, -0.0f, 0.0f};
  const Row row(x);
  EXPECT_EQ(row.scale, 0);
  for (const e4m3 c : row.codes) EXPECT_EQ(c.bits, 0);
}

TEST(Fp8, IsQuantisedInPiecesAsInOne) {
  constexpr std::int64_t kRows = 161, kCols = 259;  // 41,699 numbers: rows and pieces end at different places
  const Rng rng(3, Draw::kNoise);
  std::vector<float> x(kRows * kCols), expected;
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(0.03 * rng.normal(i));
  for (std::int64_t r = 0; r < kRows; ++r)
    for (const float number : Row(std::span(x).subspan(static_cast<std::size_t>(r * kCols), kCols)).decoded())
      expected.push_back(number);
  EXPECT_EQ(MadeWeight("fp8", kRows, kCols, x).decoded(), expected);
}

}  // namespace
}  // namespace sori::test
