#include "audio/context.h"

#include <gtest/gtest.h>

#include "support/temporary.h"

namespace sori {
namespace {

constexpr std::int64_t kWindow = 3000;

TEST(AudioContext, FullIsTheWindow) {
  for (const double seconds : {0.01, 6.0, 30.0}) EXPECT_EQ(context_frames(AudioContext::kFull, seconds, kWindow), 3000);
}

TEST(AudioContext, ExactIsTheSoundAndAMarginInMultiplesOf32States) {
  const auto states = [](double seconds) { return context_frames(AudioContext::kExact, seconds, kWindow) / 2; };
  EXPECT_EQ(states(0.01), 96);   // 1 + 64
  EXPECT_EQ(states(0.64), 96);   // 32 + 64: no more is needed
  EXPECT_EQ(states(0.65), 128);  // 33 + 64
  EXPECT_EQ(states(6), 384);     // 300 + 64
  EXPECT_EQ(states(28.15), 1472);
  EXPECT_EQ(states(28.5), 1500);  // the window is the end
  EXPECT_EQ(states(30), 1500);
}

TEST(AudioContext, BucketIsOneOfAFewShapes) {
  std::set<std::int64_t> shapes;
  for (double seconds = 0.05; seconds <= 30; seconds += 0.05) {
    const std::int64_t frames = context_frames(AudioContext::kBucket, seconds, kWindow);
    EXPECT_GE(frames, context_frames(AudioContext::kExact, seconds, kWindow));
    shapes.insert(frames);
  }
  EXPECT_EQ(shapes, (std::set<std::int64_t>{512, 1024, 1536, 2048, 2560, 3000}));
}

TEST(AudioContext, NeverCutsTheSound) {
  for (const AudioContext context : {AudioContext::kExact, AudioContext::kBucket})
    for (double seconds = 0.01; seconds <= 30; seconds += 0.01)
      EXPECT_GE(static_cast<double>(context_frames(context, seconds, kWindow)), std::min(100 * seconds, 3000.0));
}

TEST(AudioContext, NamesAreReadAsTheyAreWritten) {
  for (const std::string& name : audio_context_names()) EXPECT_EQ(name_of(parse_audio_context(name)), name);
  const auto error = testing::error_of([] { parse_audio_context("auto"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kInput);
}

}  // namespace
}  // namespace sori
