// sori bench measures without any file, keeps its rates, and sori plan tells times from them. No time decides a test.
#include <sys/stat.h>

#include "cli/machine_file.h"
#include "cli/verbs.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;

class BenchVerb : public Verbs {
 protected:
  Ran bench(const std::vector<std::string>& more) {
    std::vector<std::string> words{"bench",   "--model", path("model"),     "--steps", "1",
                                   "--batch", "2",       "--label-tokens",  "5",       "--audio-seconds",
                                   "0.5",     "--json",  path("bench.json")};
    words.insert(words.end(), more.begin(), more.end());
    return ran([&] { return run(words); });
  }
  Json measured() const { return read_json(folder / "bench.json"); }
  Ran plan(const std::string& type = "f32") {
    return ran([&] {
      return run({"plan", "--model", path("model"), "--data", path("data"), "--max-steps", "6", "--max-new-tokens", "3",
                  "--compute", type, "--json", path("plan.json")});
    });
  }
  Json times() const { return read_json(folder / "plan.json").at("times"); }
  Path rates() const { return machine_file(this_machine()); }
};

TEST_F(BenchVerb, SaysWhatOfTheCeilingIsReached) {
  const Ran r = bench({"--method", "lora", "--base", "nf4", "--lora-r", "3"});
  ASSERT_EQ(r.code, 0) << r.error;
  const Json result = measured();
  ASSERT_EQ(result.at("steps").size(), 2u);
  Whisper model = make_whisper(second_config());
  add_lora(model, {.rank = 3, .target_modules = {"all-linear"}});
  for (const Json& step : result.at("steps")) {
    EXPECT_EQ(step.at("work"), step_work(model, {2, 25, 5}).useful());
    EXPECT_EQ(step.at("recomputed"), 0);
    EXPECT_GT(step.at("share_of_ceiling"), 0);
    EXPECT_GT(step.at("seconds_per_step"), 0);
    EXPECT_GT(step.at("peak_resident_bytes"), 1 << 20);
    EXPECT_TRUE(step.at("joules_per_step").is_null() || step.at("joules_per_step") > 0);
  }
  ASSERT_GT(result.at("operations").size(), 20u);
  for (const Json& o : result.at("operations")) EXPECT_GT(o.at("share_of_ceiling"), 0);
  EXPECT_THAT(r.output, HasSubstr("ceiling "));
  EXPECT_THAT(r.output, HasSubstr("nf4"));
}

TEST_F(BenchVerb, MeasuresEveryWayToTrain) {
  EXPECT_EQ(bench({"--compute", "f32", "--method", "full", "--gradient-checkpointing"}).code, 0);
  EXPECT_GT(measured().at("steps").at(0).at("recomputed"), 0);
  EXPECT_THAT(measured().at("operations").dump(), HasSubstr("weight gradient"));
  EXPECT_EQ(bench({"--compute", "f32", "--target-scope", "decoder", "--target-modules", "q_proj"}).code, 0);
}

TEST_F(BenchVerb, MeasuresProductsOfCodesWhereThereAreAny) {
  for (const std::string base : {"int8", "nf4"}) {
    const Ran r = bench({"--compute", "int8_bf16", "--base", base});
    EXPECT_EQ(r.code, has_int8_products() ? 0 : exit_code(ErrorKind::kUsage)) << r.error;
    if (r.code == 0) {
      EXPECT_EQ(measured().at("steps").at(0).at("compute"), "int8_bf16");
    }
  }
  EXPECT_EQ(bench({"--compute", "int8_bf16"}).code, exit_code(ErrorKind::kUsage));
}

TEST_F(BenchVerb, MeasuresOneShape) {
  const Ran r = bench({"--size", "tiny"});
  EXPECT_EQ(r.code, exit_code(ErrorKind::kUsage));
  EXPECT_THAT(r.error, HasSubstr("only one of --model and --size"));
}

TEST_F(BenchVerb, ItsRatesTellTheTimesOfAPlan) {
  EXPECT_THAT(plan().output, HasSubstr("times: run sori bench once"));
  EXPECT_TRUE(times().is_null());
  ASSERT_EQ(bench({"--compute", "f32"}).code, 0);
  struct stat file {};
  ASSERT_EQ(::stat(rates().c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
  EXPECT_THAT(plan().output, HasSubstr(" for 6 steps; "));
  EXPECT_GT(times().at("seconds_per_step"), 0);
  EXPECT_GT(times().at("evaluation_seconds"), 0);
  EXPECT_DOUBLE_EQ(times().at("run_seconds"), 6 * times().at("seconds_per_step").get<double>());
  EXPECT_THAT(plan("bf16").output, HasSubstr("times: run sori bench --compute bf16 once"));
  ASSERT_EQ(bench({"--compute", "bf16"}).code, 0);
  EXPECT_THAT(plan("bf16").output, HasSubstr(" a step"));
  EXPECT_THAT(plan("f32").output, HasSubstr(" a step")) << "the other type's rates stay";
}

TEST_F(BenchVerb, RatesThatAreDamagedOrOfAnotherMachineAreNotTaken) {
  ASSERT_EQ(bench({"--compute", "f32"}).code, 0);
  const std::string good = read_file(rates());
  for (const std::string& bad : {good.substr(0, good.size() / 2), std::string("{}"), std::string("[1, 2]")}) {
    write_file(rates(), bad);
    const Ran r = plan();
    EXPECT_EQ(r.code, 0) << r.error;
    EXPECT_THAT(r.output, HasSubstr("times: run sori bench anew ("));
    EXPECT_TRUE(times().is_null());
  }
  const Ran again = bench({"--compute", "f32"});
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.error, HasSubstr("measured anew"));
  EXPECT_EQ(plan().code, 0);
  EXPECT_FALSE(times().is_null());

  Machine other = this_machine();
  other.library = "oneDNN 9";
  EXPECT_NE(machine_file(other), rates());
  Json json = read_json(rates());
  json["machine"]["library"] = other.library;
  write_file(rates(), to_text(json));
  EXPECT_THAT(plan().output, HasSubstr("is of another machine"));
}

TEST_F(BenchVerb, RefusesWhatDoesNotFitOrIsNotKnown) {
  const Ran small = bench({"--ram", "1M"});
  EXPECT_EQ(small.code, exit_code(ErrorKind::kMemory));
  EXPECT_THAT(small.error, HasSubstr("micro-batch 2 x 1"));
  EXPECT_THAT(small.error, HasSubstr("the nearest that fits is --ram "));
  EXPECT_EQ(bench({"--bach", "2"}).code, exit_code(ErrorKind::kUsage));
  EXPECT_THAT(bench({"--bach", "2"}).error, HasSubstr("did you mean"));
  EXPECT_EQ(bench({"--method", "full", "--base", "nf4"}).code, exit_code(ErrorKind::kUsage));
  EXPECT_FALSE(std::filesystem::exists(rates()));
}

}  // namespace
}  // namespace sori::test
