// The documentation keeps its word: the commands of the README run as they stand there, and every option that is
// written anywhere in README or docs exists.
#include <gtest/gtest.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/tiny_world.h"

namespace sori::test {
namespace {

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : std::string(line.substr(0, line.find('#'))) + ' ') {
    if (c != ' ') word += c;
    if (c == ' ' && !word.empty()) words.push_back(std::exchange(word, ""));
  }
  return words;
}

// Lines of the first block between ``` that begins with `start`.
std::vector<std::string> block_of(const std::string& text, const std::string& start) {
  const std::size_t first = text.find("```\n" + start) + 4;
  const std::string block = text.substr(first, text.find("```", first) - first);
  std::vector<std::string> lines;
  for (const std::string_view line : split_lines(block)) lines.emplace_back(line);
  return lines;
}

// What `sori VERB --help` teaches.
std::string help_of(const std::string& verb) {
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(run({verb, "--help"}), 0) << verb;
  return ::testing::internal::GetCapturedStdout();
}

TEST(Readme, ItsSevenCommandsRunOnAFolderOfOnesOwn) {
  const TemporaryFolder folder;
  write_model(folder / "whisper-base-ct2");
  write_recordings(folder / "recordings");
  std::filesystem::copy(folder / "recordings/dev", folder / "recordings/eval",
                        std::filesystem::copy_options::recursive);
  for (const auto& sound : {12, 13})  // no sentence stands in two splits
    write_file(folder / fmt::format("recordings/eval/{}.txt", sound), fmt::format("다른 {}\n", sound));
  write_file(folder / "recordings/eval/11.txt", "또 다른\n");
  std::filesystem::copy_file(folder / "recordings/dev/12.wav", folder / "talk.mp3");  // its bytes say what it is
  const std::string text = read_file(Path(SORI_SOURCE_DIR) / "README.md");
  std::filesystem::current_path(folder.path());
  std::size_t ran = 0;
  for (const std::string& line : block_of(text, "sori import")) {
    std::vector<std::string> words = words_of(line);
    ASSERT_EQ(words.at(0), "sori") << line;
    words.erase(words.begin());
    const int code = run(words);
    // Random weights know no language, which sori guard is there to say.
    EXPECT_EQ(code, words[0] == "guard" ? kExitNotSafe : 0) << line;
    ++ran;
  }
  EXPECT_EQ(ran, 7u);
  std::filesystem::current_path("/");
}

// The Korean page has the same commands, and their order.
TEST(Readme, SpeaksOfTheSameCommandsInBothLanguages) {
  const auto commands = [](const char* page) {
    std::vector<std::vector<std::string>> all;
    const std::string text = read_file(Path(SORI_SOURCE_DIR) / page);
    for (const char* start : {"./quickstart.sh", "sori import"})
      for (const std::string& line : block_of(text, start)) all.push_back(words_of(line));
    return all;
  };
  EXPECT_EQ(commands("README.md").size(), 9u);
  EXPECT_EQ(commands("README.ko.md"), commands("README.md"));
}

TEST(Readme, NamesOnlyOptionsThatExist) {
  std::map<std::string, std::string> help;
  std::string all;
  for (const Verb& v : verbs()) all += help[v.name] = help_of(v.name);
  const Path tools = Path(SORI_SOURCE_DIR) / "tools";
  for (const Path& tool : list_files(tools))
    if (tool.extension() == ".py") all += read_file(tools / tool);
  // Of the two scripts, of git, cmake and ctest, and of everything.
  const std::vector<std::string> others{"--quick", "--model", "--data",   "--fast",  "--sanitize", "--oracle",
                                        "--help",  "--build", "--preset", "--gtest", "--version"};
  std::vector<Path> pages{"README.md", "README.ko.md"};
  for (const Path& page : list_files(Path(SORI_SOURCE_DIR) / "docs"))
    if (page.extension() == ".md") pages.push_back("docs" / page);
  std::size_t found = 0;
  for (const Path& page : pages) {
    const std::string text = read_file(Path(SORI_SOURCE_DIR) / page);
    for (const std::string_view line : split_lines(text)) {
      const std::size_t at = line.find("sori ");
      const auto verb = at == std::string_view::npos
                            ? help.end()
                            : help.find(std::string(line.substr(at + 5, line.find_first_of(" `", at + 5) - at - 5)));
      for (std::size_t i = line.find("--"); i != std::string_view::npos; i = line.find("--", i + 2)) {
        const std::size_t end = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-", i);
        const std::string option(line.substr(i, end - i));
        if (option.size() < 4 || option[2] == '-' || (i > 0 && line[i - 1] != ' ' && line[i - 1] != '`')) continue;
        if (std::find(others.begin(), others.end(), option) != others.end()) continue;
        const std::string& where = verb != help.end() && i > at ? verb->second : all;
        EXPECT_NE(where.find(option + " "), std::string::npos) << page << ": " << line;
        ++found;
      }
    }
  }
  EXPECT_GT(found, 20u);
}

}  // namespace
}  // namespace sori::test
