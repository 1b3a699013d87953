// Real Whisper base in f32 against transformers: states and logits from its own features, and from the recording.
#include "audio/read.h"
#include "support/real_whisper.h"
#include "support/tiny_golden.h"

namespace sori::test {
namespace {

double worst(const Mat& actual, std::span<const std::int64_t> rows, const std::vector<int>& columns,
             const std::vector<float>& wanted) {
  double most = 0;
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::size_t c = 0; c < columns.size(); ++c)
      most = std::max(most,
                      std::abs(static_cast<double>(actual.at(rows[r], columns[c])) - wanted[r * columns.size() + c]));
  return most;
}

struct Worst {
  double states, logits;
};

Worst compare(const Path& folder, std::unique_ptr<Backend> backend, const std::function<void(Mat)>& fill_mel) {
  const SafetensorsFile expected(golden("real_logits.safetensors"));
  const std::vector<int> input = integers(expected.get("input")), columns = integers(expected.get("columns")),
                         rows = integers(expected.get("rows"));
  const auto file = open_safetensors_folder(folder);
  Whisper model = make_whisper(parse_config(read_json(folder / "config.json"), folder.string()));
  LearnMemory memory;
  const auto carve = [&](Carver& c) {
    load_weights(c, model, *file);
    memory = carve_learning(c, model, *backend, {1, 3000, 64}, Keep::kNothing);
  };
  Carver count = Carver::counting();
  carve(count);
  Arena arena(count.bytes());
  Carver carver(arena);
  carve(carver);
  const std::vector<int> no_target;
  Batch batch;
  batch.assign(std::vector<BatchItem>{{0, 3000, input, no_target}});
  set_zero(memory.mel);
  fill_mel(memory.mel.row_range(0, 3000));
  const Pass pass{*backend};
  encoder_forward(pass, model.encoder, batch, memory.mel.top(batch.frames.total), memory.encoder, memory.scratch);
  const Mat states = memory.encoder.norm.y.top(batch.audio.total);
  decoder_forward(pass, model.decoder, batch, states, memory.decoder, memory.scratch);
  const Mat result = memory.decoder.norm.y.top(batch.text.total);
  std::vector<float> numbers(static_cast<std::size_t>(result.rows * model.config.vocab_size));
  const Mat logits(numbers.data(), result.rows, model.config.vocab_size);
  backend->linear(result, model.decoder.embed_tokens.weight.weight, {}, logits);

  std::vector<std::int64_t> state_rows(rows.begin(), rows.end()), logit_rows;
  std::vector<int> all_columns;
  for (std::size_t i = 0; i < input.size(); ++i) logit_rows.push_back(static_cast<std::int64_t>(i));
  for (int c = 0; c < model.config.d_model; ++c) all_columns.push_back(c);
  return {worst(states, state_rows, all_columns, floats(expected.get("states"))),
          worst(logits, logit_rows, columns, floats(expected.get("logits")))};
}

TEST(RealLogits, EqualTransformersFromItsFeatures) {
  const auto folder = real_model_folder();
  if (!folder) GTEST_SKIP() << kNoRealModel;
  const SafetensorsFile f(golden("real_features.safetensors"));
  const std::vector<float> features = floats(f.get("features"));
  const Worst w = compare(*folder, make_cpu_backend(DType::kF32), [&](Mat mel) {
    for (std::int64_t t = 0; t < 3000; ++t)
      for (std::int64_t b = 0; b < 80; ++b) mel.row<float>(t)[b] = features[static_cast<std::size_t>(b * 3000 + t)];
  });
  RecordProperty("worst_logit", fmt::format("{:.2e}", w.logits));
  EXPECT_LE(w.logits, 5e-4);
  EXPECT_LE(w.states, 5e-4);
}

TEST(RealLogits, EqualTransformersFromTheRecording) {
  const auto folder = real_model_folder();
  if (!folder) GTEST_SKIP() << kNoRealModel;
  const Worst w = compare(*folder, make_cpu_backend(DType::kF32),
                          [&](Mat mel) { LogMel(80).compute(read_audio(golden("clips/test_ko.wav")).samples, mel); });
  RecordProperty("worst_logit", fmt::format("{:.2e}", w.logits));
  EXPECT_LE(w.logits, 1e-3);
}

}  // namespace
}  // namespace sori::test
