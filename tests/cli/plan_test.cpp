// A plan's word is kept: the file it writes starts the run it printed, the base it chooses is the one that is made, and
// what cannot fit is refused before anything is made.
#include <gmock/gmock.h>

#include <set>
#include <sstream>

#include "cli/run_file.h"
#include "cli/verbs.h"
#include "train/options.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Plan : public Verbs {
 protected:
  Ran plan(std::vector<std::string> more) {
    std::vector<std::string> words{"plan", "--model", path("model"), "--compute", "f32", "--json", path("plan.json")};
    words.insert(words.end(), more.begin(), more.end());
    return ran([&] { return run(words); });
  }
  Ran train_ran(const std::vector<std::string>& more) {
    return ran([&] { return train("run", more); });
  }
  Json planned() const { return read_json(folder / "plan.json"); }

  // Resident bytes that the smallest way to run on a base needs, where another one is chosen.
  std::uint64_t least(const std::string& base, const std::string& ram) {
    EXPECT_EQ(plan({"--data", path("data"), "--base", "auto", "--train-batch-size", "2", "--max-new-tokens", "3",
                    "--ram", ram})
                  .code,
              0);
    const Json choices = planned().at("base").at("choices");
    for (const Json& c : choices)
      if (c.at("base") == base) return c.at("least_resident_bytes");
    return 0;
  }

  Path write_run(const std::string& text) {
    write_file(folder / "run.toml", text);
    return folder / "run.toml";
  }
};

// "621M", of "the nearest that fits is --ram 621M, or use ..."
std::string nearest_ram(const std::string& error) {
  const std::string before = "the nearest that fits is --ram ";
  const std::size_t at = error.find(before);
  EXPECT_NE(at, std::string::npos) << error;
  if (at == std::string::npos) return "";
  const std::size_t first = at + before.size();
  return error.substr(first, error.find_first_of(",\n", first) - first);
}

// The options that a command line and a run file ask sori train for.
Json record_of(const std::vector<std::string>& words, const Path& file = {}) {
  TrainOptions options;
  OptionTable table;
  options.describe(table);
  parse_words(table, words);
  if (!file.empty()) read_run_file(table, file);
  require_given(table);
  return table.record();
}

TEST_F(Plan, WritesAFileThatAsksForWhatTheCommandAsksFor) {
  const Ran r = plan({"--data",
                      path("data"),
                      "--output-dir",
                      path("run"),
                      "--write",
                      path("run.toml"),
                      "--lora-r",
                      "3",
                      "--lora-alpha",
                      "2.5",
                      "--target-modules",
                      "q_proj,fc1",
                      "--learning-rate",
                      "1e-8",
                      "--max-steps",
                      "2",
                      "--base",
                      "nf4",
                      "--no-resume",
                      "--train-batch-size",
                      "2",
                      "--ram",
                      "4G",
                      "--loss-on-prompt",
                      "--max-new-tokens",
                      "3"});
  ASSERT_EQ(r.code, 0);
  std::vector<std::string> words;
  std::istringstream command(planned().at("command").get<std::string>());
  for (std::string word; command >> word;) words.push_back(word);
  words.erase(words.begin(), words.begin() + 2);  // sori train
  EXPECT_EQ(record_of(words), record_of({}, folder / "run.toml"));
  EXPECT_THAT(read_file(folder / "run.toml"), HasSubstr("\n# private "));
  EXPECT_EQ(run({"train", "--config", path("run.toml")}), 0);
  EXPECT_TRUE(std::filesystem::exists(folder / "run/adapter_model.safetensors"));
}

TEST_F(Plan, LeavesOpenInItsFileWhatItWasNotTold) {
  const Ran r = plan({"--write", path("run.toml"), "--max-steps", "1"});
  EXPECT_THAT(r.output,
              HasSubstr(fmt::format("sori train --config {} --data DATA --output-dir RUN", path("run.toml"))));
  const Ran refused = ran([&] { return run({"train", "--config", path("run.toml"), "--output-dir", path("run")}); });
  EXPECT_EQ(refused.code, exit_code(ErrorKind::kUsage));
  EXPECT_THAT(refused.error, HasSubstr("--data is missing"));
}

