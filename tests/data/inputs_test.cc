#include "data/inputs.h"

#include <gmock/gmock.h>

#include "data/npy.h"
#include "tests/data/test_files.h"

namespace sluice::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class InputsTest : public testing::Test {
 protected:
  // The rows, or nothing, and what was said is in message_.
  std::vector<float> read(const std::string& bytes, const InputFormat& format) {
    std::vector<float> rows;
    const std::string path = folder_.write("in", bytes);
    const Status status = read_inputs(path, format, [&](std::span<const float> more) {
      rows.insert(rows.end(), more.begin(), more.end());
      return ok_status();
    });
    message_ = status.message();
    return status.ok() ? rows : std::vector<float>();
  }
  std::vector<float> lines(const std::vector<std::string>& pieces, const InputFormat& format) {
    std::vector<float> rows;
    InputLines input("-", format, [&](std::span<const float> more) {
      rows.insert(rows.end(), more.begin(), more.end());
      return ok_status();
    });
    Status status;
    for (const std::string& piece : pieces) {
      if (status.ok()) status = input.feed(piece);
    }
    if (status.ok()) status = input.finish();
    message_ = status.message();
    return rows;
  }

  TestFolder folder_;
  std::string message_;
};

// 2 images of 1 x 2 bytes.
std::string images() {
  return std::string("\0\0\x08\x03\0\0\0\2\0\0\0\1\0\0\0\2", 16) + std::string("\x0a\x14\0\xff", 4);
}

std::string array(const Shape& shape, const std::vector<float>& values) {
  return npy_header(shape).append(reinterpret_cast<const char*>(values.data()),
                                  values.size() * sizeof(float));
}

const Preprocessing kTenth{.sample_shape = {1, 2, 1}, .scale = 0.1f};

TEST_F(InputsTest, ImagesAreScaledAndArraysAreNot) {
  EXPECT_THAT(read(images(), {{1, 2, 1}, kTenth}), ElementsAre(1, 2, 0, 25.5f));
  EXPECT_THAT(read(array({1, 2, 1}, {10, 20}), {{1, 2, 1}, kTenth}), ElementsAre(10, 20));
  EXPECT_THAT(read(array({2, 1, 2, 1}, {1, 2, 3, 4}), {{1, 2, 1}, kTenth}),
              ElementsAre(1, 2, 3, 4));
}

TEST_F(InputsTest, BytesWithoutAScaleAreRefused) {
  read(images(), {{1, 2, 1}, {}});
  EXPECT_THAT(message_, HasSubstr("/in: the model does not say what its dataset did"));
}

TEST_F(InputsTest, OtherShapesAreRefused) {
  read(images(), {{3}, kTenth});
  EXPECT_THAT(message_, HasSubstr("images [1, 2, 1], but the model takes [3]"));
  read(array({2, 2}, {1, 2, 3, 4}), {{3}, {}});
  EXPECT_THAT(message_, HasSubstr("an array [2, 2], but the model takes [3]"));
  read(array({0, 3}, {}), {{3}, {}});
  EXPECT_THAT(message_, HasSubstr("no records"));
}

TEST_F(InputsTest, ColumnsAreFoundByName) {
  const Preprocessing table{
      .sample_shape = {2}, .scale = 0.5f, .columns = {"a", "b"}, .target = "label"};
  EXPECT_THAT(read("b,label,a\n2,x,1\n4,y,3\n", {{2}, table}), ElementsAre(0.5f, 1, 1.5f, 2));
  EXPECT_THAT(read("1;2\n3;4", {{2}, table}), ElementsAre(0.5f, 1, 1.5f, 2));
  read("a,label\n1,x\n", {{2}, table});
  EXPECT_THAT(message_, HasSubstr("line 1: no column \"b\", which the model was trained with; it "
                                  "has \"a\", \"label\""));
  read("a,b,a\n1,2,3\n", {{2}, table});
  EXPECT_THAT(message_, HasSubstr("the column \"a\" twice"));
  EXPECT_THAT(read("u,v\n1,2\n", {{2}, {}}), ElementsAre(1, 2));
  read("u,v\n1,2\n1,x\n", {{2}, {}});
  EXPECT_THAT(message_, HasSubstr("line 3: expected a finite number, found \"x\""));
  read("1,2,3\n", {{2}, {}});
  EXPECT_THAT(message_, HasSubstr("line 1: 3 numbers, but the model takes 2"));
  read("u,v\n", {{2}, {}});
  EXPECT_THAT(message_, HasSubstr("no records"));
}

TEST_F(InputsTest, APictureIsOneRecord) {
  const std::string picture =
      read_whole(std::string(SLUICE_SOURCE_DIR) + "/tests/data/golden/color.jpg");
  EXPECT_EQ(read(picture, {{4, 5, 3}, kTenth}).size(), 60u);
  EXPECT_EQ(read(picture, {{4, 5, 1}, kTenth}).size(), 20u);
  read(picture, {{20}, kTenth});
  EXPECT_THAT(message_, HasSubstr("a picture, but the model takes [20]"));
}

TEST_F(InputsTest, WhatIsNoneOfThemIsRefused) {
  read("", {{2}, {}});
  EXPECT_THAT(message_, HasSubstr("an empty file"));
  read(std::string("ab\0cd", 5), {{2}, {}});
  EXPECT_THAT(message_, HasSubstr("expected .npy, IDX, CSV, JPEG or PNG"));
}

TEST_F(InputsTest, LinesComeCutAnywhere) {
  EXPECT_THAT(lines({"1,", "2\n3", ",4\n", "[[5], [6]]\n", "\n7,8"}, {{2}, {}}),
              ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_EQ(message_, "");
  EXPECT_THAT(lines({"[1, 2]\n[3]\n"}, {{2}, {}}), ElementsAre(1, 2));
  EXPECT_EQ(message_, "-: line 2: 1 number, but the model takes 2");
  lines({"[1, \"a\"]\n"}, {{2}, {}});
  EXPECT_THAT(message_, HasSubstr("expected numbers in the array"));
  lines({"[1, 2\n"}, {{2}, {}});
  EXPECT_THAT(message_, testing::StartsWith("-: line 1: "));
}

}  // namespace
}  // namespace sluice::data
