#include "formats/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/temporary.h"

namespace sori {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using testing::TemporaryFolder;

// The command of a refusal, behind "convert it with: ".
std::string command_for(const Path& path) {
  const std::string message = message_of([&] { refuse_pickle(path); });
  const std::string before = "with: ";
  EXPECT_THAT(message, HasSubstr(before));
  return message.substr(message.find(before) + before.size());
}

// The words that a shell makes of a command which begins with "python", a line a word.
std::string words_of(const std::string& command) {
  const TemporaryFolder folder;
  write_file(folder / "run",
             "python() { for word in \"$@\"; do printf '%s\\n' \"$word\" >> words; done; }\n" + command);
  EXPECT_EQ(std::system(fmt::format("cd '{}' && sh ./run", folder.path().string()).c_str()), 0);
  return read_file(folder / "words");
}

TEST(Pickle, IsConvertedByALineThatQuotesAnyName) {
  for (const std::string name : {"pytorch_model.bin", "two words.bin", "it's.bin", "$(touch hacked).bin",
                                 "-x `y`\".bin", "\xEC\x86\x8C\xEB\xA6\xAC.ckpt"}) {
    const std::string words = words_of(command_for("/models/" + name));
    EXPECT_THAT(words, ::testing::StartsWith("-c\nimport sys, torch, safetensors.torch as s; s.save_file({k: "));
    EXPECT_THAT(words, ::testing::EndsWith("\n" + name + "\n"));
  }
}

TEST(Pickle, OfOpenAiIsConvertedByTransformersOwnProgram) {
  const std::string command = command_for("/models/it's base.pt");
  EXPECT_THAT(command, HasSubstr("transformers"));
  EXPECT_EQ(words_of(command.substr(command.find("python"))),
            "src/transformers/models/whisper/convert_openai_to_hf.py\n--checkpoint_path=it's base.pt\n"
            "--pytorch_dump_folder_path=it's base\n--convert_preprocessor=True\n");
}

}  // namespace
}  // namespace sori
