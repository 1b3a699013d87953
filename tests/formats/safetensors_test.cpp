#include "formats/safetensors.h"

#include <gtest/gtest.h>

#include "support/temporary.h"

namespace sori {
namespace {

using testing::error_of;
using testing::message_of;
using testing::TemporaryFolder;

std::string with_length(const std::string& header, const std::string& data) {
  std::uint64_t n = header.size();
  return std::string(reinterpret_cast<const char*>(&n), 8) + header + data;
}

// What opening a file of these bytes throws; "" when it opens.
std::string refusal(const std::string& bytes) {
  const TemporaryFolder folder;
  write_file(folder / "x.safetensors", bytes);
  const auto error = error_of([&] { SafetensorsFile file(folder / "x.safetensors"); });
  if (!error) return "";
  EXPECT_EQ(error->kind(), ErrorKind::kInput);
  EXPECT_NE(std::string(error->what()).find("x.safetensors"), std::string::npos) << error->what();
  return error->what();
}

std::string entry(const std::string& name, const std::string& type, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

std::string refusal_of(const std::string& entries, std::size_t data_bytes) {
  return refusal(with_length("{" + entries + "}", std::string(data_bytes, '\1')));
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

const std::string kTwo = entry("a", "F32", "[2,3]", "[0,24]") + "," + entry("b", "I8", "[]", "[24,25]");

TEST(Safetensors, ReadsNamesTypesShapesAndBytes) {
  const TemporaryFolder folder;
  write_file(folder / "x.safetensors",
             with_length("{\"__metadata__\":{\"format\":\"pt\"}," + kTwo + "}  ", std::string(24, 'x') + "y"));
  const SafetensorsFile file(folder / "x.safetensors");
  ASSERT_EQ(file.tensors().size(), 2u);
  EXPECT_EQ(file.get("a").type, DType::kF32);
  EXPECT_EQ(file.get("a").shape, (Shape{2, 3}));
  EXPECT_EQ(file.get("a").bytes.size(), 24u);
  EXPECT_EQ(file.get("b").shape, Shape{});
  EXPECT_EQ(file.get("b").bytes[0], std::byte{'y'});
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.find("c"), nullptr);
  const auto error = error_of([&] { file.get("c"); });
  ASSERT_TRUE(error.has_value());
  EXPECT_NE(std::string(error->what()).find("x.safetensors: has no tensor c"), std::string::npos);
}

TEST(Safetensors, RefusesEveryTruncationOfAGoodFile) {
  const std::string good = with_length("{" + kTwo + "}", std::string(25, '\1'));
  ASSERT_EQ(refusal(good), "");
  for (std::size_t n = 0; n < good.size(); ++n) EXPECT_NE(refusal(good.substr(0, n)), "") << n << " bytes";
}

TEST(Safetensors, RefusesAnythingAfterTheLastTensor) {
  for (const std::string& tail : {std::string("\0", 1), std::string("PK\3\4"), std::string(64, ' ')})
    EXPECT_THAT(refusal(with_length("{" + kTwo + "}", std::string(25, '\1') + tail)),
                ::testing::HasSubstr("belong to no tensor"));
}

TEST(Safetensors, RefusesHeadersOfImpossibleLength) {
  const std::string body = "{" + kTwo + "}" + std::string(25, '\1');
  for (const std::uint64_t n : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{body.size() + 1},
                                std::uint64_t{1} << 63, ~std::uint64_t{0}, ~std::uint64_t{0} - 7})
    EXPECT_NE(refusal(std::string(reinterpret_cast<const char*>(&n), 8) + body), "") << n;
}

TEST(Safetensors, RefusesAHeaderOverTheCapAndTakesItWithAHigherOne) {
  const TemporaryFolder folder;
  write_file(folder / "x.safetensors",
             with_length("{" + kTwo + "}" + std::string(kHeaderCap, ' '), std::string(25, '\1')));
  EXPECT_THAT(message_of([&] { SafetensorsFile file(folder / "x.safetensors"); }),
              ::testing::HasSubstr("more than the 1048576 allowed"));
  EXPECT_EQ(SafetensorsFile(folder / "x.safetensors", 2 * kHeaderCap).tensors().size(), 2u);
}

TEST(Safetensors, RefusesHeadersThatAreNotStrictJson) {
  const std::string deep = std::string(100000, '[');
  for (const std::string& header :
       {std::string(" {}"), std::string("[]"), std::string("{"), "{" + kTwo + ",}", "{" + kTwo + "}x",
        "{" + kTwo + "}{}", std::string("\xEF\xBB\xBF{}"), "{\"a\":" + deep, std::string("{\"a\":NaN}"),
        std::string("{\"\xff\":1}"), std::string("{\"\\ud800\":1}"), std::string("{\"a\":1e999}")})
    EXPECT_NE(refusal(with_length(header, std::string(25, '\1'))), "") << header.substr(0, 40);
}

TEST(Safetensors, RefusesShapesThatOverflow) {
  EXPECT_NE(refusal_of(entry("a", "F32", "[4194305,4194305,211106198978564]", "[0,4]"), 4), "");
  EXPECT_NE(refusal_of(entry("a", "I8", "[4294967296,4294967296]", "[0,0]"), 0), "");
  EXPECT_NE(refusal_of(entry("a", "F32", "[4611686018427387904]", "[0,0]"), 0), "");
  EXPECT_NE(refusal_of(entry("a", "I8", "[9223372036854775808]", "[0,4]"), 4), "");
  EXPECT_NE(refusal_of(entry("a", "I8", "[18446744073709551616]", "[0,4]"), 4), "");
}

TEST(Safetensors, RefusesShapesThatAreNoShapes) {
  for (const char* shape : {"[0]", "[-1]", "[1.0]", "[1e400]", "[-0]", "[\"1\"]", "[null]", "[[1]]", "1", "{}", "null",
                            "[1,1,1,1,1,1,1,1,1]"})
    EXPECT_NE(refusal_of(entry("a", "I8", shape, "[0,1]"), 1), "") << shape;
  EXPECT_EQ(refusal_of(entry("a", "I8", "[1,1,1,1,1,1,1,1]", "[0,1]"), 1), "");
}

TEST(Safetensors, RefusesBytesThatDoNotFitTheShape) {
  EXPECT_THAT(refusal_of(entry("a", "F32", "[2]", "[0,7]"), 7), ::testing::HasSubstr("tensor a"));
  EXPECT_NE(refusal_of(entry("a", "F16", "[2]", "[0,5]"), 5), "");
  EXPECT_EQ(refusal_of(entry("a", "F16", "[2]", "[0,4]"), 4), "");
}

TEST(Safetensors, RefusesUnknownTypes) {
  for (const char* type : {"F64", "F8_E5M2", "F4", "BOOL", "f32", ""})
    EXPECT_THAT(refusal_of(entry("a", type, "[1]", "[0,1]"), 1), ::testing::HasSubstr("type that is not supported"))
        << type;
}

TEST(Safetensors, RefusesOffsetsThatAreNoOffsets) {
  for (const char* offsets : {"[4,0]", "[0]", "[0,4,4]", "[-4,0]", "[0,4.0]", "[0,5]", "[1,5]",
                              "[0,18446744073709551616]", "[18446744073709551612,18446744073709551615]", "null"})
    EXPECT_NE(refusal_of(entry("a", "F32", "[1]", offsets), 4), "") << offsets;
}

// Three tensors of 4, 8 and 4 bytes: of all layouts that move one tensor, only the permutations without gap open.
TEST(Safetensors, TakesOnlyLayoutsWithoutGapOrOverlap) {
  int good = 0;
  for (int a = 0; a <= 12; ++a)
    for (int b = 0; b <= 8; ++b)
      for (int c = 0; c <= 12; ++c) {
        const std::string said = refusal_of(entry("a", "F32", "[1]", fmt::format("[{},{}]", a, a + 4)) + "," +
                                                entry("b", "F32", "[2]", fmt::format("[{},{}]", b, b + 8)) + "," +
                                                entry("c", "F32", "[1]", fmt::format("[{},{}]", c, c + 4)),
                                            16);
        good += said.empty();
      }
  EXPECT_EQ(good, 6);  // 3! orders
}

TEST(Safetensors, RefusesAnEmptyTensorThatSharesAnOffset) {
  EXPECT_NE(refusal_of(entry("a", "I8", "[4]", "[0,4]") + "," + entry("b", "I8", "[0]", "[0,0]"), 4), "");
}

TEST(Safetensors, RefusesNamesTwiceAlsoWhenWrittenDifferently) {
  EXPECT_NE(refusal_of(entry("a", "I8", "[1]", "[0,1]") + "," + entry("a", "I8", "[1]", "[1,2]"), 2), "");
  EXPECT_NE(refusal_of(entry("a", "I8", "[1]", "[0,1]") + "," + entry("\\u0061", "I8", "[1]", "[1,2]"), 2), "");
}

TEST(Safetensors, RefusesNamesThatATerminalWouldObey) {
  for (const char* name : {"", "a b", "\\u001b[2J", "\\u0000", "\xEA\xB0\x80"})
    EXPECT_THAT(refusal_of(entry(name, "I8", "[1]", "[0,1]"), 1), ::testing::HasSubstr("printable")) << name;
}

TEST(Safetensors, RefusesUnknownOrMissingKeysOfATensor) {
  EXPECT_NE(refusal_of("\"a\":{\"dtype\":\"I8\",\"shape\":[1]}", 1), "");
  EXPECT_NE(refusal_of("\"a\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":1}", 1), "");
  EXPECT_NE(refusal_of("\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,1]}", 1), "");
  EXPECT_NE(refusal_of("\"a\":3", 1), "");
  EXPECT_NE(refusal_of("\"__metadata__\":[1]," + entry("a", "I8", "[1]", "[0,1]"), 1), "");
  EXPECT_NE(refusal_of("\"__metadata__\":{\"a\":1}," + entry("a", "I8", "[1]", "[0,1]"), 1), "");
}

TEST(Safetensors, RefusesAPickleWithTheLineThatConvertsIt) {
  for (const std::string& bytes : {std::string("PK\3\4"), std::string("\x80\2}q"), std::string("\x80\4\x95")})
    EXPECT_THAT(refusal(bytes + std::string(100, 'x')), ::testing::HasSubstr("save_file"));
}

std::vector<TensorInfo> three() {
  return {{"odd", DType::kI8, {3}}, {"first", DType::kF32, {16}}, {"second", DType::kBF16, {8, 4}}};
}

void write_three(const Path& path) {
  SafetensorsWriter writer(path, three(), {{"format", "pt"}});
  for (const TensorInfo& t : writer.order()) {
    const std::string data(*byte_count(t.type, t.shape), t.name[0]);
    writer.write(t.name, bytes_of(data.substr(0, 1)));  // in pieces
    writer.write(t.name, bytes_of(data.substr(1)));
  }
  writer.commit();
}

TEST(SafetensorsWriter, WritesWhatTheReaderReads) {
  const TemporaryFolder folder;
  write_three(folder / "x.safetensors");
  const SafetensorsFile file(folder / "x.safetensors");
  ASSERT_EQ(file.tensors().size(), 3u);
  for (const TensorInfo& t : three()) {
    EXPECT_EQ(file.get(t.name).type, t.type);
    EXPECT_EQ(file.get(t.name).shape, t.shape);
    for (const std::byte b : file.get(t.name).bytes) EXPECT_EQ(b, std::byte(t.name[0]));
  }
  EXPECT_EQ(file.metadata(), (Metadata{{"format", "pt"}}));
}

TEST(SafetensorsWriter, AlignsTensorsWhoseSizeIsAMultipleOf64) {
  const TemporaryFolder folder;
  write_three(folder / "x.safetensors");
  const SafetensorsFile file(folder / "x.safetensors");  // mapped at a page boundary
  for (const char* name : {"first", "second"})
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(file.get(name).bytes.data()) % 64, 0u) << name;
}

TEST(SafetensorsWriter, AlignsNumbersWhateverLiesBetweenThem) {
  std::vector<TensorInfo> given{{"codes", DType::kI8, {3}},  {"scales", DType::kF32, {5}},
                                {"kind", DType::kU8, {}},    {"bias", DType::kBF16, {11}},
                                {"wide", DType::kF32, {16}}, {"more", DType::kF32, {2, 3}},
                                {"fp8", DType::kF8, {6}}};
  const TemporaryFolder folder;
  SafetensorsWriter writer(folder / "x.safetensors", given, {});
  for (const TensorInfo& t : writer.order())
    writer.write(t.name, bytes_of(std::string(*byte_count(t.type, t.shape), 'x')));
  writer.commit();
  const SafetensorsFile file(folder / "x.safetensors");
  for (const TensorView& t : file.tensors())
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(t.bytes.data()) % size_of(t.type), 0u) << t.name;
  EXPECT_EQ(file.get("fp8").type, DType::kF8);
}

TEST(SafetensorsWriter, GivesEqualBytesForEqualInput) {
  const TemporaryFolder folder;
  write_three(folder / "x.safetensors");
  write_three(folder / "y.safetensors");
  EXPECT_EQ(read_file(folder / "x.safetensors"), read_file(folder / "y.safetensors"));
}

TEST(SafetensorsWriter, LeavesNothingWithoutCommit) {
  const TemporaryFolder folder;
  { SafetensorsWriter writer(folder / "x.safetensors", three(), {}); }
  EXPECT_TRUE(list_files(folder.path()).empty());
}

TEST(SafetensorsWriter, HoldsItsCallerToOrderAndSize) {
  const TemporaryFolder folder;
  SafetensorsWriter writer(folder / "x.safetensors", three(), {});
  const std::string data(65, 'x');
  EXPECT_THROW(writer.write("odd", bytes_of(data)), Bug);
  EXPECT_THROW(writer.write("first", bytes_of(data)), Bug);
  EXPECT_THROW(writer.commit(), Bug);
}

// Writes three tensors of 64 bytes into shards of at most `most` bytes.
void write_folder(const Path& folder, std::uint64_t most) {
  const std::string data(64, 'x');
  SafetensorsFolderWriter writer(folder, {{"a", DType::kI8, {64}}, {"b", DType::kI8, {64}}, {"c", DType::kI8, {64}}},
                                 {{"format", "pt"}}, most);
  for (const TensorInfo& t : writer.order()) writer.write(t.name, bytes_of(data));
  writer.commit();
}

TEST(SafetensorsFolder, IsOneFileWhileItFits) {
  const TemporaryFolder folder;
  write_folder(folder.path(), 192);
  EXPECT_EQ(list_files(folder.path()), (std::vector<Path>{"model.safetensors"}));
  EXPECT_EQ(open_safetensors_folder(folder.path())->tensors().size(), 3u);
}

TEST(SafetensorsFolder, IsShardedWhenItDoesNotFit) {
  const TemporaryFolder folder;
  write_folder(folder.path(), 191);
  EXPECT_EQ(list_files(folder.path()),
            (std::vector<Path>{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                               "model.safetensors.index.json"}));
  const auto file = open_safetensors_folder(folder.path());
  ASSERT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->get("c").bytes.size(), 64u);
  EXPECT_EQ(file->metadata().at("format"), "pt");
}

