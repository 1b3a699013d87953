// sori quantize --base auto: formats chosen by what the loss loses, under a budget of bytes.
#include <gmock/gmock.h>

#include "cli/verbs.h"
#include "model/config.h"
#include "quant/file_format.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;

class Lighten : public Verbs {
 protected:
  Lighten() {
    write_model(
        folder / "wide", [](Whisper&) {}, wide_config());
  }

  int quantize(const std::string& out, const std::string& ram, const std::vector<std::string>& more = {}) {
    return run(with({"quantize", path("wide"), path(out), "--base", "auto", "--data", path("data"), "--ram", ram,
                     "--json", path(out + ".json")},
                    more));
  }
  std::uint64_t bytes_of(const std::string& base, const std::string& embedding) {
    EXPECT_EQ(run({"quantize", path("wide"), path(base), "--base", base, "--embedding", embedding, "--overwrite",
                   "--json", path("uniform.json")}),
              0);
    return read_json(folder / "uniform.json").at("bytes").get<std::uint64_t>();
  }
};

TEST_F(Lighten, KeepsToTheBudgetAndLosesLessWithMore) {
  const std::uint64_t least = bytes_of("nf4", "int8"), most = bytes_of("int8", "int8");
  double before = INFINITY;
  std::set<std::string> bases;
  for (int i = 0; i <= 4; ++i) {
    const std::uint64_t ram = least + (most - least) * static_cast<std::uint64_t>(i) / 4;
    const std::string out = fmt::format("out{}", i);
    ASSERT_EQ(quantize(out, std::to_string(ram)), 0);
    const Json result = read_json(folder / (out + ".json")), record = read_json(folder / out / "sensitivity.json");
    EXPECT_EQ(result.at("choice"), record);
    EXPECT_LE(result.at("bytes").get<std::uint64_t>(), ram);
    EXPECT_EQ(record.at("bytes"), result.at("bytes"));
    EXPECT_EQ(record.at("budget_bytes"), ram);
    EXPECT_LE(record.at("loss_rise").get<double>(), before);
    before = record.at("loss_rise").get<double>();
    bases.insert(result.at("base").get<std::string>().substr(0, 5));
    if (!is_mixed(result.at("base").get<std::string>())) continue;
    const Json layers = read_json(folder / out / "config.json").at("quantization_config").at("layers");
    std::set<std::string> used;
    for (const auto& [module, format] : layers.items()) {
      EXPECT_EQ(record.at("layers").at(module).at("format"), format);
      used.insert(format.get<std::string>());
    }
    EXPECT_GT(used.size(), 1u);
  }
  EXPECT_EQ(bases, (std::set<std::string>{"int8", "mixed", "nf4"})) << "at both ends there is an ordinary base";
  for (const auto& [out, base] : {std::pair{"out0", "nf4"}, {"out4", "int8"}})
    EXPECT_EQ(read_file(folder / out / "model.safetensors"), read_file(folder / base / "model.safetensors"));
}

TEST_F(Lighten, ChoosesTheSameAgainAndMakesTheSameOfItsOwnMap) {
  const std::string ram = std::to_string((bytes_of("nf4", "int8") + bytes_of("int8", "int8")) / 2);
  ASSERT_EQ(quantize("a", ram), 0);
  ASSERT_EQ(quantize("b", ram), 0);
  ASSERT_EQ(run({"quantize", path("wide"), path("c"), "--base", "mixed", "--layers", path("a/config.json"),
                 "--embedding", "int8"}),
            0);
  for (const Path& file : list_files(folder / "a")) {
    EXPECT_EQ(read_file(folder / "a" / file), read_file(folder / "b" / file)) << file;
    if (file != "sensitivity.json") {
      EXPECT_EQ(read_file(folder / "a" / file), read_file(folder / "c" / file)) << file;
    }
  }
  // The choice depends on what it was measured on.
  ASSERT_EQ(quantize("d", ram, {"--calibration-samples", "1"}), 0);
  EXPECT_EQ(read_json(folder / "d/sensitivity.json").at("samples"), 1);
  EXPECT_NE(read_file(folder / "a/sensitivity.json"), read_file(folder / "d/sensitivity.json"));
  const std::string help = output_of({"quantize", "--help"});
  EXPECT_THAT(help, HasSubstr("--ram"));
}

TEST_F(Lighten, PrintsAndTrainsWhatItChose) {
  const std::string ram = std::to_string((bytes_of("nf4", "int8") + bytes_of("int8", "int8")) / 2);
  const std::string text = output_of({"quantize", path("wide"), path("mixed"), "--base", "auto", "--data", path("data"),
                                      "--ram", ram, "--split", "dev"});
  EXPECT_THAT(text, HasSubstr("decoder 1 "));
  EXPECT_THAT(text, HasSubstr("expected to rise by"));
  EXPECT_THAT(text, HasSubstr("only sori reads a base that mixes formats"));
  EXPECT_EQ(run({"train", "--model", path("mixed"), "--data", path("data"), "--output-dir", path("run"), "--compute",
                 "f32", "--max-steps", "2", "--max-new-tokens", "3"}),
            0);
}

TEST_F(Lighten, SaysWhatTheBudgetWants) {
  const auto refused = [&](const std::string& ram, const std::vector<std::string>& more = {}) {
    const Ran r = ran([&] { return quantize("x", ram, more); });
    EXPECT_FALSE(std::filesystem::exists(folder / "x"));
    return std::pair{r.code, r.error};
  };
  const std::uint64_t least = bytes_of("nf4", "int8");
  const auto [code, error] = refused(std::to_string(least - 1));
  EXPECT_EQ(code, exit_code(ErrorKind::kMemory));
  EXPECT_THAT(error, HasSubstr(fmt::format("the nearest that fits is --ram {}K", (least >> 10) + 1)));
  EXPECT_EQ(refused("1G").first, exit_code(ErrorKind::kUsage));
  EXPECT_THAT(refused("1G").second, HasSubstr("fits into 1.00 GiB with 16 bits throughout"));
  EXPECT_EQ(refused("much").first, exit_code(ErrorKind::kUsage));
  EXPECT_EQ(refused(std::to_string(least), {"--split", "none"}).first, exit_code(ErrorKind::kUsage));
  for (const auto& words : {std::vector<std::string>{"--base", "auto", "--data", path("data")},
                            {"--base", "auto", "--ram", "1M"},
                            {"--base", "nf4", "--ram", "1M"},
                            {"--base", "nf4", "--data", path("data")}})
    EXPECT_EQ(run(with({"quantize", path("wide"), path("x")}, words)), exit_code(ErrorKind::kUsage));
  const Ran quantised = ran([&] {
    return run({"quantize", path("nf4"), path("x"), "--base", "auto", "--data", path("data"), "--ram", "200K"});
  });
  EXPECT_EQ(quantised.code, exit_code(ErrorKind::kInput));
  EXPECT_THAT(quantised.error, HasSubstr("is quantised already (nf4)"));
}

}  // namespace
}  // namespace sori::test
