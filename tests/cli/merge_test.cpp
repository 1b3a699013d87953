// An adapter that was trained on a quantised base can be added to two things; which one is never a secret.
#include <gmock/gmock.h>

#include <cctype>

#include "cli/verbs.h"
#include "model/adapter_config.h"
#include "support/tiny_golden.h"

namespace sori::test {
namespace {

using ::testing::HasSubstr;

class MergeOnto : public Verbs {
 protected:
  // So little that the model still writes letters, as its random weights do.
  void train_on(const std::string& base, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{"--method", "lora", "--lora-r", "3", "--learning-rate", "0.0005", "--base", base};
    words.insert(words.end(), more.begin(), more.end());
    ASSERT_EQ(train("run", words), 0);
  }

  Ran merge(const std::string& model, std::vector<std::string> more) {
    std::filesystem::remove_all(folder / "out");
    std::vector<std::string> words{"merge", path(model), path("run"), path("out"), "--json", path("merge.json")};
    words.insert(words.end(), more.begin(), more.end());
    return ran([&] { return run(words); });
  }
  std::vector<std::string> scored(std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--data", path("data"), "--compute", "f32", "--max-new-tokens", "12"});
    return more;
  }
  Json result() const { return read_json(folder / "merge.json"); }
  std::string weights() const { return read_file(folder / "out/model.safetensors"); }

  Json score(std::vector<std::string> more) {
    std::vector<std::string> words = scored({"evaluate", "--json", path("score.json")});
    words.insert(words.end(), more.begin(), more.end());
    EXPECT_EQ(run(words), 0);
    return read_json(folder / "score.json").at("cer");
  }

  // Makes the data set anew with the letters that a merged model hears, so that it scores better than any other.
  void say_what_is_heard(const std::string& onto) {
    ASSERT_EQ(merge("model", {"--onto", onto}).code, 0);
    score({"--model", path("out"), "--predictions", path("heard.jsonl")});
    const std::string heard = read_file(folder / "heard.jsonl");
    for (const std::string_view line : split_lines(heard)) {
      const Json u = parse_json(line, "heard.jsonl");
      std::string text;
      for (const char c : u.at("pred_text").get<std::string>())
        if (std::isalnum(static_cast<unsigned char>(c))) text += c;
      if (!text.empty())
        write_file(Path(u.at("audio_filepath").get<std::string>()).replace_extension(".txt"), text + "\n");
    }
    ASSERT_EQ(run({"prepare", path("corpus"), path("data"), "--overwrite"}), 0);
  }

