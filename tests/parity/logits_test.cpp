// Real Whisper base in f32 against transformers: states and logits from its own features, and from the recording.
#include <numeric>

#include "audio/read.h"
#include "export/quantise.h"
#include "support/real_whisper.h"
#include "support/temporary.h"
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

// use(states [S, C], logits [T, V]) of one window in f32.
void forward(const Path& folder, const std::vector<int>& input, const std::function<void(Mat)>& fill_mel,
             const std::function<void(Mat, Mat)>& use) {
  const auto backend = make_cpu_backend(DType::kF32);
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
  use(states, logits);
}

Worst compare(const Path& folder, const std::function<void(Mat)>& fill_mel) {
  const SafetensorsFile expected(golden("real_logits.safetensors"));
  const std::vector<int> input = integers(expected.get("input")), columns = integers(expected.get("columns")),
                         rows = integers(expected.get("rows"));
  Worst w{};
  forward(folder, input, fill_mel, [&](Mat states, Mat logits) {
    std::vector<std::int64_t> state_rows(rows.begin(), rows.end()), logit_rows(input.size());
    std::vector<int> all_columns(static_cast<std::size_t>(states.cols));
    std::iota(logit_rows.begin(), logit_rows.end(), 0);
    std::iota(all_columns.begin(), all_columns.end(), 0);
    w = {worst(states, state_rows, all_columns, floats(expected.get("states"))),
         worst(logits, logit_rows, columns, floats(expected.get("logits")))};
  });
  return w;
}

// The features of the recording as transformers made them.
void fill_golden_features(Mat mel) {
  const SafetensorsFile f(golden("real_features.safetensors"));
  const std::vector<float> features = floats(f.get("features"));
  for (std::int64_t t = 0; t < 3000; ++t)
    for (std::int64_t b = 0; b < 80; ++b) mel.row<float>(t)[b] = features[static_cast<std::size_t>(b * 3000 + t)];
}

TEST(RealLogits, EqualTransformersFromItsFeatures) {
  const auto folder = real_model_folder();
  if (!folder) GTEST_SKIP() << kNoRealModel;
  const Worst w = compare(*folder, fill_golden_features);
  RecordProperty("worst_logit", fmt::format("{:.2e}", w.logits));
  EXPECT_LE(w.logits, 5e-4);
  EXPECT_LE(w.states, 5e-4);
}

TEST(RealLogits, EqualTransformersFromTheRecording) {
  const auto folder = real_model_folder();
  if (!folder) GTEST_SKIP() << kNoRealModel;
  const Worst w =
      compare(*folder, [&](Mat mel) { LogMel(80).compute(read_audio(golden("clips/test_ko.wav")).samples, mel); });
  RecordProperty("worst_logit", fmt::format("{:.2e}", w.logits));
  EXPECT_LE(w.logits, 1e-3);
}

std::vector<float> golden_logits(const Path& folder) {
  std::vector<float> numbers;
  const std::vector<int> input = integers(SafetensorsFile(golden("real_logits.safetensors")).get("input"));
  forward(folder, input, fill_golden_features, [&](Mat, Mat logits) {
    const Mat real = logits.top(std::ssize(input));  // without the rows that fill up 64
    numbers.assign(real.row<float>(0), real.row<float>(0) + real.size());
  });
  return numbers;
}

double root_mean_square(std::span<const float> x) {
  double sum = 0;
  for (const float v : x) sum += double{v} * v;
  return std::sqrt(sum / static_cast<double>(x.size()));
}

struct Storage {
  std::string format, embedding;
};

std::vector<Storage> storages() {
  std::vector<Storage> all;
  for (const std::string& format : file_format_names())
    for (const char* embedding : {"bf16", "int8"}) all.push_back({format, embedding});
  return all;
}

class QuantisedLogits : public ::testing::TestWithParam<Storage> {};

// Each weight is off by a share of itself, the format's relative error. Taken as noise that is independent from layer
// to layer, the shares of all layers on the way add like the sides of a right angle; the residual stream lets less of
// it through.
TEST_P(QuantisedLogits, DifferByLessThanTheErrorsOfAllLayersTogether) {
  const auto folder = real_model_folder();
  if (!folder) GTEST_SKIP() << kNoRealModel;
  const sori::testing::TemporaryFolder work;
  const Quantisation how = quantisation_of(*find_file_format(GetParam().format), GetParam().embedding);
  const QuantiseReport report = quantise_model(*folder, work / "quantised", how);
  static const std::vector<float> plain = golden_logits(*folder);
  std::vector<float> difference = golden_logits(work / "quantised");
  float largest = 0;
  for (std::size_t i = 0; i < difference.size(); ++i) {
    difference[i] -= plain[i];
    largest = std::max(largest, std::abs(difference[i]));
  }
  double squares = 0;
  for (const QuantiseReport::Layer& l : report.layers) squares += l.error * l.error;
  const double change = root_mean_square(difference), size = root_mean_square(plain);
  RecordProperty("bytes", fmt::format("{}", report.bytes));
  RecordProperty("largest_difference", fmt::format("{:.3f}", largest));
  RecordProperty("rms_difference", fmt::format("{:.4f}", change));
  RecordProperty("rms_of_logits", fmt::format("{:.4f}", size));
  EXPECT_LE(change, std::sqrt(squares) * size);
}

INSTANTIATE_TEST_SUITE_P(Formats, QuantisedLogits, ::testing::ValuesIn(storages()),
                         [](const auto& i) { return i.param.format + "_embedding_" + i.param.embedding; });

}  // namespace
}  // namespace sori::test
