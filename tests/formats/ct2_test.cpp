#include "formats/ct2.h"

#include <gtest/gtest.h>

#include "support/temporary.h"

namespace sori {
namespace {

using testing::error_of;
using testing::TemporaryFolder;

template <class T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string text(const std::string& s) { return raw<std::uint16_t>(s.size() + 1) + s + std::string(1, '\0'); }

struct Tensor {
  std::string name;
  std::vector<std::uint32_t> dims;
  std::uint8_t type;
  std::uint32_t bytes;
};

using Aliases = std::vector<std::pair<std::string, std::string>>;

std::string model(const std::vector<Tensor>& tensors, const Aliases& aliases = {}, std::uint32_t version = 6) {
  std::string out = raw(version) + text("WhisperSpec") + raw<std::uint32_t>(3) + raw<std::uint32_t>(tensors.size());
  for (const Tensor& t : tensors) {
    out += text(t.name) + raw<std::uint8_t>(t.dims.size());
    for (const auto dim : t.dims) out += raw(dim);
    out += raw(t.type) + raw(t.bytes) + std::string(t.bytes, 'x');
  }
  out += raw<std::uint32_t>(aliases.size());
  for (const auto& [name, target] : aliases) out += text(name) + text(target);
  return out;
}

// What opening a file of these bytes throws; "" when it opens.
std::string refusal(const std::string& bytes) {
  const TemporaryFolder folder;
  write_file(folder / "model.bin", bytes);
  const auto error = error_of([&] { Ct2File file(folder / "model.bin"); });
  if (!error) return "";
  EXPECT_EQ(error->kind(), ErrorKind::kInput);
  return error->what();
}

const std::vector<Tensor> kTwo = {{"a/weight", {2, 3}, 4, 12}, {"a/heads", {}, 2, 2}};

TEST(Ct2File, ReadsTensorsScalarsAndAliases) {
  const TemporaryFolder folder;
  write_file(folder / "model.bin", model(kTwo, {{"b/weight", "a/weight"}}));
  const Ct2File file(folder / "model.bin");
  EXPECT_EQ(file.spec(), "WhisperSpec");
  EXPECT_EQ(file.revision(), 3u);
  ASSERT_EQ(file.tensors().size(), 3u);
  EXPECT_EQ(file.get("a/weight").type, DType::kF16);
  EXPECT_EQ(file.get("a/weight").shape, (Shape{2, 3}));
  EXPECT_EQ(file.get("a/heads").type, DType::kI16);
  EXPECT_EQ(file.get("b/weight").shape, (Shape{2, 3}));
  EXPECT_EQ(file.get("b/weight").bytes.data(), file.get("a/weight").bytes.data());
}

TEST(Ct2File, RefusesEveryTruncationAndAnythingAfterTheEnd) {
  const std::string good = model(kTwo, {{"b", "a/weight"}});
  ASSERT_EQ(refusal(good), "");
  for (std::size_t n = 0; n < good.size(); ++n) EXPECT_NE(refusal(good.substr(0, n)), "") << n << " bytes";
  EXPECT_THAT(refusal(good + "x"), ::testing::HasSubstr("after its last alias"));
}

TEST(Ct2File, RefusesOtherVersions) {
  for (const std::uint32_t version : {0u, 5u, 7u, 0xffffffffu})
    EXPECT_THAT(refusal(model(kTwo, {}, version)), ::testing::HasSubstr("version 6")) << version;
}

TEST(Ct2File, RefusesBytesThatDoNotFitTheShape) {
  for (const Tensor& bad : {Tensor{"a", {2, 3}, 4, 11}, Tensor{"a", {2, 3}, 0, 12}, Tensor{"a", {0}, 0, 0},
                            Tensor{"a", {0xffffffff, 0xffffffff, 0xffffffff}, 0, 4}, Tensor{"a", {65536, 65536}, 1, 0},
                            Tensor{"a", {}, 0, 0}})
    EXPECT_THAT(refusal(model({bad})), ::testing::HasSubstr("does not need"))
        << to_text({bad.dims.begin(), bad.dims.end()});
}

TEST(Ct2File, RefusesUnknownTypesAndTooManyDimensions) {
  EXPECT_NE(refusal(model({{"a", {1}, 6, 1}})), "");
  EXPECT_NE(refusal(model({{"a", {1}, 255, 1}})), "");
  EXPECT_NE(refusal(model({{"a", std::vector<std::uint32_t>(9, 1), 1, 1}})), "");
  EXPECT_EQ(refusal(model({{"a", std::vector<std::uint32_t>(8, 1), 1, 1}})), "");
}

TEST(Ct2File, RefusesNamesTwiceEmptyOrUnprintable) {
  EXPECT_NE(refusal(model({{"a", {1}, 1, 1}, {"a", {1}, 1, 1}})), "");
  for (const std::string& name : {std::string(), std::string("a b"), std::string("\x1b[2J"), std::string("a\0b", 3)})
    EXPECT_THAT(refusal(model({{name, {1}, 1, 1}})), ::testing::HasSubstr("printable"));
}

TEST(Ct2File, RefusesAliasesOfNothingOfThemselvesAndOfAliases) {
  EXPECT_EQ(refusal(model(kTwo, {{"b", "a/weight"}, {"c", "a/weight"}})), "");
  EXPECT_NE(refusal(model(kTwo, {{"b", "missing"}})), "");
  EXPECT_NE(refusal(model(kTwo, {{"b", "b"}})), "");
  EXPECT_NE(refusal(model(kTwo, {{"b", "a/weight"}, {"c", "b"}})), "");
  EXPECT_NE(refusal(model(kTwo, {{"a/heads", "a/weight"}})), "");
}

TEST(Ct2File, RefusesCountsFarBeyondTheFile) {
  std::string bytes = model({});
  bytes.replace(bytes.size() - 8, 4, raw<std::uint32_t>(0xffffffff));
  EXPECT_THAT(refusal(bytes), ::testing::HasSubstr("claims more than"));
}

}  // namespace
}  // namespace sori
