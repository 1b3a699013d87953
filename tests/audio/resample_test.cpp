#include "audio/resample.h"

#include <gtest/gtest.h>

#include "audio/sound_files.h"

namespace sori {
namespace {

std::vector<float> in_blocks(const std::vector<float>& samples, int rate, std::size_t block) {
  Resampler resampler(rate);
  std::vector<float> out;
  for (std::size_t i = 0; i < samples.size(); i += block)
    resampler.push(std::span(samples).subspan(i, std::min(block, samples.size() - i)), out);
  resampler.finish(out);
  return out;
}

TEST(Resampler, GivesTheSameWhateverTheBlocks) {
  const std::vector<float> samples = sine(700, 0.7, 0.7, 44100);
  const std::vector<float> whole = in_blocks(samples, 44100, samples.size());
  for (const std::size_t block : {std::size_t{1}, std::size_t{1000}, std::size_t{4099}})
    EXPECT_EQ(in_blocks(samples, 44100, block), whole);
}

TEST(Resampler, GivesTheRoundedUpNumberOfSamples) {
  for (const int rate : {4000, 11025, 12347, 44100, 384000})
    for (const std::size_t n : {std::size_t{1}, std::size_t{2}, std::size_t{147}, std::size_t{10000}}) {
      const std::size_t due = (n * 16000 + static_cast<std::size_t>(rate) - 1) / static_cast<std::size_t>(rate);
      EXPECT_EQ(in_blocks(std::vector<float>(n, 0.25f), rate, 997).size(), due) << rate << " " << n;
    }
}

TEST(Resampler, AppendsToWhatIsThere) {
  std::vector<float> out = {9.0f};
  Resampler resampler(48000);
  resampler.push(std::vector<float>(48000, 0.5f), out);
  resampler.finish(out);
  ASSERT_EQ(out.size(), 16001u);
  EXPECT_EQ(out[0], 9.0f);
  EXPECT_NEAR(out[8000], 0.5f, 0x1p-20);
}

TEST(Resampler, PassesEveryBitAt16kHz) {
  const std::vector<float> samples = sine(123, 0.9, 0.3, 16000);
  EXPECT_EQ(in_blocks(samples, 16000, 1000), samples);
}

}  // namespace
}  // namespace sori
