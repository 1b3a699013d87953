// --base auto of a run that 16 bits do not fit: a format for each layer, chosen once and kept.
#include "cli/layer_formats.h"

#include <gmock/gmock.h>

#include "cli/verbs.h"
#include "model/lora.h"
#include "plan/shapes.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Made up: nf4 costs ten to twenty times as much as int8, and no two layers the same.
Sensitivity some_sensitivity(const WhisperConfig& config) {
  Sensitivity s{.formats = {"nf4", "int8"}, .layers = {}, .loss = 2, .tokens = 100};
  const Rng rng(1, Draw::kNoise);
  std::uint64_t n = 0;
  for (const NamedShape& t : tensor_list(config))
    if (is_linear(t)) {
      const double rise = 0.001 * rng.uniform(n++);
      s.layers.push_back({t, {rise * (10 + 10 * rng.uniform(n++)), rise}});
    }
  return s;
}

// Under every limit, whether the base stays in memory or its layers pass through it.
TEST(LayerFormats, FillWhatTheRunLeavesAndFit) {
  for (const auto& [layers, judged] : {std::pair{2, true}, {2, false}, {1, true}}) {
    WhisperConfig config = wide_config();
    config.encoder_layers = config.decoder_layers = layers;
    Whisper model = make_whisper(config);
    add_lora(model, {.rank = 2, .target_modules = {"all-linear"}});
    assume_base(model, "bf16", false);
    RunRequest r;
    r.batch = 2, r.frames = 100, r.tokens = 12;
    if (judged) r.judge = recognizer_limits(model.config, 2, 4, 12);
    r.ram = 1;
    const auto smallest = [&](const std::string& base) {
      return choose_base(model, "bf16", base, r).all[0].runs.smallest().memory.resident_bytes();
    };
    const Sensitivity s = some_sensitivity(model.config);
    const std::uint64_t from = smallest("nf4"), to = smallest("model");
    std::set<bool> passing;
    std::map<std::string, double> least_rise;  // by the format that all layers would have
    for (const std::string base : {"nf4", "int8"}) {
      double& rise = least_rise[base];
      for (const LayerSensitivity& l : s.layers) rise += l.rises[base == "int8"];
    }
    for (r.ram = from; r.ram < to; r.ram += (to - from) / 24) {
      BaseChoices all = choose_base(model, "bf16", "auto", r);
      const BaseChoice& whole = all.all[all.chosen];
      ASSERT_TRUE(whole.runs.chosen && whole.how) << r.ram;
      const auto chosen = choose_base_by_layer(model, s, whole, r);
      if (!chosen) continue;
      ASSERT_TRUE(chosen->base.runs.chosen);
      EXPECT_LE(chosen->base.best().memory.resident_bytes(), r.ram);
      EXPECT_EQ(chosen->base.how->layers, chosen->formats.layers);
      EXPECT_EQ(chosen->base.how->int8_embedding, whole.how->int8_embedding);
      // No less than under a smaller limit.
      double& least = least_rise.at(whole.base);
      EXPECT_LE(chosen->formats.rise, least) << r.ram;
      least = chosen->formats.rise;
      passing.insert(chosen->base.best().limits.drop_layers);
    }
    EXPECT_EQ(passing, std::set<bool>{layers > 1}) << "two layers at a time are all there are of one and one";
  }
}

class AutoBase : public Verbs {
 protected:
  AutoBase() {
    write_model(
        folder / "model", [](Whisper&) {}, wide_config());
    steps = "4";
  }

  std::vector<std::string> with_ram(const std::string& ram, const std::vector<std::string>& more = {}) const {
    return with({"--base", "auto", "--save-steps", "2", "--ram", ram}, more);
  }
  Ran train_ran(const std::string& out, const std::vector<std::string>& more) {
    return ran([&] { return train(out, more); });
  }
  Ran plan(const std::vector<std::string>& more) {
    return ran([&] {
      return run(with({"plan", "--model", path("model"), "--data", path("data"), "--compute", "f32", "--base", "auto",
                       "--train-batch-size", batch, "--max-new-tokens", "3", "--json", path("plan.json")},
                      more));
    });
  }
  // The largest limit that int8 does not fit.
  std::string tight(const std::vector<std::string>& more = {}) {
    for (std::uint64_t ram = std::uint64_t{1} << 36;;) {
      EXPECT_EQ(plan(with({"--ram", std::to_string(ram)}, more)).code, 0);
      const Json base = read_json(folder / "plan.json").at("base");
      if (base.at("chosen") == "nf4") return std::to_string(ram);
      for (const Json& c : base.at("choices"))
        if (c.at("base") == base.at("chosen")) ram = c.at("least_resident_bytes").get<std::uint64_t>() - 1;
    }
  }
  std::string adapter(const std::string& out) const { return read_file(folder / out / "adapter_model.safetensors"); }
  Metadata stated(const std::string& out) const {
    return SafetensorsFile(folder / out / "adapter_model.safetensors").metadata();
  }
};

