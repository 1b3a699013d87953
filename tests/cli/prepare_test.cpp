// sori prepare as a user runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli.h"
#include "cli/tiny_world.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;

TEST(PrepareVerb, EndsWithInputsExitCodeWhenStrictAndSomethingWasRejected) {
  const TemporaryFolder folder;
  write_recordings(folder / "corpus");
  const auto prepare = [&](const std::string& out, std::vector<std::string> more) {
    std::vector<std::string> words{"prepare", (folder / "corpus").string(), (folder / out).string()};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  EXPECT_EQ(prepare("clean", {"--strict"}), 0);
  write_bytes(folder / "corpus/train/0.wav", "no sound");
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(prepare("loose", {}), 0);
  const std::string said = ::testing::internal::GetCapturedStdout();
  EXPECT_THAT(said, HasSubstr("rejected            1 audio_unreadable\neach with its reason in "));
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(prepare("strict", {"--strict"}), 3);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("1 of 14 utterances were rejected"));
  // The data set is there, to be looked at.
  EXPECT_EQ(read_file(folder / "strict/rejected.jsonl"), read_file(folder / "loose/rejected.jsonl"));
}

}  // namespace
}  // namespace sori::test
