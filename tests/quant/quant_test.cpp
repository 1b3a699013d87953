// int8 and nf4 against bitsandbytes (golden), and what a format promises of any weight.
#include <gtest/gtest.h>

#include <bit>

#include "base/rng.h"
#include "formats/safetensors.h"
#include "formats/values.h"
#include "quant/file_format.h"

namespace sori {
namespace {

SafetensorsFile golden() { return SafetensorsFile(Path(SORI_SOURCE_DIR) / "tests/golden/quant.safetensors"); }

std::vector<float> floats(const TensorFile& file, const std::string& name) {
  const TensorView& t = file.get(name);
  std::vector<float> x(static_cast<std::size_t>(element_count(t.shape)));
  read_floats(t, 0, x);
  return x;
}

template <class T>
std::vector<T> bytes(const TensorFile& file, const std::string& name) {
  const TensorView& t = file.get(name);
  std::vector<T> x(t.bytes.size());
  std::memcpy(x.data(), t.bytes.data(), x.size());
  return x;
}

std::vector<std::string> cases(const TensorFile& file) {
  std::vector<std::string> names;
  for (const TensorView& t : file.tensors())
    if (t.name.ends_with(".numbers")) names.push_back(t.name.substr(0, t.name.find('.')));
  return names;
}

// Steps of the format between two numbers of one sign.
std::int64_t ulps(float a, float b) {
  return std::abs(static_cast<std::int64_t>(std::bit_cast<std::int32_t>(a)) - std::bit_cast<std::int32_t>(b));
}

TEST(Nf4, IsThatOfBitsandbytes) {
  const SafetensorsFile file = golden();
  EXPECT_EQ(floats(file, "nf4_map"), std::vector<float>(kNf4Map.begin(), kNf4Map.end()));
  EXPECT_EQ(floats(file, "nested_map"), std::vector<float>(kNestedMap.begin(), kNestedMap.end()));
  for (const std::string& name : cases(file)) {
    const std::vector<float> x = floats(file, name + ".numbers");
    const auto n = std::ssize(x);
    std::vector<std::uint8_t> codes(static_cast<std::size_t>(nf4_bytes(n))),
        absmax_codes(static_cast<std::size_t>(nf4_blocks(n)));
    std::vector<float> absmax(absmax_codes.size()), nested(static_cast<std::size_t>(nf4_nested_blocks(n)));
    quantise_nf4(x, codes, absmax);
    EXPECT_EQ(codes, bytes<std::uint8_t>(file, name + ".nf4")) << name;
    const float offset = quantise_nf4_absmax(absmax, absmax_codes, nested);
    const float theirs = floats(file, name + ".offset").at(0);
    EXPECT_LE(ulps(offset, theirs), 4) << name;  // another order of summation
    EXPECT_EQ(absmax_codes, bytes<std::uint8_t>(file, name + ".absmax")) << name;
    const std::vector<float> nested_theirs = floats(file, name + ".nested_absmax");
    const float largest = *std::max_element(absmax.begin(), absmax.end());
    // A difference of an absmax and the offset, which is theirs but for what was allowed above, rounded once.
    for (std::size_t i = 0; i < nested.size(); ++i)
      EXPECT_NEAR(nested[i], nested_theirs[i], std::abs(offset - theirs) + 0x1p-23f * largest) << name;

    // From their own parts, so that only decoding is compared.
    const TensorView& shape = file.get(name + ".numbers");
    const Nf4 w{codes.data(), absmax_codes.data(), nested_theirs.data(), theirs, shape.shape[0], shape.shape[1]};
    const std::vector<float> want = floats(file, name + ".decoded");
    std::vector<float> got(x.size());
    decode_rows(w, 0, Mat(got.data(), w.rows, w.cols));
    // They round map * nested + offset once, we twice; then either is multiplied and rounded.
    for (std::size_t i = 0; i < got.size(); ++i)
      ASSERT_NEAR(got[i], want[i], 0x1p-23f * std::abs(want[i]) + 0x1p-24f * (largest + theirs)) << name << " " << i;
  }
}

TEST(Int8, IsThatOfBitsandbytes) {
  const SafetensorsFile file = golden();
  for (const std::string& name : cases(file)) {
    const TensorView& shape = file.get(name + ".numbers");
    const std::int64_t rows = shape.shape[0], cols = shape.shape[1];
    const std::vector<float> x = floats(file, name + ".numbers");
    std::vector<std::int8_t> codes(x.size());
    std::vector<float> absmax;
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto first = static_cast<std::size_t>(r * cols), n = static_cast<std::size_t>(cols);
      absmax.push_back(quantise_int8(std::span(x).subspan(first, n), std::span(codes).subspan(first, n)));
    }
    EXPECT_EQ(codes, bytes<std::int8_t>(file, name + ".int8")) << name;
    EXPECT_EQ(absmax, floats(file, name + ".scb")) << name;
    std::vector<float> got(x.size());
    decode_rows(Int8{codes.data(), absmax.data(), rows, cols}, 0, Mat(got.data(), rows, cols));
    EXPECT_EQ(got, floats(file, name + ".int8_decoded")) << name;
  }
}

// Every number lies between two neighbours of the map, so no error is larger than half the widest gap (of absmax), and
// what the absmax itself lost.
TEST(Nf4, ErrsByLessThanHalfAGap) {
  const Rng rng(3, Draw::kNoise);
  std::vector<float> x(6400);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(rng.normal(i));
  std::vector<std::uint8_t> codes(x.size() / 2), absmax_codes(x.size() / 64);
  std::vector<float> absmax(absmax_codes.size()), nested(1);
  quantise_nf4(x, codes, absmax);
  const float offset = quantise_nf4_absmax(absmax, absmax_codes, nested);
  const Nf4 w{codes.data(), absmax_codes.data(), nested.data(), offset, 80, 80};
  std::vector<float> got(x.size());
  decode_rows(w, 0, Mat(got.data(), 80, 80));
  const float gap = kNf4Map[1] - kNf4Map[0];
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float kept = decode_absmax(w, static_cast<std::int64_t>(i) / 64), lost = std::abs(kept - absmax[i / 64]);
    EXPECT_LE(std::abs(x[i] - got[i]), gap / 2 * absmax[i / 64] + lost + 1e-6f);
  }
}

