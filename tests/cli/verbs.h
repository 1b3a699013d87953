// The verbs as a user types them: a tiny model, a data set of noises, and a folder for what they write.
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
    std::vector<std::string> words{
        "train",     "--model", path("model"), "--data", path("data"),         "--output-dir", path(out),
        "--compute", compute,   "--max-steps", steps,    "--train-batch-size", batch,          "--max-new-tokens",
        "3"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }

  // The standard output of a verb that must succeed.
  static std::string output_of(const std::vector<std::string>& words) {
    ::testing::internal::CaptureStdout();
    const int code = run(words);
    const std::string text = ::testing::internal::GetCapturedStdout();
    EXPECT_EQ(code, 0) << text;
    return text;
  }

  // Of each step of a run.
  std::vector<double> losses(const std::string& run_name) const {
    const Json state = read_json(folder / run_name / "trainer_state.json");
    std::vector<double> all;
    for (const Json& row : state.at("log_history"))
      if (row.contains("loss")) all.push_back(row.at("loss"));
    return all;
  }

  TemporaryFolder folder;
  std::string compute = "f32", steps = "6", batch = "2";  // of train()
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

inline const std::vector<std::string> kLora{
    "--method", "lora", "--lora-r", "3", "--lora-dropout", "0.1", "--gradient-accumulation-steps", "2"};
inline const std::vector<std::string> kFull{"--method", "full", "--learning-rate", "0.001", "--weight-decay", "0.01"};

inline std::vector<std::string> with(std::vector<std::string> options, const std::vector<std::string>& more) {
  options.insert(options.end(), more.begin(), more.end());
  return options;
}

}  // namespace sori::test