// The sharded folder above after a replacement in its index.
std::string refusal_of_index(const std::string& from, const std::string& to) {
  const TemporaryFolder folder;
  make_folder(folder / "model");
  write_folder(folder / "model", 191);
  std::filesystem::copy(folder / "model/model-00002-of-00002.safetensors", folder / "outside.safetensors");
  std::filesystem::create_symlink("../outside.safetensors", folder / "model/link.safetensors");
  std::string index = read_file(folder / "model/model.safetensors.index.json");
  const std::size_t at = index.find(from);
  require(at != std::string::npos, "the text to replace is there");
  write_file(folder / "model/model.safetensors.index.json", index.replace(at, from.size(), to));
  const auto error = error_of([&] { open_safetensors_folder(folder / "model"); });
  return error ? error->what() : "";
}

TEST(SafetensorsFolder, RefusesAnIndexThatDisagreesWithItsShards) {
  const std::string first = "\"model-00001-of-00002.safetensors\"", second = "\"model-00002-of-00002.safetensors\"";
  EXPECT_EQ(refusal_of_index(first, first), "");
  EXPECT_NE(refusal_of_index("\"b\"", "\"d\""), "");                       // not in the shard
  EXPECT_NE(refusal_of_index("\"b\": " + first, "\"b\": " + second), "");  // in another shard
  EXPECT_NE(refusal_of_index("\"a\": " + first + ",", ""), "");            // in the shard, not in the index
  EXPECT_NE(refusal_of_index(second, "\"missing.safetensors\""), "");
  EXPECT_NE(refusal_of_index(second, "7"), "");
}

