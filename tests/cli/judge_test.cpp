// What sori evaluate and sori transcribe say about odd recordings and damaged models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli.h"
#include "cli/tiny_world.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Judging : public ::testing::Test {
 protected:
  Judging() { write_model(folder / "model"); }

  std::string path(const std::string& name) const { return (folder / name).string(); }

  // The exit code; what it wrote lies in `out` and `err`.
  int say(const std::vector<std::string>& words) {
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int code = run(words);
    out = ::testing::internal::GetCapturedStdout();
    err = ::testing::internal::GetCapturedStderr();
    return code;
  }
  int transcribe(const std::string& sound) {
    return say({"transcribe", path(sound), "--model", path("model"), "--compute", "f32", "--max-new-tokens", "12"});
  }

  TemporaryFolder folder;
  std::string out, err;
};

TEST_F(Judging, TranscribeSaysWhenAWavHasNoHeader) {
  const std::string samples = pcm16(std::vector<int>(8000, 700));
  write_bytes(folder / "bare.wav", samples);
  write_bytes(folder / "bare.pcm", samples);
  write_bytes(folder / "good.wav", wav({}, samples));
  EXPECT_EQ(transcribe("bare.wav"), 0);
  EXPECT_THAT(err, HasSubstr(path("bare.wav") + ": has no header; read as 16 kHz"));
  const std::string text = out;
  for (const char* other : {"bare.pcm", "good.wav"}) {
    EXPECT_EQ(transcribe(other), 0);
    EXPECT_THAT(err, Not(HasSubstr("header"))) << other;
    EXPECT_EQ(out, text) << other;
  }
}

}  // namespace
}  // namespace sori::test