TEST_F(AutoBase, IsMixedUnderATightLimitAndTheSameAgain) {
  const std::string ram = tight();
  const Ran first = train_ran("first", with_ram(ram));
  ASSERT_EQ(first.code, 0) << first.error;
  const std::string base = stated("first").at("base");
  EXPECT_TRUE(is_mixed(base)) << first.error;
  for (const std::string& said : {std::string("what layers mind: measured in"), "base " + base + " in place of nf4: ",
                                  std::string("decoder 1 "), std::string("expected to rise by")})
    EXPECT_THAT(first.error, HasSubstr(said));
  const Json record = read_json(folder / "first/sensitivity.json");
  EXPECT_EQ(record.at("ram_bytes"), std::stoull(ram));
  EXPECT_EQ(read_json(folder / "first/run.json").at("base"), base);
  std::set<std::string> used;
  const Json formats = parse_json(stated("first").at("base_formats"), "base_formats").at("layers");
  for (const auto& [module, format] : formats.items()) {
    EXPECT_EQ(record.at("layers").at(module).at("format"), format);
    used.insert(format.get<std::string>());
  }
  EXPECT_GT(used.size(), 1u);
  // By what was kept, and by measuring anew.
  const Ran second = train_ran("second", with_ram(ram));
  EXPECT_THAT(second.error, HasSubstr("what layers mind: " + path("cache")));
  ::setenv("XDG_CACHE_HOME", path("other").c_str(), 1);
  EXPECT_THAT(train_ran("third", with_ram(ram)).error, HasSubstr("measured in"));
  for (const char* out : {"second", "third"}) {
    EXPECT_TRUE(adapter(out) == adapter("first")) << out;
    EXPECT_EQ(read_json(folder / out / "sensitivity.json"), record);
  }
}

// Whatever has become of the limit and of the cache.
TEST_F(AutoBase, ResumesOnTheBaseThatItChose) {
  const std::string ram = tight();
  ASSERT_EQ(train("straight", with_ram(ram)), 0);
  make_folder(folder / "stopped");
  std::filesystem::copy(folder / "straight/checkpoint-2", folder / "stopped/checkpoint-2",
                        std::filesystem::copy_options::recursive);
  std::filesystem::remove_all(folder / "cache");
  const Ran resumed = train_ran("stopped", with_ram("8G", {"--resume"}));
  ASSERT_EQ(resumed.code, 0) << resumed.error;
  EXPECT_TRUE(adapter("stopped") == adapter("straight"));
  EXPECT_EQ(stated("stopped"), stated("straight"));
}

TEST_F(AutoBase, IsThatOfTheAdapterWhereItIsJudged) {
  ASSERT_EQ(train("run", with_ram(tight())), 0);
  const auto evaluated = [&](const std::string& base) {
    return ran([&] {
      return run({"evaluate", "--model", path("model"), "--adapter", path("run"), "--data", path("data"), "--base",
                  base, "--compute", "f32", "--max-new-tokens", "3", "--json", path("score.json")});
    });
  };
  const Ran same = evaluated("auto");
  ASSERT_EQ(same.code, 0) << same.error;
  EXPECT_THAT(same.error, Not(HasSubstr("scores may differ")));
  EXPECT_EQ(read_json(folder / "score.json").at("judge").at("base"), stated("run").at("base"));
  EXPECT_THAT(evaluated("nf4").error, HasSubstr("scores may differ"));
  EXPECT_EQ(run({"evaluate", "--model", path("model"), "--data", path("data"), "--base", "auto", "--compute", "f32",
                 "--max-new-tokens", "3"}),
            0);
}

TEST_F(AutoBase, IsOneFormatWhereLayersCannotChooseAndSaysWhy) {
  const std::vector<std::string> small{"--lora-r", "1"};  // adapters take less than measuring would
  const Ran measured = train_ran("small", with_ram(tight(small), small));
  EXPECT_THAT(measured.error, HasSubstr("all layers in nf4: measuring what each minds takes "));
  EXPECT_EQ(stated("small").at("base"), "nf4");
  const Ran loftq = train_ran("loftq", with_ram(tight(), {"--init-lora-weights", "loftq"}));
  EXPECT_THAT(loftq.error, HasSubstr("all layers in nf4: --init-lora-weights loftq starts from"));
  EXPECT_EQ(stated("loftq").at("base"), "nf4");
  EXPECT_FALSE(std::filesystem::exists(folder / "loftq/sensitivity.json"));
  const Ran plenty = train_ran("plenty", with_ram("8G"));
  EXPECT_THAT(plenty.error, Not(HasSubstr("layers mind")));
  EXPECT_EQ(stated("plenty").at("base"), "f32");
}

// A plan measures nothing: it leaves the choice to training.
TEST_F(AutoBase, IsLeftToTrainingByAPlan) {
  const std::string ram = tight();
  const Ran r = plan({"--ram", ram});
  EXPECT_THAT(r.output, HasSubstr("sori train measures how much each layer minds"));
  EXPECT_THAT(read_json(folder / "plan.json").at("command").get<std::string>(), HasSubstr("--base auto"));
  const Ran plenty = plan({"--ram", "8G"});
  EXPECT_THAT(plenty.output, Not(HasSubstr("each layer minds")));
  EXPECT_THAT(read_json(folder / "plan.json").at("command").get<std::string>(), HasSubstr("--base model"));
}

}  // namespace
}  // namespace sori::test