// The file outside is a good shard: only its place is wrong.
TEST(SafetensorsFolder, OpensNoShardOutsideTheFolder) {
  const std::pair<const char*, const char*> cases[] = {{"../outside.safetensors", "leads out of its folder"},
                                                       {"x/../../outside.safetensors", "leads out of its folder"},
                                                       {"link.safetensors", "through a link"},
                                                       {"/etc/passwd", "is absolute"},
                                                       {"", "is empty"},
                                                       {".", "is not a regular file"}};
  for (const auto& [path, why] : cases)
    EXPECT_THAT(refusal_of_index("model-00002-of-00002.safetensors", path), ::testing::HasSubstr(why)) << path;
}

TEST(SafetensorsFolder, RefusesAPickledFolder) {
  const TemporaryFolder folder;
  write_file(folder / "pytorch_model.bin", "PK\3\4");
  EXPECT_THAT(message_of([&] { open_safetensors_folder(folder.path()); }), ::testing::HasSubstr("save_file"));
}

TEST(SafetensorsFolder, SaysWhatAnEmptyFolderLacks) {
  const TemporaryFolder folder;
  EXPECT_THAT(message_of([&] { open_safetensors_folder(folder.path()); }), ::testing::HasSubstr("has neither"));
}

}  // namespace
}  // namespace sori