TEST(Int8, ErrsByAtMostHalfAStep) {
  const Rng rng(4, Draw::kNoise);
  std::vector<float> x(999);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(rng.normal(i));
  std::vector<std::int8_t> codes(x.size());
  const float absmax = quantise_int8(x, codes);
  const Int8 w{codes.data(), &absmax, 1, 999};
  std::vector<float> got(x.size());
  decode(w, 0, 0, got);
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_LE(std::abs(x[i] - got[i]), absmax / 254 * (1 + 1e-5f));
}

TEST(BaseWeight, CanLieNowhere) {
  std::vector<std::string> formats = file_format_names();
  formats.insert(formats.end(), {"f32", "f16", "bf16"});
  for (const std::string& format : formats) {
    const BaseWeight w = weight_nowhere(format, 3, 5);
    EXPECT_EQ(format_of(w), format);
    EXPECT_EQ(rows_of(w), 3);
    EXPECT_EQ(cols_of(w), 5);
  }
}

TEST(BaseWeight, KnowsItsBytes) {
  EXPECT_EQ(bytes_of(Dense<bf16>{nullptr, 3, 100}), 600u);
  EXPECT_EQ(bytes_of(Int8{nullptr, nullptr, 3, 100}), 312u);
  EXPECT_EQ(bytes_of(Nf4{nullptr, nullptr, nullptr, 0, 3, 101}), 152u + 5 + 4);
  EXPECT_EQ(bytes_of(Fp8{nullptr, nullptr, 3, 100}), 312u);
  EXPECT_EQ(format_of(Int8{}), "int8");
  EXPECT_EQ(format_of(Nf4{}), "nf4");
}

}  // namespace
}  // namespace sori