TEST_F(Plan, TheCommandLineWinsOverItsFile) {
  const Path file = write_run("lora-r = 4\nlora-alpha = 8\ntarget-modules = [\"fc1\"]\nmodel = \"M\"\n");
  const Json record = record_of({"--lora-r", "2", "--target-modules", "q_proj", "--data=D", "--output-dir=O"}, file);
  EXPECT_EQ(record.at("lora-r"), 2);
  EXPECT_EQ(record.at("lora-alpha"), 8);
  EXPECT_EQ(record.at("target-modules"), Json{"q_proj"});
  EXPECT_EQ(record.at("model"), "M");
}

TEST_F(Plan, ARunFileIsReadAsStrictlyAsACommandLine) {
  const auto refusal = [&](const std::string& text, ErrorKind kind = ErrorKind::kUsage) {
    TrainOptions options;
    OptionTable table;
    options.describe(table);
    const Path file = write_run(text);
    const auto error = testing::error_of([&] { read_run_file(table, file); });
    EXPECT_TRUE(error) << text;
    if (!error) return std::string();
    EXPECT_EQ(error->kind(), kind) << text;
    return std::string(error->what());
  };
  EXPECT_THAT(refusal("lora-rr = 4\n"), HasSubstr("run.toml: unknown option lora-rr; did you mean lora-r?"));
  EXPECT_THAT(refusal("lora-r = 4\nr = 4\n"), HasSubstr("r: is given twice"));
  EXPECT_THAT(refusal("lora-r = \"4\"\n"), HasSubstr("lora-r: is a string, not a number"));
  EXPECT_THAT(refusal("ram = 6\n"), HasSubstr("put it in quotes"));
  EXPECT_THAT(refusal("lora-r = 0\n"), HasSubstr("0 is out of range"));
  EXPECT_THAT(refusal("target-modules = \"fc1\"\n"), HasSubstr("is no list"));
  EXPECT_THAT(refusal("target-modules = [[\"fc1\"]]\n"), HasSubstr("is a list, not a string"));
  EXPECT_THAT(refusal("[lora]\nr = 3\n"), HasSubstr("without [sections]"));
  EXPECT_THAT(refusal("config = \"other.toml\"\n"), HasSubstr("unknown option config"));
  EXPECT_THAT(refusal("seed = 1\nlora-r 3\n", ErrorKind::kInput), HasSubstr("run.toml:2"));
  EXPECT_THAT(refusal("seed = 1\nseed = 2\n", ErrorKind::kInput), HasSubstr("run.toml:2"));
  EXPECT_THAT(refusal("# " + std::string(kMaxRunFile, 'x'), ErrorKind::kInput), HasSubstr("more than the"));
}

TEST_F(Plan, TrainTakesTheBaseThatAutoChoosesAndResumesOnIt) {
  const std::uint64_t int8 = least("int8", "64G"), f32 = least("f32", std::to_string(int8));
  const std::uint64_t ram = (int8 + f32) / 2;  // the plan does not count the lines of three utterances of dev
  ASSERT_GT(ram, int8 + 3u * 1500);
  std::vector<std::string> words{"--base", "auto", "--save-steps", "3", "--ram", std::to_string(ram)};
  const Ran r = train_ran(words);
  ASSERT_EQ(r.code, 0) << r.error;
  EXPECT_THAT(r.error, HasSubstr("chosen: the most precise that fits into"));
  EXPECT_THAT(r.error, HasSubstr(" in place of int8: ")) << "what is left gives some layers 16 bits";
  words.back() = "8G";  // now every base fits
  words.emplace_back("--resume");
  const Ran resumed = train_ran(words);
  EXPECT_EQ(resumed.code, 0) << resumed.error;
  EXPECT_EQ(plan({"--base", "auto", "--method", "full"}).code, exit_code(ErrorKind::kUsage));
}

