// An adapter folder as PEFT wrote it, on the model it was made for: PEFT's own logits.
#include "model/adapter_config.h"
#include "support/tiny_golden.h"

namespace sori::test {
namespace {

TEST(PeftAdapter, GivesTheLogitsThatPeftGave) {
  const Path folder = golden("peft_adapter");
  const LoraConfig lora = parse_adapter_config(read_json(folder / "adapter_config.json"), folder.string());
  TinyRun run(make_reference_backend(DType::kF32), Keep::kNothing, [&](Whisper& w) { add_lora(w, lora); });
  load_adapter(run.model, SafetensorsFile(folder / "adapter_model.safetensors"));

  const SafetensorsFile forward(golden("tiny_forward.safetensors")),
      expected(golden("peft_adapter_logits.safetensors"));
  double worst = 0;
  for (int i = 0; i < 3; ++i) {
    const std::vector<float> logits = logits_of(run, read_utterance(forward, fmt::format("u{}.", i)));
    const std::vector<float> wanted = floats(expected.get(fmt::format("u{}.logits", i)));
    ASSERT_EQ(logits.size(), wanted.size());
    // 5e-4 is what the model without an adapter is held to; the adapter's two products add one layer more.
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      const double difference = std::abs(static_cast<double>(logits[k]) - wanted[k]);
      ASSERT_LE(difference, 6e-4) << "utterance " << i << " element " << k;
      worst = std::max(worst, difference);
    }
  }
  RecordProperty("worst_logit", fmt::format("{:.2e}", worst));
}

}  // namespace
}  // namespace sori::test