  // Names beside the result that begin with a dot: what was not cleared away.
  std::vector<std::string> left_over() const {
    std::vector<std::string> names;
    for (const auto& e : std::filesystem::directory_iterator(folder.path()))
      if (const std::string name = e.path().filename().string(); name.starts_with('.')) names.push_back(name);
    return names;
  }
};

TEST_F(MergeOnto, TheDecodedWeightsScoreAsTheAdapterDoesOnItsBase) {
  train_on("nf4");
  ASSERT_EQ(merge("model", {"--onto", "decoded"}).code, 0);
  EXPECT_EQ(result().at("onto"), "decoded");
  EXPECT_EQ(result().at("base"), "nf4");
  EXPECT_EQ(result().at("type"), "f32");
  EXPECT_EQ(score({"--model", path("out")}),
            score({"--model", path("model"), "--adapter", path("run"), "--base", "nf4"}));
}

TEST_F(MergeOnto, AutoKeepsTheBetterOfBothAndSaysWhat) {
  train_on("nf4");
  const std::string names[] = {"original", "decoded"};
  for (const std::string& aim : names) {
    say_what_is_heard(aim);
    std::map<std::string, std::string> alone;
    std::map<std::string, Json> scores;
    for (const std::string& onto : names) {
      ASSERT_EQ(merge("model", {"--onto", onto}).code, 0);
      alone[onto] = weights();
      scores[onto] = score({"--model", path("out")});
    }
    const std::string other = aim == names[0] ? names[1] : names[0];
    ASSERT_LT(scores[aim].at("rate"), scores[other].at("rate"));
    const Ran r = merge("model", scored());
    ASSERT_EQ(r.code, 0);
    EXPECT_EQ(result().at("onto"), aim);
    EXPECT_TRUE(weights() == alone[aim]);
    for (const std::string& onto : names) EXPECT_EQ(result().at("scores").at(onto).at("cer"), scores[onto]);
    EXPECT_THAT(r.output, AllOf(HasSubstr("onto original"), HasSubstr("onto decoded"),
                                HasSubstr(fmt::format("onto {} weights", aim))));
    EXPECT_EQ(left_over(), std::vector<std::string>());
  }
}

TEST_F(MergeOnto, WithoutDataTheOriginalWeightsAreTakenInOneLine) {
  train_on("int8");
  const Ran r = merge("model", {});
  ASSERT_EQ(r.code, 0);
  EXPECT_EQ(result().at("onto"), "original");
  EXPECT_THAT(r.error, HasSubstr("was trained on int8; adding it to"));
}

TEST_F(MergeOnto, AQuantisedModelHasNothingButItsDecodedWeights) {
  ASSERT_EQ(run({"quantize", path("model"), path("nf4"), "--base", "nf4"}), 0);
  train_on("nf4");
  ASSERT_EQ(merge("model", {"--onto", "decoded"}).code, 0);
  const Json same = score({"--model", path("out")});
  const Ran refused = merge("nf4", {"--onto", "original"});
  EXPECT_EQ(refused.code, exit_code(ErrorKind::kUsage));
  EXPECT_THAT(refused.error, HasSubstr("--onto decoded"));
  ASSERT_EQ(merge("nf4", {"--dtype", "f32"}).code, 0);
  EXPECT_EQ(result().at("onto"), "decoded");
  EXPECT_FALSE(read_json(folder / "out/config.json").contains("quantization_config"));
  EXPECT_EQ(score({"--model", path("out")}), same);
  ASSERT_EQ(run({"quantize", path("model"), path("int8"), "--base", "int8"}), 0);
  EXPECT_EQ(merge("int8", {}).code, exit_code(ErrorKind::kUsage)) << "of another base";
}

TEST_F(MergeOnto, AnAdapterOfAnUnquantisedBaseHasNothingToChoose) {
  train_on("model");
  const Ran refused = merge("model", {"--onto", "decoded"});
  EXPECT_EQ(refused.code, exit_code(ErrorKind::kUsage));
  EXPECT_THAT(refused.error, HasSubstr("f32, which is not quantised"));
  ASSERT_EQ(merge("model", scored()).code, 0);
  EXPECT_EQ(result().at("onto"), "original");
  EXPECT_EQ(result().at("scores").size(), 1u);
}

TEST_F(MergeOnto, AFailureLeavesNothingBeside) {
  train_on("nf4");
  const Path wav = folder / "corpus/dev/12.wav";
  std::filesystem::remove(wav);  // found out when the first candidate is scored
  EXPECT_NE(merge("model", scored()).code, 0);
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
  EXPECT_EQ(left_over(), std::vector<std::string>());
}

// Of a folder's weights or adapter, by name.
std::map<std::string, std::vector<float>> numbers_of(const Path& file) {
  const SafetensorsFile f(file);
  std::map<std::string, std::vector<float>> all;
  for (const TensorView& t : f.tensors()) all[t.name] = floats(t);
  return all;
}

// Adapters that start from A0 and B0 and take them back with the second half of their rank: [A; A0] and [B, -B0].
class MergeCarriedStart : public Verbs, public ::testing::WithParamInterface<const char*> {
 protected:
  static constexpr std::size_t kHalf = 3;

  MergeCarriedStart() {
    EXPECT_EQ(
        train("run", {"--lora-r", std::to_string(kHalf), "--learning-rate", "0.01", "--init-lora-weights", GetParam()}),
        0);
    config = parse_adapter_config(read_json(folder / "run/adapter_config.json"), "run");
  }

  void merge(const std::string& dtype) {
    ASSERT_EQ(run({"merge", path("model"), path("run"), path("out"), "--dtype", dtype, "--overwrite"}), 0);
  }