// Where training would refuse it.
TEST_F(Plan, RefusesLoftqWithoutWhatItStartsFrom) {
  const std::vector<std::string> loftq{"--init-lora-weights", "loftq"};
  const Ran planned = plan(loftq), trained = train_ran(loftq);
  EXPECT_EQ(planned.code, exit_code(ErrorKind::kUsage));
  EXPECT_TRUE(trained.error.ends_with(planned.error)) << trained.error;
  EXPECT_THAT(planned.error, HasSubstr("starts from what a quantised base lost, and this one is f32"));
  EXPECT_EQ(plan(with(loftq, {"--base", "nf4"})).code, 0);
  EXPECT_EQ(run({"plan", "--size", "tiny", "--compute", "f32", "--init-lora-weights", "loftq"}),
            exit_code(ErrorKind::kUsage));
}

TEST_F(Plan, PricesTheQuantisedFolderToTheByte) {
  ASSERT_EQ(plan({"--base", "nf4"}).code, 0);
  const auto price = planned().at("cache_bytes").get<std::uint64_t>();
  ASSERT_EQ(train_ran({"--base", "nf4"}).code, 0);
  std::uint64_t bytes = 0;
  for (const Path& file : list_files(folder / "cache")) bytes += sori::file_size(folder / "cache" / file);
  EXPECT_EQ(price, bytes);
  ASSERT_EQ(plan({}).code, 0);
  EXPECT_EQ(planned().at("cache_bytes"), 0);
}

TEST_F(Plan, PricesACheckpointByItsTensors) {
  for (const std::string optim : {"adamw", "adamw_8bit"}) {
    const std::vector<std::string> how{"--method", "lora", "--lora-r", "130", "--optim", optim};
    ASSERT_EQ(plan(how).code, 0);
    std::filesystem::remove_all(folder / "run");
    ASSERT_EQ(train_ran(how).code, 0);
    const auto stored = [&](const char* name) {
      std::uint64_t bytes = 0;
      const SafetensorsFile file(folder / "run/checkpoint-6" / name);
      for (const TensorView& t : file.tensors()) bytes += t.bytes.size();
      return bytes;
    };
    const std::uint64_t result = stored("adapter_model.safetensors");
    EXPECT_EQ(planned().at("result_bytes"), result);
    EXPECT_EQ(planned().at("checkpoint_bytes"), result + stored("optimizer.safetensors")) << optim;
  }
}

TEST_F(Plan, SaysHowManyCheckpointsLieOnDiskAtOneTime) {
  const auto at_once = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words{"--max-steps", "6"};
    words.insert(words.end(), more.begin(), more.end());
    EXPECT_EQ(plan(words).code, 0);
    return planned().at("checkpoints_at_once").get<int>();
  };
  EXPECT_EQ(at_once({}), 1);
  EXPECT_EQ(at_once({"--save-steps", "4"}), 2);
  EXPECT_EQ(at_once({"--save-steps", "1"}), 3);  // the newest two, and the next
  EXPECT_EQ(at_once({"--save-steps", "1", "--save-total-limit", "0"}), 6);
  EXPECT_EQ(at_once({"--save-steps", "0"}), 1);
  EXPECT_EQ(plan({"--save-steps", "0"}).code, 0);  // of so many steps as there are epochs
  EXPECT_EQ(planned().at("checkpoints_at_once"), 1);
}

TEST_F(Plan, ShortRecordingsNeedLessWhereTheirContextIsShort) {
  write_model(
      folder / "model", [](Whisper&) {}, four_seconds());
  const auto bytes = [&](const std::vector<std::string>& more) {
    EXPECT_EQ(plan(more).code, 0);
    return planned().at("chosen").at("memory").at("planned_bytes").get<std::uint64_t>();
  };
  const std::uint64_t whole = bytes({"--audio-context", "full"});
  EXPECT_EQ(bytes({"--audio-seconds", "0.5", "--audio-context", "full"}), whole) << "full windows hold silence";
  EXPECT_LT(bytes({"--audio-seconds", "0.5"}), whole);
  const Ran r = plan({"--audio-seconds", "0.5", "--audio-context", "exact", "--write", path("run.toml")});
  ASSERT_EQ(r.code, 0);
  EXPECT_THAT(r.output, HasSubstr("windows of 1.92 s"));  // 25 states and 64, rounded up to 96
  EXPECT_LT(planned().at("chosen").at("memory").at("planned_bytes").get<std::uint64_t>(), whole);
  EXPECT_THAT(planned().at("command").get<std::string>(), HasSubstr("--audio-context exact"));
  EXPECT_THAT(planned().at("command").get<std::string>(), Not(HasSubstr("audio-seconds")));
  EXPECT_THAT(read_file(folder / "run.toml"), HasSubstr("\naudio-context = \"exact\""));
  EXPECT_THAT(read_file(folder / "run.toml"), Not(HasSubstr("audio-seconds")));
  EXPECT_EQ(bytes({"--audio-seconds", "0.5", "--audio-context", "exact", "--full-context-share", "0.1"}), whole);
  EXPECT_EQ(plan({"--audio-seconds", "31"}).code, exit_code(ErrorKind::kUsage));
}

