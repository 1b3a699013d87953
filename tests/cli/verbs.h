// Tests that run verbs as a user does: a tiny model, a data set of noises, and a folder for what they write.
#pragma once

#include <gtest/gtest.h>

#include "cli/cli.h"
#include "cli/tiny_world.h"

namespace sori::test {

class Verbs : public ::testing::Test {
 protected:
  Verbs() {
    ::setenv("XDG_CACHE_HOME", path("cache").c_str(), 1);  // of quantised models
    write_model(folder / "model");
    write_recordings(folder / "corpus");
    EXPECT_EQ(run({"prepare", path("corpus"), path("data")}), 0);
  }

  std::string path(const std::string& name) const { return (folder / name).string(); }

  int train(const std::string& out, std::vector<std::string> more) {
    std::vector<std::string> words{"train",
                                   "--model",
                                   path("model"),
                                   "--data",
                                   path("data"),
                                   "--output-dir",
                                   path(out),
                                   "--compute",
                                   "f32",
                                   "--max-steps",
                                   "6",
                                   "--train-batch-size",
                                   "2",
                                   "--max-new-tokens",
                                   "3"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }

  TemporaryFolder folder;
};

// The exit code, and what was written to standard error and standard output.
struct Ran {
  int code = 0;
  std::string error, output;
};
inline Ran ran(const std::function<int()>& verb) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Ran r;
  r.code = verb();
  r.error = ::testing::internal::GetCapturedStderr();
  r.output = ::testing::internal::GetCapturedStdout();
  return r;
}

}  // namespace sori::test
