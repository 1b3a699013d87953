// A quantised folder that was cut, changed or made for something else is refused with its reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "export/quantised_folder.h"
#include "model/stored_weight.h"

namespace sori::testing {
namespace {

using ::testing::HasSubstr;

const std::string kLayer = "model.encoder.layers.1.fc1";  // [12, 8]
const std::string kState = kLayer + ".weight.quant_state.bitsandbytes__nf4";
const std::string kEmbedding = "model.decoder.embed_tokens.weight";

std::string floats(std::initializer_list<float> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(float)};
}

std::string error_text(const std::optional<Error>& error, ErrorKind kind) {
  if (!error) return "";
  EXPECT_EQ(error->kind(), kind) << error->what();
  return error->what();
}

struct Damage {
  const char* name;
  const char* format;
  std::function<void(Content&)> change;
  std::string says;
  ErrorKind kind = ErrorKind::kInput;
};

// A change of one key of a layer's quantisation state.
std::function<void(Content&)> state(const char* key, const Json& value) {
  return [=](Content& c) {
    Content::Stored& stored = c.tensors.at(kState);
    Json json = parse_json(stored.bytes, "state");
    json[key] = value;
    stored.bytes = json.dump();
    stored.shape = {std::ssize(stored.bytes)};
  };
}

std::function<void(Content&)> first_float(const std::string& tensor, float value) {
  return [=](Content& c) { std::memcpy(c.tensors.at(kLayer + tensor).bytes.data(), &value, sizeof value); };
}

std::function<void(Content&)> last_byte(const std::string& tensor, char value) {
  return [=](Content& c) { c.tensors.at(tensor).bytes.back() = value; };
}

std::vector<Damage> damages() {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto rename = [](const std::string& from, const std::string& to) {
    return [=](Content& c) {
      c.tensors[to] = c.tensors.at(from);
      c.tensors.erase(from);
    };
  };
  const auto erase = [](const std::string& name) { return [=](Content& c) { c.tensors.erase(name); }; };
  return {
      {"OtherVersion", "nf4", [](Content& c) { c.metadata["sori_format"] = "2"; }, "of version 2, this sori reads"},
      {"FourBitFloats", "nf4", rename(kState, kLayer + ".weight.quant_state.bitsandbytes__fp4"), "is stored as fp4"},
      {"FourBitFloatsByState", "nf4", state("quant_type", "fp4"), "\"quant_type\" is \"fp4\", not \"nf4\""},
      {"Blocks", "nf4", state("blocksize", 128), "\"blocksize\" is 128"},
      {"NestedBlocks", "nf4", state("nested_blocksize", 128), "\"nested_blocksize\" is 128"},
      {"NestedType", "nf4", state("nested_dtype", "float16"), "\"nested_dtype\" is \"float16\""},
      {"DecodedType", "nf4", state("dtype", "float64"), "\"dtype\" is neither"},
      {"StatedShape", "nf4", state("shape", {8, 12}), "\"shape\" is [8,12], not [12,8]"},
      {"NoOffset", "nf4", state("nested_offset", nullptr), "nested_offset"},
      {"HugeOffset", "nf4", state("nested_offset", 1e39), "not finite", ErrorKind::kNumeric},
      {"NoJson", "nf4", [](Content& c) { c.tensors.at(kState).bytes[0] = '['; }, "quant_state"},
      {"Map", "nf4", first_float(".weight.quant_map", -0.9f), "quant_map is not that of nf4"},
      {"NestedMap", "nf4", first_float(".weight.nested_quant_map", -0.9f), "signed dynamic map"},
      {"InfiniteScale", "nf4", first_float(".weight.nested_absmax", kInfinity), "infinite", ErrorKind::kNumeric},
      {"NegativeScale", "nf4", first_float(".weight.nested_absmax", -1), "negative", ErrorKind::kNumeric},
      {"NoScales", "nf4", erase(kLayer + ".weight.absmax"), "has no tensor " + kLayer + ".weight.absmax"},
      {"SingleQuantisation", "nf4",
       [](Content& c) {
         c.tensors[kLayer + ".weight.absmax"] = {DType::kF32, {2}, floats({1, 1})};
       },
       "tensor is f32 [2], nf4 of this model needs u8 [2]"},
      {"OtherCodes", "nf4",
       [](Content& c) {
         c.tensors[kLayer + ".weight"] = {DType::kU8, {4, 1}, std::string(4, '\1')};
       },
       "tensor is u8 [4, 1], nf4 of this model needs u8 [48, 1]"},
      {"NoState", "nf4", erase(kState), "tensor has type u8, not one of f32, f16, bf16, int8"},
      {"NoEmbedding", "nf4", erase(kEmbedding + ".int8"), "has no tensor " + kEmbedding},
      {"EmbeddingTwice", "nf4",
       [](Content& c) {
         c.tensors[kEmbedding] = {DType::kI8, {1}, "x"};
       },
       "is there twice"},
      {"RowScale", "int8", first_float(".SCB", -kInfinity), "SCB holds a scale", ErrorKind::kNumeric},
      {"NotANumber", "int8", first_float(".SCB", NAN), "SCB holds a scale", ErrorKind::kNumeric},
      {"FewScales", "int8",
       [](Content& c) {
         c.tensors[kLayer + ".SCB"] = {DType::kF32, {1}, floats({1})};
       },
       "tensor is f32 [1], int8 of this model needs f32 [12]"},
      {"NoRowScales", "int8", erase(kLayer + ".SCB"), "tensor has type i8, not one of"},
      {"TiledRows", "int8", [](Content& c) { c.tensors.at(kLayer + ".weight_format").bytes = "\1"; },
       "not stored row by row"},
      {"Transposed", "int8",
       [](Content& c) {
         c.tensors.at(kLayer + ".weight").shape = {8, 12};
       },
       "tensor is i8 [8, 12], int8 of this model needs i8 [12, 8]"},
      {"CodeOfNoNumber", "fp8", last_byte(kLayer + ".weight", '\x7f'), "weight holds a code that is NaN",
       ErrorKind::kNumeric},
      {"NegativeCodeOfNoNumber", "fp8", last_byte(kLayer + ".weight", '\xff'), kLayer, ErrorKind::kNumeric},
      {"NegativeRowScale", "fp8", first_float(".weight_scale", -1), "weight_scale holds a scale", ErrorKind::kNumeric},
      {"InfiniteRowScale", "fp8", first_float(".weight_scale", kInfinity), "weight_scale holds a scale",
       ErrorKind::kNumeric},
      {"ScaleOfTheMatrix", "fp8",
       [](Content& c) {
         c.tensors[kLayer + ".weight_scale"] = {DType::kF32, {1}, floats({1})};
       },
       "tensor is f32 [1], fp8 of this model needs f32 [12, 1]"},
      {"NoScale", "fp8", erase(kLayer + ".weight_scale"), "tensor has type f8_e4m3, not one of"},
      {"IntegersWithAScale", "fp8", [](Content& c) { c.tensors.at(kLayer + ".weight").type = DType::kI8; },
       "tensor is i8 [12, 8], fp8 of this model needs f8_e4m3 [12, 8]"}};
}

class Damaged : public ::testing::TestWithParam<Damage> {};

TEST_P(Damaged, IsRefusedWithItsReason) {
  const TemporaryFolder folder;
  write_hf(folder / "model");
  quantise_model(folder / "model", folder / "out", quantisation(GetParam().format), {});
  Content content(folder / "out/model.safetensors");
  content.write(folder / "out/model.safetensors");
  ASSERT_EQ(message_of([&] { Loaded(folder / "out"); }), "");
  GetParam().change(content);
  content.write(folder / "out/model.safetensors");
  const std::string said = error_text(error_of([&] { Loaded(folder / "out"); }), GetParam().kind);
  EXPECT_THAT(said, HasSubstr(GetParam().says));
  EXPECT_THAT(said, HasSubstr("out"));  // where
}

INSTANTIATE_TEST_SUITE_P(Folder, Damaged, ::testing::ValuesIn(damages()), [](const auto& i) { return i.param.name; });

class Whole : public ::testing::TestWithParam<std::string> {
 protected:
  Whole() {
    write_hf(folder_ / "model");
    quantise_model(folder_ / "model", folder_ / "out", quantisation(GetParam()), {});
  }
  TemporaryFolder folder_;
};

TEST_P(Whole, IsRefusedWhenCutShort) {
  const std::string whole = read_file(folder_ / "out/model.safetensors");
  for (const std::size_t bytes : {whole.size() - 1, whole.size() - 64, whole.size() / 2, std::size_t{4096}}) {
    write_file(folder_ / "out/model.safetensors", whole.substr(0, bytes));
    EXPECT_THAT(error_text(error_of([&] { Loaded(folder_ / "out"); }), ErrorKind::kInput), HasSubstr("truncated"));
  }
}

TEST_P(Whole, IsRefusedForAnotherModel) {
  const Json config = read_json(folder_ / "out/config.json");
  for (const char* key : {"encoder_ffn_dim", "decoder_ffn_dim"}) {
    Json other = config;
    other[key] = 16;
    write_file(folder_ / "out/config.json", to_text(other));
    EXPECT_THAT(error_text(error_of([&] { Loaded(folder_ / "out"); }), ErrorKind::kInput),
                HasSubstr("check that config.json belongs to these weights"));
  }
}

TEST_P(Whole, DoesNotLearn) {
  const std::string said =
      error_text(error_of([&] { Loaded(folder_ / "out", [](Whisper& w) { train_everything(w, DType::kF32); }); }),
                 ErrorKind::kUsage);
  EXPECT_THAT(said, HasSubstr(fmt::format("is stored as {}, which cannot learn", GetParam())));
}

// Other programs place tensors as they like.
void write_unaligned(const Path& path, const Content& content) {
  Json header = Json::object();
  std::string data = "x";
  header["odd"] = {{"dtype", "U8"}, {"shape", {1}}, {"data_offsets", {0, 1}}};
  const std::map<DType, const char*> types{
      {DType::kF16, "F16"}, {DType::kF32, "F32"}, {DType::kI8, "I8"}, {DType::kU8, "U8"}, {DType::kF8, "F8_E4M3"}};
  for (const auto& [name, t] : content.tensors) {
    header[name] = {
        {"dtype", types.at(t.type)}, {"shape", t.shape}, {"data_offsets", {data.size(), data.size() + t.bytes.size()}}};
    data += t.bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 63) / 64 * 64, ' ');  // behind eight bytes of length: still odd
  const std::uint64_t length = text.size();
  write_file(path, std::string(reinterpret_cast<const char*>(&length), sizeof length) + text + data);
}

TEST_P(Whole, LoadsWhereNothingIsAligned) {
  Loaded ours(folder_ / "out");
  write_unaligned(folder_ / "model/model.safetensors", Content(folder_ / "out/model.safetensors"));
  Loaded theirs(folder_ / "model");
  EXPECT_EQ(theirs.numbers(), ours.numbers());
  EXPECT_GT(theirs.planned, ours.planned);
}

INSTANTIATE_TEST_SUITE_P(Folder, Whole, ::testing::ValuesIn(file_format_names()),
                         [](const auto& i) { return i.param; });

}  // namespace
}  // namespace sori::testing
