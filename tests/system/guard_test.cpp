// sori guard in a script: its exit code says whether the tuned model may replace the other.
#include <gmock/gmock.h>

#include "cli/cli.h"
#include "cli/tiny_world.h"
#include "system/program.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;

TEST(GuardProgram, TellsScriptsWhetherAModelIsSafe) {
  const TemporaryFolder folder;
  write_model(folder / "model");
  write_recordings(folder / "corpus");
  Surroundings where;
  where.folder = folder.path();
  ASSERT_EQ(run_program(where, {"prepare", "corpus", "data"}).code, 0);
  const auto guard = [&](const std::string& checks) {
    return run_program(where, {"guard", "--model", "model", "--tuned", "model", "--data", "data", "--checks", checks,
                               "--compute", "f32", "--max-new-tokens", "30", "--json", "guard.json"});
  };
  const Ended safe = guard("silence");
  EXPECT_EQ(safe.code, 0) << safe.err;
  EXPECT_THAT(safe.out, HasSubstr("safe to replace: 1 of 1 checks are ok"));
  EXPECT_EQ(read_json(folder / "guard.json").at("ok"), true);
  const Ended not_safe = guard("target");  // random weights know no language
  EXPECT_EQ(not_safe.code, kExitNotSafe) << not_safe.err;
  EXPECT_TRUE(not_safe.errors().empty()) << not_safe.err;  // it is an answer, not a failure
  EXPECT_THAT(not_safe.out, HasSubstr("not safe to replace: target"));
  EXPECT_EQ(read_json(folder / "guard.json").at("ok"), false);
}

}  // namespace
}  // namespace sori::test