  std::vector<float> logits(const Path& weights, const LoraConfig* lora) const {
    TinyRun run(make_reference_backend(DType::kF32), Keep::kNothing,
                [&](Whisper& w) {
                  if (lora) add_lora(w, *lora);
                },
                weights, folder / "model/config.json", {1, 12, 7});
    if (lora) load_adapter(run.model, SafetensorsFile(folder / "run/adapter_model.safetensors"));
    GoldenUtterance u;
    u.frames = 10, u.bins = second_config().mel_bins, u.input = u.target = {17, 1, 2, 3};
    for (std::int64_t i = 0; i < u.frames * u.bins; ++i) u.features.push_back(static_cast<float>(i % 7) / 4 - 1);
    return logits_of(run, u);
  }

  LoraConfig config;
};

// W + s (B A - B0 A0), of sums in f32 that are rounded once to the type that is written.
TEST_P(MergeCarriedStart, AddsWhatTheTwoHalvesDifferBy) {
  const auto base = numbers_of(folder / "model/model.safetensors"),
             lora = numbers_of(folder / "run/adapter_model.safetensors");
  const double scale = config.scale(), sums = (4 * kHalf + 3) * std::ldexp(1, -24);
  for (const auto& [dtype, rounding] :
       {std::pair{"f32", 0.0}, {"bf16", std::ldexp(1, -8)}, {"f16", std::ldexp(1, -11)}}) {
    merge(dtype);
    int merged = 0;
    for (const auto& [name, found] : numbers_of(folder / "out/model.safetensors")) {
      const auto a = lora.find("base_model.model." + name.substr(0, name.rfind('.')) + ".lora_A.weight");
      if (!name.ends_with(".weight") || a == lora.end()) continue;
      const std::vector<float>&as = a->second,
            &bs = lora.at("base_model.model." + name.substr(0, name.rfind('.')) + ".lora_B.weight");
      const std::size_t cols = as.size() / (2 * kHalf);
      double moved = 0, started = 0;
      for (std::size_t i = 0; i < found.size(); ++i) {
        double learnt = 0, start = 0, size = std::abs(base.at(name)[i]);
        for (std::size_t r = 0; r < kHalf; ++r) {
          const float *const b = &bs[i / cols * 2 * kHalf], *const column = &as[i % cols];
          learnt += double{b[r]} * column[r * cols];
          start -= double{b[kHalf + r]} * column[(kHalf + r) * cols];
          size += scale * (std::abs(b[r] * column[r * cols]) + std::abs(b[kHalf + r] * column[(kHalf + r) * cols]));
        }
        const double wanted = base.at(name)[i] + scale * (learnt - start);
        ASSERT_NEAR(found[i], wanted, sums * size + rounding * std::abs(wanted) + std::ldexp(1, -25)) << name << dtype;
        moved = std::max(moved, std::abs(scale * (learnt - start)));
        started = std::max(started, std::abs(scale * start));
      }
      EXPECT_GT(moved, 1e-3) << name;
      EXPECT_GT(started, 1e-3) << name;
      ++merged;
    }
    EXPECT_EQ(merged, 32);
  }
}

TEST_P(MergeCarriedStart, SaysWhatTheAdapterSays) {
  merge("f32");
  const std::vector<float> plain = logits(folder / "model/model.safetensors", nullptr),
                           adapted = logits(folder / "model/model.safetensors", &config),
                           merged = logits(folder / "out/model.safetensors", nullptr);
  double largest = 0, moved = 0;
  for (const float x : adapted) largest = std::max<double>(largest, std::abs(x));
  // Sums of up to 64 numbers, 16 products behind each other.
  const double tolerance = largest * 64 * 16 * std::ldexp(1, -24);
  for (std::size_t i = 0; i < adapted.size(); ++i) {
    EXPECT_NEAR(merged[i], adapted[i], tolerance);
    moved = std::max<double>(moved, std::abs(adapted[i] - plain[i]));
  }
  EXPECT_GT(moved, 100 * tolerance);
}

INSTANTIATE_TEST_SUITE_P(Starts, MergeCarriedStart, ::testing::Values("pissa", "lora_ga"),
                         [](const auto& i) { return std::string(i.param); });

}  // namespace
}  // namespace sori::test
