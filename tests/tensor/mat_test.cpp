#include "tensor/mat.h"

namespace sori {
namespace {

TEST(Mat, SeesRowsAndColumnsOfALargerMatrix) {
  std::vector<float> numbers(24);
  for (int i = 0; i < 24; ++i) numbers[i] = static_cast<float>(i);
  const Mat m(numbers.data(), 4, 6);
  const Mat part = m.row_range(1, 2).col_range(2, 3);
  EXPECT_EQ(part.at(0, 0), 8);
  EXPECT_EQ(part.at(1, 2), 16);
  EXPECT_EQ(part.stride, 6);
  EXPECT_FALSE(part.contiguous());
  EXPECT_TRUE(m.contiguous());
  EXPECT_TRUE(m.row_range(2, 1).col_range(0, 2).contiguous()) << "one row has no gaps";
  store(part, 1, 2, -1);
  EXPECT_EQ(numbers[16], -1);
}

TEST(Mat, RefusesRangesThatLeaveIt) {
  std::vector<float> numbers(6);
  const Mat m(numbers.data(), 2, 3);
  EXPECT_NO_THROW(m.row_range(2, 0));
  EXPECT_THROW(m.row_range(1, 2), Bug);
  EXPECT_THROW(m.row_range(-1, 1), Bug);
  EXPECT_THROW(m.col_range(0, 4), Bug);
  EXPECT_THROW(m.col_range(2, -1), Bug);
}

TEST(Mat, KeepsItsShapeWhenItHasNoBytes) {
  const Mat counted(nullptr, DType::kBF16, 4, 6);
  const Mat part = counted.row_range(1, 2).col_range(3, 2);
  EXPECT_EQ(part.data, nullptr);
  EXPECT_EQ(part.rows, 2);
  EXPECT_EQ(part.cols, 2);
  EXPECT_FALSE(part.empty());
  EXPECT_TRUE(Mat{}.empty());
}

TEST(Mat, ReadsAndStoresEveryFloatingType) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    std::vector<float> room(6);
    const Mat m(room.data(), type, 2, 3);
    store(m, 1, 2, 1.5f);
    EXPECT_EQ(m.at(1, 2), 1.5f);
    EXPECT_EQ(m.at(0, 0), 0);
  }
  std::vector<std::int8_t> codes(4);
  EXPECT_THROW(Mat(codes.data(), 2, 2).at(0, 0), Bug);
}

TEST(RoundRows, RoundsUpToABlock) {
  EXPECT_EQ(round_rows(0), 0);
  EXPECT_EQ(round_rows(1), 64);
  EXPECT_EQ(round_rows(64), 64);
  EXPECT_EQ(round_rows(65), 128);
}

}  // namespace
}  // namespace sori
