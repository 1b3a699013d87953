// What the reference programs themselves make of our files. Needs a Python with torch, transformers, peft,
// compressed-tensors and ctranslate2, named by SORI_ORACLE_PYTHON; skipped where it lacks them.
#include <sys/wait.h>

#include <cstdlib>

#include "export/quantise.h"
#include "export/tiny_model.h"
#include "model/adapter_config.h"
#include "support/temp_dir.h"
#include "support/tiny_golden.h"
#include "train/checkpoint.h"

namespace sori::test {
namespace {

constexpr int kSkipped = 77;

// Runs tests/oracle/oracle_check.py; the words are paths of ours, without quotes in them.
void check_with_python(const std::string& words) {
  const char* python = std::getenv("SORI_ORACLE_PYTHON");
  const std::string command =
      fmt::format("'{}' '{}/tests/oracle/oracle_check.py' {}", python ? python : "python3", SORI_SOURCE_DIR, words);
  const int status = std::system(command.c_str());
  ASSERT_TRUE(WIFEXITED(status)) << command;
  if (WEXITSTATUS(status) == kSkipped) GTEST_SKIP() << "Python lacks the reference packages";
  EXPECT_EQ(WEXITSTATUS(status), 0) << command;
}

void write_values(SafetensorsWriter& out, const std::string& name, const auto& values) {
  out.write(name, std::as_bytes(std::span(values)));
}

void write_case(const Path& path, const GoldenUtterance& u, const std::vector<float>& logits) {
  const auto tokens = static_cast<std::int64_t>(u.input.size());
  const std::vector<TensorInfo> tensors{
      {"features", DType::kF32, {u.bins, u.frames}},
      {"input", DType::kI32, {tokens}},
      {"logits", DType::kF32, {tokens, static_cast<std::int64_t>(logits.size()) / tokens}}};
  SafetensorsWriter out(path, tensors, {{"format", "pt"}});
  for (const TensorInfo& t : out.order()) {
    if (t.name == "features") write_values(out, t.name, u.features);
    if (t.name == "input") write_values(out, t.name, u.input);
    if (t.name == "logits") write_values(out, t.name, logits);
  }
  out.commit();
}

struct Case {
  const char* name;
  LoraConfig lora;
};

class OurAdapter : public ::testing::TestWithParam<Case> {};

TEST_P(OurAdapter, GivesOurLogitsInTransformersAndPeft) {
  const LoraConfig& lora = GetParam().lora;
  TinyRun run(make_reference_backend(DType::kF32), Keep::kNothing, [&](Whisper& w) { add_lora(w, lora); });
  const Rng rng(5, Draw::kNoise);
  std::uint64_t next = 0;
  for_each_parameter(run.model, [&](const std::string&, Parameter& p) {
    if (!p.trainable) return;
    for (float& x : std::span(p.value.row<float>(0), static_cast<std::size_t>(p.size())))
      x = static_cast<float>(0.2 * rng.normal(next++));
  });

  run.measure_dora();

  const TempDir folder;
  make_folder(folder / "base");
  make_folder(folder / "adapter");
  std::filesystem::copy_file(golden("tiny_config.json"), folder / "base/config.json");
  std::filesystem::copy_file(golden("tiny_model.safetensors"), folder / "base/model.safetensors");
  LearntInfo info;
  info.lora = &lora;
  info.base_model = "base";
  info.metadata = {{"language", "ko"}, {"task", "transcribe"}};
  write_learnt(folder / "adapter", run.model, info);

  // The reference takes whole windows only: u0 has them.
  const GoldenUtterance utterance = read_utterance(SafetensorsFile(golden("tiny_forward.safetensors")), "u0.");
  write_case(folder / "logits.safetensors", utterance, logits_of(run, utterance));
  check_with_python(fmt::format("adapter '{}'", folder.path().string()));
}

INSTANTIATE_TEST_SUITE_P(
    Oracle, OurAdapter,
    ::testing::Values(
        Case{"QueriesAndValues", {.rank = 4, .alpha = 8}},
        Case{"AllLinear", {.rank = 3, .alpha = 7, .target_modules = {"all-linear"}}},
        Case{"CarriesItsStart", {.rank = 6, .alpha = 7, .target_modules = {"all-linear"}, .init = "pissa"}},
        Case{"Dora", {.rank = 3, .alpha = 7, .target_modules = {"all-linear"}, .dora = true}},
        Case{"EncoderOnly", {.rank = 4, .alpha = 8, .target_scope = "encoder"}},
        Case{"FullNames",
             {.rank = 2, .alpha = 2, .target_modules = {"fc1", "model.decoder.layers.1.encoder_attn.k_proj"}}}),
    [](const auto& i) { return i.param.name; });

TEST(OurFp8Folder, GivesOurLogitsInTransformersAndCompressedTensors) {
  const TempDir folder;
  make_folder(folder / "source");
  std::filesystem::copy_file(golden("tiny_config.json"), folder / "source/config.json");
  std::filesystem::copy_file(golden("tiny_model.safetensors"), folder / "source/model.safetensors");
  write_file(folder / "source/tokenizer.json", to_text(sori::testing::tiny_tokenizer()));
  quantise_model(folder / "source", folder / "base", quantisation_of(*find_file_format("fp8")));
  TinyRun run(
      make_reference_backend(DType::kF32), Keep::kNothing, [](Whisper&) {}, folder / "base/model.safetensors",
      folder / "base/config.json");
  const GoldenUtterance utterance = read_utterance(SafetensorsFile(golden("tiny_forward.safetensors")), "u0.");
  write_case(folder / "logits.safetensors", utterance, logits_of(run, utterance));
  check_with_python(fmt::format("quantised '{}'", folder.path().string()));
}

TEST(OracleText, OfTheUntunedModelIsThatOfCTranslate2) {
  const char* source = std::getenv("SORI_TEST_SOURCE");
  if (source == nullptr) GTEST_SKIP() << "set SORI_TEST_SOURCE to the folder that tools/fetch_model.py prints";
  check_with_python(fmt::format("text '{}' '{}' '{}'", SORI_BINARY, source, golden("clips/test_ko.wav").string()));
}

}  // namespace
}  // namespace sori::test
