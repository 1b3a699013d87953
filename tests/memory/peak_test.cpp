// What a run takes of the machine's memory beside what its plan said, at real sizes: the built program, in a process of
// its own for each run.
#include <sys/wait.h>

#include <cstdlib>

#include "base/json.h"
#include "support/real_whisper.h"
#include "support/temp_dir.h"
#include "support/tiny_tokenizer.h"

namespace sori::test {
namespace {

constexpr double kShare = 0.05, kMiB = 0x1p20, kLeast = 32 * kMiB;  // what the plan may be off by

// The real one where it is there: its tables are a good part of what a program holds beside its arena. In the small one
// " a" is one token, so that sori experiment can count out its labels.
Path tokenizer_in(const Path& folder) {
  if (const auto real = real_model_folder()) return *real;
  make_folder(folder);
  write_file(folder / "tokenizer.json", to_text(tiny_tokenizer_json({{" ", "a"}})));
  return folder;
}

class PrivatePeak : public ::testing::TestWithParam<const char*> {};

// Each of the four rows: one step that warms up and one more, a window of 30 s, 32 label tokens, no evaluation.
TEST_P(PrivatePeak, OfARunIsWhatItsPlanSaid) {
  const TempDir folder;
  const Path tokenizer = tokenizer_in(folder / "tokenizer"), json = folder / "peaks.json";
  const std::string command = fmt::format(
      "XDG_CACHE_HOME='{0}/cache' '{1}' experiment memory --size {2} --steps 1 --batch 1 --tokenizer '{4}' "
      "--output-dir '{0}/runs' --json '{3}' > '{0}/words' 2>&1 || (tail -n 5 '{0}/words'; false)",
      folder.path().string(), SORI_BINARY, GetParam(), json.string(), tokenizer.string());
  const int status = std::system(command.c_str());
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << command;
  const Json rows = read_json(json).at("rows");
  EXPECT_EQ(rows.size(), 4u);
  for (const Json& row : rows) {
    const auto planned = row.at("planned_bytes").get<double>(), peak = row.at("peak_private_bytes").get<double>();
    const auto name = row.at("name").get<std::string>();
    EXPECT_NEAR(peak, planned, std::max(kShare * planned, kLeast)) << name;
    RecordProperty(name, fmt::format("planned {:.1f} MiB, peak {:.1f} MiB", planned / kMiB, peak / kMiB));
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, PrivatePeak, ::testing::Values("tiny", "base", "small"),
                         [](const auto& i) { return std::string(i.param); });

}  // namespace
}  // namespace sori::test
