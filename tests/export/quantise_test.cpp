#include "export/quantise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/threads.h"
#include "export/import.h"
#include "export/quantised_folder.h"
#include "model/stored_weight.h"
#include "support/made_weight.h"

namespace sori::testing {
namespace {

using ::testing::HasSubstr;

const std::string kFc1 = "model.encoder.layers.1.fc1.weight";  // [12, 8]: a block and a half for nf4
const std::string kEmbedding = "model.decoder.embed_tokens.weight";

struct Case {
  const char* name;
  const char* format;
  const char* embedding;
  DType source;
};

class Quantise : public ::testing::TestWithParam<Case> {};

// What quantising makes of numbers, without files.
std::vector<float> through(const std::string& format, const Tensor& t) {
  const std::int64_t rows = t.shape[0], cols = std::ssize(t.values) / rows;
  return test::MadeWeight(format, rows, cols, t.values).decoded();
}

TEST_P(Quantise, WritesWhatLoadsAsTheQuantisedNumbers) {
  const auto& [name, format, embedding, source] = GetParam();
  const TemporaryFolder folder;
  write_hf(folder / "model", source);
  const QuantiseReport report = quantise_model(folder / "model", folder / "out", quantisation(format, embedding), {});

  Loaded loaded(folder / "out");
  const auto found = loaded.numbers();
  std::size_t layers = 0;
  for (const auto& [tensor, t] : tiny_tensors()) {
    const bool token = tensor == kEmbedding;
    const bool quantised = is_linear({tensor, t.shape}) || (token && embedding == std::string("int8"));
    const std::vector<float> expected = quantised ? through(token ? "int8" : format, t) : t.values;
    EXPECT_EQ(found.at(tensor), expected) << tensor;
    layers += quantised;
  }
  EXPECT_EQ(report.layers.size(), layers);
  EXPECT_EQ(base_of(*loaded.file, report.config), format);
}

TEST_P(Quantise, NeedsNoCopyAndAsManyBytesAsWerePlanned) {
  const auto& [name, format, embedding, source] = GetParam();
  const TemporaryFolder folder;
  write_hf(folder / "model", source);
  const Quantisation how = quantisation(format, embedding);
  const QuantiseReport report = quantise_model(folder / "model", folder / "out", how, {});
  EXPECT_EQ(sori::file_size(folder / "out/model.safetensors"), quantised_bytes(tiny_config(), how, source));
  std::uint64_t whole = 0;
  for (const Path& file : list_files(folder / "out")) whole += sori::file_size(folder / "out" / file);
  EXPECT_EQ(whole, quantised_bytes(folder / "model", how));
  std::uint64_t stored = 0;
  const Loaded loaded(folder / "out");
  for (const TensorView& t : loaded.file->tensors()) stored += t.bytes.size();
  EXPECT_EQ(report.bytes, stored);
  Carver vectors = Carver::counting();
  Whisper model = make_whisper(tiny_config());
  count_weights(vectors, model);  // frozen matrices lie in the file
  EXPECT_EQ(loaded.planned, vectors.bytes());
}

TEST_P(Quantise, MeasuresTheErrorOfEachLayer) {
  const auto& [name, format, embedding, source] = GetParam();
  const TemporaryFolder folder;
  write_hf(folder / "model", source);
  const QuantiseReport report = quantise_model(folder / "model", folder / "out", quantisation(format, embedding), {});
  const Tensors original = tiny_tensors();
  double most = 0;
  for (const QuantiseReport::Layer& l : report.layers) {
    const Tensor& t = original.at(l.name);
    const std::vector<float> decoded = through(l.name == kEmbedding ? "int8" : format, t);
    double weight = 0, change = 0;
    for (std::size_t i = 0; i < decoded.size(); ++i) {
      weight += double{t.values[i]} * t.values[i];
      change += std::pow(double{decoded[i]} - t.values[i], 2);
    }
    // Squares are added in f32 over at most 240 numbers, in 16 lanes: 15 additions and two roundings a term.
    EXPECT_NEAR(l.error, std::sqrt(change / weight), l.error * 18 * 0x1p-24) << l.name;
    most = std::max(most, l.error);
  }
  EXPECT_EQ(report.worst().error, most);
  EXPECT_EQ(report.layers[0].kind, "encoder.self_attn.k_proj");
}

TEST_P(Quantise, WritesTheSameBytesOnAnyNumberOfThreads) {
  const auto& [name, format, embedding, source] = GetParam();
  const TemporaryFolder folder;
  write_hf(folder / "model", source);
  const int before = thread_count();
  for (const int threads : {1, 3}) {
    set_thread_count(threads);
    quantise_model(folder / "model", folder / std::to_string(threads), quantisation(format, embedding), {});
  }
  set_thread_count(before);
  EXPECT_EQ(read_file(folder / "1/model.safetensors"), read_file(folder / "3/model.safetensors"));
}

INSTANTIATE_TEST_SUITE_P(
    Formats, Quantise,
    ::testing::Values(Case{"Int8", "int8", "bf16", DType::kBF16}, Case{"Int8AndEmbedding", "int8", "int8", DType::kF16},
                      Case{"Nf4", "nf4", "bf16", DType::kF32}, Case{"Nf4AndEmbedding", "nf4", "int8", DType::kBF16},
                      Case{"Fp8", "fp8", "bf16", DType::kF32}, Case{"Fp8AndEmbedding", "fp8", "int8", DType::kBF16}),
    [](const auto& i) { return i.param.name; });

TEST(QuantisedFolder, KeepsSixteenBitsOfMatricesAndVectorsAsTheyAre) {
  for (const DType source : {DType::kF32, DType::kF16, DType::kBF16}) {
    const TemporaryFolder folder;
    write_hf(folder / "model", source);
    quantise_model(folder / "model", folder / "out", quantisation("nf4", "bf16"), {});
    const SafetensorsFile file(folder / "out/model.safetensors");
    const DType matrices = source == DType::kF32 ? DType::kBF16 : source;
    EXPECT_EQ(file.get("model.encoder.conv1.weight").type, matrices);
    EXPECT_EQ(file.get("model.encoder.embed_positions.weight").type, matrices);
    EXPECT_EQ(file.get(kEmbedding).type, matrices);
    EXPECT_EQ(file.get("model.encoder.layers.0.fc1.bias").type, source);
    EXPECT_EQ(file.get("model.decoder.layer_norm.weight").type, source);
    EXPECT_EQ(read_json(folder / "out/config.json")["dtype"], config_name_of(matrices));
  }
}

TEST(QuantisedFolder, NamesAnInt8EmbeddingSoThatPeersDoNotTakeItForNumbers) {
  const TemporaryFolder folder;
  write_hf(folder / "model");
  EXPECT_TRUE(quantisation("nf4").int8_embedding);
  EXPECT_FALSE(quantisation("int8").int8_embedding);
  EXPECT_FALSE(quantisation("fp8").int8_embedding);
  quantise_model(folder / "model", folder / "out", quantisation("nf4"), {});
  const SafetensorsFile file(folder / "out/model.safetensors");
  EXPECT_EQ(file.find(kEmbedding), nullptr);
  EXPECT_EQ(file.get(kEmbedding + ".int8").type, DType::kI8);
  EXPECT_EQ(file.get(kEmbedding + ".SCB").shape, (Shape{32}));
  EXPECT_EQ(file.find(kEmbedding + ".weight_format"), nullptr);
}

TEST(QuantisedFolder, SaysWhatItIsAndWhatItWasMadeOf) {
  const TemporaryFolder folder;
  write_hf(folder / "model");
  const QuantiseReport r = quantise_model(folder / "model", folder / "out", quantisation("nf4"), {});
  const Metadata said = SafetensorsFile(folder / "out/model.safetensors").metadata();
  EXPECT_EQ(said.at("format"), "pt");
  EXPECT_EQ(said.at("base"), "nf4");
  EXPECT_EQ(said.at("embedding"), "int8");
  EXPECT_EQ(said.at("source_sha256"), r.source_hash);
  EXPECT_EQ(said.at("sori_format"), "1");
  EXPECT_THAT(r.warning, HasSubstr("4 bits cost"));
  EXPECT_EQ(quantise_model(folder / "model", folder / "int8", quantisation("int8"), {}).warning, "");
}

TEST(QuantisedFolder, RefusesNotANumberByTheTensorsName) {
  for (const std::string& format : file_format_names())
    for (const std::string& name : {kFc1, std::string("model.encoder.conv2.weight")})
      for (const float bad : {std::numeric_limits<float>::infinity(), NAN}) {
        const TemporaryFolder folder;
        Tensors tensors = tiny_tensors();
        tensors.at(name).values[7] = bad;
        write_hf(folder / "model", DType::kF32, tensors);
        const auto error =
            error_of([&] { quantise_model(folder / "model", folder / "out", quantisation(format), {}); });
        ASSERT_TRUE(error);
        EXPECT_EQ(error->kind(), ErrorKind::kNumeric);
        EXPECT_THAT(error->what(), HasSubstr(name));
        EXPECT_FALSE(std::filesystem::exists(folder / "out"));
      }
}

TEST(QuantisedFolder, IsNotQuantisedOrImportedAgain) {
  const TemporaryFolder folder;
  write_hf(folder / "model");
  quantise_model(folder / "model", folder / "out", quantisation("nf4"), {});
  EXPECT_THAT(message_of([&] { quantise_model(folder / "out", folder / "again", quantisation("int8"), {}); }),
              HasSubstr("is quantised already (nf4)"));
  EXPECT_THAT(message_of([&] { import_model(folder / "out", folder / "again"); }), HasSubstr("quantised already"));
}

TEST(QuantisedFolder, ReplacesNothingThatIsNotSaid) {
  const TemporaryFolder folder;
  write_hf(folder / "model");
  const auto quantise = [&](const char* target, bool overwrite) {
    QuantiseOptions options;
    options.overwrite = overwrite;
    return message_of([&] { quantise_model(folder / "model", folder / target, quantisation("int8"), options); });
  };
  EXPECT_EQ(quantise("out", false), "");
  EXPECT_THAT(quantise("out", false), HasSubstr("already exists"));
  EXPECT_EQ(quantise("out", true), "");
  EXPECT_THAT(quantise("model", true), HasSubstr("is or holds"));
}

TEST(QuantisedFolder, LoadsFromShards) {
  const TemporaryFolder folder;
  write_hf(folder / "model");
  quantise_model(folder / "model", folder / "one", quantisation("nf4"), {});
  QuantiseOptions options;
  options.max_shard = 4096;
  quantise_model(folder / "model", folder / "many", quantisation("nf4"), options);
  EXPECT_FALSE(std::filesystem::exists(folder / "many/model.safetensors"));
  EXPECT_EQ(Loaded(folder / "one").numbers(), Loaded(folder / "many").numbers());
}

// Files that transformers and bitsandbytes made of the model in tests/golden (tools/golden/quantised.py).
class Peers : public ::testing::TestWithParam<const char*> {
 protected:
  Peers() {
    const Path golden = Path(SORI_SOURCE_DIR) / "tests/golden";
    const SafetensorsFile model(golden / "tiny_model.safetensors");
    Tensors tensors;
    for (const TensorView& t : model.tensors()) {
      tensors[t.name] = {t.shape, std::vector<float>(static_cast<std::size_t>(element_count(t.shape)))};
      read_floats(t, 0, tensors[t.name].values);
    }
    make_folder(folder_ / "model");
    make_folder(folder_ / "peer");
    write_tensors_as(folder_ / "model/model.safetensors", tensors, DType::kBF16);
    write_file(folder_ / "model/tokenizer.json", to_text(tiny_tokenizer()));
    std::filesystem::copy_file(golden / fmt::format("tiny_{}.safetensors", GetParam()), peer_file());
    for (const char* name : {"model", "peer"})
      std::filesystem::copy_file(golden / "tiny_config.json", folder_ / name / "config.json");
    quantise_model(folder_ / "model", folder_ / "ours", quantisation(GetParam(), "bf16"), {});
  }
  Path peer_file() const { return folder_ / "peer/model.safetensors"; }

