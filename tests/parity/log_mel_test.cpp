// Our log-mel beside transformers' WhisperFeatureExtractor, from golden samples and from the sound files themselves.
#include "audio/log_mel.h"

#include "audio/read.h"
#include "formats/safetensors.h"
#include "formats/values.h"

namespace sori {
namespace {

// What the project promises against the reference's float32 path.
constexpr double kBound = 3e-5;
// Against its float64 path only storage in f32 differs: a log10 of at most 10 is kept (half an ulp), then a maximum, a
// sum and a quotient of at most 3.5 are rounded, on our side; the reference rounds once.
constexpr double kStorage = std::numeric_limits<float>::epsilon() * (10.0 / 2 / 4 + 4 * 3.5 / 2);

std::vector<float> floats(const TensorView& t) {
  std::vector<float> v(static_cast<std::size_t>(element_count(t.shape)));
  read_floats(t, 0, v);
  return v;
}

// The first frames of our 30-s window in the reference's order, [M, frames].
std::vector<float> our_log_mel(const std::vector<float>& samples, const Shape& shape) {
  const std::int64_t bins = shape.at(0), frames = shape.at(1);
  std::vector<float> mel(static_cast<std::size_t>(kWindowFrames * bins)), out;
  LogMel(static_cast<int>(bins)).compute(samples, Mat(mel.data(), kWindowFrames, bins));
  for (std::int64_t m = 0; m < bins; ++m)
    for (std::int64_t f = 0; f < frames; ++f) out.push_back(mel[static_cast<std::size_t>(f * bins + m)]);
  return out;
}

double worst_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = a.size() == b.size() ? 0 : std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(a[i]) - b[i]));
  return worst;
}

Path golden(const std::string& name) { return Path(SORI_SOURCE_DIR) / "tests/golden" / name; }

class GoldenLogMel : public testing::TestWithParam<int> {};

TEST_P(GoldenLogMel, EqualsTheReferenceOnEveryClip) {
  const SafetensorsFile file(golden("log_mel.safetensors"));
  const std::string bins = std::to_string(GetParam());
  double worst = 0, worst_exact = 0;
  std::size_t values = 0, unsure = 0;
  for (const TensorView& t : file.tensors()) {
    if (!t.name.ends_with(".samples")) continue;
    const std::string clip = t.name.substr(0, t.name.size() - 8);
    const TensorView& reference = file.get(clip + ".mel" + bins);
    const std::vector<float> ours = our_log_mel(floats(t), reference.shape), theirs = floats(reference);
    const std::vector<float> exact = floats(file.get(clip + ".exact" + bins));
    EXPECT_LE(worst_difference(ours, exact), kStorage) << clip;
    worst_exact = std::max(worst_exact, worst_difference(ours, exact));
    ASSERT_EQ(ours.size(), theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) {
      ++values;
      // Where the reference's two paths differ by more than the bound, float32 has no digits left to compare.
      if (std::abs(static_cast<double>(theirs[i]) - exact[i]) > kBound)
        ++unsure;
      else
        worst = std::max(worst, std::abs(static_cast<double>(ours[i]) - theirs[i]));
    }
  }
  EXPECT_LE(worst, kBound);
  EXPECT_GE(values / static_cast<std::size_t>(GetParam()), 200u) << "frames";
  EXPECT_LE(unsure * 10000, values);
  RecordProperty("worst_difference", fmt::format("{:.2e}", worst));
  RecordProperty("worst_difference_to_float64", fmt::format("{:.2e}", worst_exact));
}

INSTANTIATE_TEST_SUITE_P(MelBins, GoldenLogMel, testing::Values(80, 128));

TEST(LogMel, EqualsTheReferenceFromTheWavOfTheHumanClip) {
  const SafetensorsFile file(golden("real_features.safetensors"));
  const TensorView& reference = file.get("features");
  const std::vector<float> ours = our_log_mel(read_audio(golden("clips/test_ko.wav")).samples, reference.shape);
  const double difference = worst_difference(ours, floats(reference));
  EXPECT_LE(difference, kBound);
  RecordProperty("worst_difference", fmt::format("{:.2e}", difference));
}

}  // namespace
}  // namespace sori
