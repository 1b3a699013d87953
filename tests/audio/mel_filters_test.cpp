#include "audio/mel_filters.h"

#include <gtest/gtest.h>

#include <array>

#include "base/error.h"

namespace sori {
namespace {

// Weight of one spectral bin in one mel bin.
double weight(const MelFilters& filters, int mel_bin, int bin) {
  std::array<double, kSpectrumBins> power{};
  power[static_cast<std::size_t>(bin)] = 1;
  return filters.apply(mel_bin, power);
}

TEST(MelFilters, EqualTheReferenceAtKnownPlaces) {
  // transformers.audio_utils.mel_filter_bank(201, M, 0, 8000, 16000, norm="slaney", mel_scale="slaney"), 10 digits
  const MelFilters m80(80), m128(128);
  EXPECT_NEAR(weight(m80, 0, 1), 0.0248625939842, 1e-11);
  EXPECT_NEAR(weight(m80, 30, 29), 0.0158560380617, 1e-11);
  EXPECT_NEAR(weight(m80, 79, 195), 0.00224379513795, 1e-11);
  EXPECT_NEAR(weight(m128, 0, 1), 0.0123739863326, 1e-11);
  EXPECT_NEAR(weight(m128, 127, 197), 0.00334284059626, 1e-11);
  EXPECT_EQ(weight(m80, 0, 0), 0.0);
  EXPECT_EQ(weight(m80, 79, 200), 0.0);
}

// The triangle of a band has area 1 in Hz; sampled every 40 Hz the wide ones come close to it.
TEST(MelFilters, WideTrianglesHaveUnitArea) {
  const MelFilters filters(80);
  const std::array<double, kSpectrumBins> ones = [] {
    std::array<double, kSpectrumBins> a{};
    a.fill(1.0);
    return a;
  }();
  for (int m = 60; m < 80; ++m) EXPECT_NEAR(filters.apply(m, ones) * 40, 1.0, 0.02) << m;
}

TEST(MelFilters, EveryBandOfBothSizesHearsSomething) {
  for (const int size : {80, 128}) {
    const MelFilters filters(size);
    EXPECT_EQ(filters.mel_bins(), size);
    std::array<double, kSpectrumBins> ones;
    ones.fill(1.0);
    for (int m = 0; m < size; ++m) EXPECT_GT(filters.apply(m, ones), 0) << size << " " << m;
  }
}

TEST(MelFilters, RefuseAnImpossibleNumberOfBands) {
  EXPECT_THROW(MelFilters(0), Bug);
  EXPECT_THROW(MelFilters(202), Bug);
}

}  // namespace
}  // namespace sori