class PlanOfASize : public ::testing::Test {
 protected:
  Ran plan(const std::string& base, const std::string& ram = "64G") {
    return ran([&] {
      return run({"plan", "--size", "base", "--compute", "f32", "--json", (folder / "plan.json").string(), "--base",
                  base, "--train-batch-size", "2", "--ram", ram});
    });
  }
  Json planned() const { return read_json(folder / "plan.json"); }

  TemporaryFolder folder;
};

TEST_F(PlanOfASize, TakesEveryBase) {
  std::uint64_t before = std::numeric_limits<std::uint64_t>::max();
  for (const std::string base : {"model", "int8", "nf4"}) {
    ASSERT_EQ(plan(base).code, 0);
    const auto bytes = planned().at("chosen").at("memory").at("base_bytes").get<std::uint64_t>();
    EXPECT_LT(bytes, before);
    before = bytes;
    EXPECT_EQ(planned().at("cache_bytes") == 0, base == "model");
  }
}

TEST_F(PlanOfASize, ChoosesTheMostPreciseBaseThatFits) {
  std::map<std::string, std::string> least;
  for (const std::string base : {"model", "int8", "nf4"}) least[base] = nearest_ram(plan(base, "1M").error);
  ASSERT_EQ(std::set<std::string>({least["model"], least["int8"], least["nf4"]}).size(), 3u);
  for (const auto& [base, ram] : least) {
    const std::string name = base == "model" ? "bf16" : base;
    const Ran r = plan("auto", ram);
    ASSERT_EQ(r.code, 0) << r.error;
    EXPECT_EQ(planned().at("base").at("chosen"), name);
    EXPECT_TRUE(r.output.starts_with("base " + name)) << r.output;
    EXPECT_THAT(planned().at("command").get<std::string>(), HasSubstr("--base " + base));
    if (base != "int8") continue;
    EXPECT_THAT(r.output, HasSubstr("at least: does not fit into"));
    EXPECT_THAT(r.output, HasSubstr("at least: less precise"));
  }
  const Ran refused = plan("auto", "1M");
  EXPECT_EQ(refused.code, exit_code(ErrorKind::kMemory));
  EXPECT_EQ(nearest_ram(refused.error), least["nf4"]);
  EXPECT_THAT(plan("model").output, Not(HasSubstr("precise"))) << "never chosen where nobody asked";
}

TEST_F(Plan, TrainRefusesWhatCannotFitBeforeItMakesAnything) {
  for (const std::vector<std::string>& how :
       {std::vector<std::string>{"--base", "nf4"}, {"--base", "auto"}, {"--base", "model"}, {"--method", "full"}}) {
    std::vector<std::string> words = how;
    words.insert(words.end(), {"--ram", "1M"});
    const Ran refused = train_ran(words);
    EXPECT_EQ(refused.code, exit_code(ErrorKind::kMemory)) << how[1];
    EXPECT_FALSE(std::filesystem::exists(folder / "run")) << how[1];
    EXPECT_FALSE(std::filesystem::exists(folder / "cache")) << how[1] << ": quantised for nothing";
    words.back() = nearest_ram(refused.error);
    EXPECT_EQ(train_ran(words).code, 0) << words.back();
    std::filesystem::remove_all(folder / "run");
    std::filesystem::remove_all(folder / "cache");
  }
}

}  // namespace
}  // namespace sori::test