  TemporaryFolder folder_;
};

void expect_equal_states(const std::string& ours, const std::string& theirs, const std::string& name) {
  const Json a = parse_json(ours, name), b = parse_json(theirs, name);
  EXPECT_EQ(a.size(), b.size());
  for (const auto& [key, value] : b.items()) {
    if (key == "nested_offset")  // torch adds the scales in another order; both are close to the true mean
      EXPECT_NEAR(a.at(key).get<double>(), value.get<double>(), 4 * 0x1p-24 * value.get<double>()) << name;
    else
      EXPECT_EQ(a.at(key), value) << name << " " << key;
  }
}

// On CPUs bitsandbytes multiplies in f16: 127 / absmax and the product are rounded to 11 bits, which moves a number
// that lies near the middle of two codes to the other one.
int largest_difference(const std::string& a, const std::string& b) {
  int most = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    most = std::max(most, std::abs(static_cast<signed char>(a[i]) - static_cast<signed char>(b[i])));
  return most;
}

TEST_P(Peers, WriteWhatWeWrite) {
  const Content ours(folder_ / "ours/model.safetensors"), theirs(peer_file());
  ASSERT_EQ(ours.tensors.size(), theirs.tensors.size());
  for (const auto& [name, t] : theirs.tensors) {
    ASSERT_TRUE(ours.tensors.contains(name)) << name;
    const Content::Stored& o = ours.tensors.at(name);
    EXPECT_EQ(o.type, t.type) << name;
    if (name.find("quant_state") != std::string::npos) {
      expect_equal_states(o.bytes, t.bytes, name);
      continue;
    }
    EXPECT_EQ(o.shape, t.shape) << name;
    if (name.ends_with("absmax")) continue;  // counted from the offset
    if (t.type == DType::kI8)
      EXPECT_LE(largest_difference(o.bytes, t.bytes), 1) << name;
    else
      EXPECT_TRUE(o.bytes == t.bytes) << name;
  }
}

TEST_P(Peers, MakeFoldersThatLoadAsOurs) {
  const auto ours = Loaded(folder_ / "ours").numbers(), theirs = Loaded(folder_ / "peer").numbers();
  // int8: one code. nf4: an offset that differs in its last bits may move a scale's code; those of the largest scales
  // lie 2 % of the largest apart.
  const float share = GetParam() == std::string("nf4") ? 0.02f : 1.001f / 127;
  for (const auto& [name, numbers] : theirs) {
    float largest = 0;
    for (const float x : numbers) largest = std::max(largest, std::abs(x));
    const float bound = is_linear({name, {1, 1}}) ? share * largest : 0;
    for (std::size_t i = 0; i < numbers.size(); ++i) ASSERT_NEAR(ours.at(name)[i], numbers[i], bound) << name << i;
  }
}

TEST_P(Peers, SayTheSameOfItInTheirConfig) {
  const Json about = parse_json(SafetensorsFile(peer_file()).metadata().at("about"), "about");
  EXPECT_EQ(JsonMap(read_json(folder_ / "ours/config.json")["quantization_config"]),
            JsonMap(about["quantization_config"]));
}

INSTANTIATE_TEST_SUITE_P(Formats, Peers, ::testing::Values("nf4", "int8"), [](const auto& i) { return i.param; });

}  // namespace
}  // namespace sori::testing
