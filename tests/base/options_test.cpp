#include "base/options.h"

#include <gmock/gmock.h>

namespace sori {
namespace {

using Words = std::vector<std::string>;

struct Options {
  std::string model, base = "auto";
  std::vector<std::string> inputs, modules{"q_proj", "v_proj"};
  int rank = 32;
  std::int64_t steps = 100;
  double rate = 1e-3;
  bool quiet = false, resume = true;
  OptionTable table;

  Options() {
    table.text("model", model, "model folder").required();
    table.choice("base", base, "type of the frozen weights", {"auto", "f32", "bf16"});
    table.list("target-modules", modules, "layers with adapters");
    table.integer("lora-rank", rank, "rank", 1, 1024).also("r");
    table.integer("max-steps", steps, "steps", 0, 1000000);
    table.number("learning-rate", rate, "rate", 0, 1);
    table.flag("quiet", quiet, "say less");
    table.flag("resume", resume, "go on");
    table.arguments("inputs", inputs, "files");
  }
};

std::string error_of(const Words& words) {
  Options o;
  try {
    parse_options(o.table, words);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    return e.what();
  }
  return "no error";
}

Options parsed(Words words) {
  words.insert(words.end(), {"--model", "M", "in"});
  Options o;
  parse_options(o.table, words);
  return o;
}

TEST(Options, TakesValuesInEverySpelling) {
  EXPECT_EQ(parsed({"--max-steps", "7"}).steps, 7);
  EXPECT_EQ(parsed({"--max-steps=7"}).steps, 7);
  EXPECT_EQ(parsed({"--max_steps=7"}).steps, 7);
  EXPECT_EQ(parsed({"-r", "8"}).rank, 8);
  EXPECT_EQ(parsed({"--r=8"}).rank, 8);
  EXPECT_EQ(parsed({"--learning-rate", "5e-4"}).rate, 5e-4);
  EXPECT_EQ(parsed({"--base", "bf16"}).base, "bf16");
}

TEST(Options, KeepsDefaultsThatAreNotGiven) {
  const Options o = parsed({});
  EXPECT_EQ(o.rank, 32);
  EXPECT_EQ(o.modules, (Words{"q_proj", "v_proj"}));
  EXPECT_FALSE(o.table.find("lora-rank")->given);
  EXPECT_TRUE(o.table.find("model")->given);
}

TEST(Options, SwitchesSwitch) {
  EXPECT_TRUE(parsed({"--quiet"}).quiet);
  EXPECT_FALSE(parsed({"--quiet=false"}).quiet);
  EXPECT_FALSE(parsed({"--no-resume"}).resume);
  EXPECT_FALSE(parsed({"--no_resume"}).resume);
  EXPECT_THAT(error_of({"--quiet=maybe"}), testing::HasSubstr("not true or false"));
  EXPECT_THAT(error_of({"--no-model"}), testing::HasSubstr("unknown option --no-model"));
}

TEST(Options, ListsReplaceTheirDefaultAndMayRepeat) {
  EXPECT_EQ(parsed({"--target-modules", "fc1,fc2"}).modules, (Words{"fc1", "fc2"}));
  EXPECT_EQ(parsed({"--target-modules", "fc1", "--target-modules", "fc2"}).modules, (Words{"fc1", "fc2"}));
}

TEST(Options, TakesEverythingBehindTwoDashesAsAnArgument) {
  Options o;
  parse_options(o.table, {"--model=M", "a", "--", "--strange", "-"});
  EXPECT_EQ(o.inputs, (Words{"a", "--strange", "-"}));
}

TEST(Options, SuggestsTheNearestKnownName) {
  EXPECT_THAT(error_of({"--learning-rat", "1"}), testing::HasSubstr("did you mean --learning-rate?"));
  EXPECT_THAT(error_of({"--lerning_rate=1"}), testing::HasSubstr("did you mean --learning-rate?"));
  EXPECT_THAT(error_of({"--max"}), testing::HasSubstr("did you mean --max-steps?"));
  EXPECT_THAT(error_of({"--zzzzzzzz"}), testing::HasSubstr("see --help"));
  EXPECT_THAT(error_of({"--inputs", "x"}), testing::HasSubstr("unknown option")) << "an argument is no option";
}

TEST(Options, RefusesValuesThatAreNoneOrOutOfRange) {
  EXPECT_THAT(error_of({"--lora-rank", "0"}),
              testing::HasSubstr("--lora-rank: 0 is out of range; give a value from 1 to 1024"));
  EXPECT_THAT(error_of({"--lora-rank", "1025"}), testing::HasSubstr("out of range"));
  EXPECT_THAT(error_of({"--lora-rank", "99999999999999999999"}), testing::HasSubstr("out of range"));
  EXPECT_THAT(error_of({"--lora-rank", "8x"}), testing::HasSubstr("\"8x\" is not a number"));
  EXPECT_THAT(error_of({"--lora-rank", "1.5"}), testing::HasSubstr("is not a number"));
  EXPECT_THAT(error_of({"--lora-rank="}), testing::HasSubstr("is not a number"));
  EXPECT_THAT(error_of({"--learning-rate", "nan"}), testing::HasSubstr("out of range"));
  EXPECT_THAT(error_of({"--learning-rate", "inf"}), testing::HasSubstr("out of range"));
  EXPECT_THAT(error_of({"--learning-rate", "1e999"}), testing::HasSubstr("out of range"));
  EXPECT_THAT(error_of({"--base", "int3"}), testing::HasSubstr("choose one of auto, f32, bf16"));
  EXPECT_THAT(error_of({"--lora-rank"}), testing::HasSubstr("needs a value"));
}

TEST(Options, RefusesTwiceTheSameAndMissingOnes) {
  EXPECT_THAT(error_of({"--model", "a", "--model", "b"}), testing::HasSubstr("--model: is given twice"));
  EXPECT_THAT(error_of({"-r", "1", "--lora-rank", "2"}), testing::HasSubstr("given twice"));
  EXPECT_THAT(error_of({"in"}), testing::HasSubstr("--model is missing"));
  EXPECT_THAT(error_of({"--model", "M"}), testing::HasSubstr("inputs is missing"));
}

using Values = std::vector<std::pair<std::string, Json>>;

TEST(Options, TakesFromAFileWhatWordsLeaveOpen) {
  Options o;
  parse_words(o.table, {"in", "--target-modules", "fc1", "--max_steps=7"});
  fill_options(o.table,
               Values{{"model", "M"},
                      {"target-modules", {"fc2"}},
                      {"max-steps", 9},
                      {"r", 8},
                      {"quiet", true},
                      {"learning_rate", 1e-4},
                      {"resume", false}},
               "file");
  require_given(o.table);
  EXPECT_EQ(o.model, "M");
  EXPECT_EQ(o.modules, Words{"fc1"});
  EXPECT_EQ(o.steps, 7);
  EXPECT_EQ(o.rank, 8);
  EXPECT_EQ(o.rate, 1e-4);
  EXPECT_TRUE(o.quiet);
  EXPECT_FALSE(o.resume);
}

TEST(Options, RefusesInAFileWhatItRefusesInWords) {
  const auto error = [](const Values& values) {
    Options o;
    parse_words(o.table, {"--model", "M"});
    try {
      fill_options(o.table, values, "file");
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kUsage);
      return std::string(e.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(error({{"learning-rat", 1}}), testing::HasSubstr("file: unknown option learning-rat; did you mean"));
  EXPECT_THAT(error({{"inputs", {"x"}}}), testing::HasSubstr("unknown option"));
  EXPECT_THAT(error({{"r", 1}, {"lora_rank", 2}}), testing::HasSubstr("file: lora_rank: is given twice"));
  EXPECT_THAT(error({{"lora-rank", 0}}), testing::HasSubstr("file: --lora-rank: 0 is out of range"));
  EXPECT_THAT(error({{"lora-rank", 1.5}}), testing::HasSubstr("is not a number"));
  EXPECT_THAT(error({{"lora-rank", "1"}}), testing::HasSubstr("is a string, not a number"));
  EXPECT_THAT(error({{"model", 3}}), testing::HasSubstr("is a number, not a string"));
  EXPECT_THAT(error({{"quiet", "true"}}), testing::HasSubstr("is a string, not a boolean"));
  EXPECT_THAT(error({{"target-modules", "fc1"}}), testing::HasSubstr("is no list"));
  EXPECT_THAT(error({{"target-modules", {1}}}), testing::HasSubstr("is a number, not a string"));
}

TEST(Options, RecordsWhatTheRunWasAskedToDo) {
  const Options o = parsed({"--learning-rate", "0.5", "--no-resume"});
  const Json record = o.table.record();
  EXPECT_EQ(record.at("learning-rate"), 0.5);
  EXPECT_EQ(record.at("resume"), false);
  EXPECT_EQ(record.at("target-modules"), (Json{"q_proj", "v_proj"}));
  EXPECT_EQ(record.size(), o.table.options().size());
}

TEST(Options, ListsAnOptionOnce) {
  Options o;
  int other = 0;
  EXPECT_THROW(o.table.integer("lora_rank", other, "again", 0, 1), Bug);
  EXPECT_THROW(o.table.integer("r", other, "an alias", 0, 1), Bug);
}

TEST(ShellWord, IsQuotedWhereAShellWouldReadItOtherwise) {
  EXPECT_EQ(shell_word("--data=a/b,c:1.5_x@y+z%"), "--data=a/b,c:1.5_x@y+z%");
  EXPECT_EQ(shell_word("my data"), "'my data'");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("it's $HOME"), "'it'\\''s $HOME'");
}

}  // namespace
}  // namespace sori
