// What a resumed run makes of a checkpoint that is damaged: exit code 8, and a remedy that works.
#include "cli/verbs.h"

namespace sori::test {
namespace {

struct Damage {
  const char* name;
  void (*apply)(const Path& file);
};

const Damage kDamages[] = {
    {"missing", [](const Path& f) { std::filesystem::remove(f); }},
    {"empty", [](const Path& f) { write_file(f, ""); }},
    {"cut", [](const Path& f) { write_file(f, read_file(f).substr(0, read_file(f).size() / 2)); }},
    {"garbled", [](const Path& f) { write_file(f, std::string(read_file(f).size(), '\xA5')); }},
    {"of another kind", [](const Path& f) { write_file(f, "[1, {}]\n"); }},
    {"a folder", [](const Path& f) { std::filesystem::remove(f), make_folder(f); }},
};

class DamagedCheckpoint : public Verbs {
 protected:
  // Each file of the newest of two checkpoints, one after the other.
  void expect_refused(const std::vector<std::string>& options, const std::vector<const char*>& files) {
    ASSERT_EQ(train("run", with(options, {"--save-steps", "3"})), 0);
    const Path newest = folder / "run/checkpoint-6";
    for (const char* file : files)
      for (const Damage& damage : kDamages) {
        std::filesystem::copy(newest, folder / "kept", std::filesystem::copy_options::recursive);
        damage.apply(newest / file);
        ::testing::internal::CaptureStderr();
        EXPECT_EQ(train("run", with(options, {"--resume"})), exit_code(ErrorKind::kCheckpoint)) << file << damage.name;
        const std::string said = ::testing::internal::GetCapturedStderr();
        EXPECT_NE(said.find(file), std::string::npos) << said;
        std::filesystem::remove_all(newest);
        std::filesystem::rename(folder / "kept", newest);
      }
    std::filesystem::remove(newest / files[0]);
    std::filesystem::remove_all(newest);  // as the message says
    EXPECT_EQ(train("run", with(options, {"--resume"})), 0);
  }
};

TEST_F(DamagedCheckpoint, OfAnAdapterIsRefused) {
  expect_refused(kLora,
                 {"adapter_model.safetensors", "optimizer.safetensors", "trainer_state.json", "training_args.json"});
}

TEST_F(DamagedCheckpoint, OfAModelIsRefused) {
  expect_refused(kFull, {"model.safetensors", "optimizer.safetensors", "trainer_state.json", "training_args.json"});
}

}  // namespace
}  // namespace sori::test
