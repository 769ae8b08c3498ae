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
    const auto kind = read_inputs(path, format, [&](std::span<const float> more) {
      rows.insert(rows.end(), more.begin(), more.end());
      return ok_status();
    });
    message_ = kind.status().message();
    kind_ = kind.ok() ? std::optional(*kind) : std::nullopt;
    return kind.ok() ? rows : std::vector<float>();
  }
  // Through a pipe, in pieces of so many bytes.
  std::vector<float> stream(const std::string& bytes, const InputFormat& format, size_t piece) {
    std::vector<float> rows;
    InputStream input("-", format, [&](std::span<const float> more) {
      rows.insert(rows.end(), more.begin(), more.end());
      return ok_status();
    });
    Status status;
    for (size_t i = 0; status.ok() && i < bytes.size(); i += piece) {
      status = input.feed(std::string_view(bytes).substr(i, piece));
    }
    if (status.ok()) status = input.finish();
    message_ = status.message();
    kind_ = input.kind();
    return rows;
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
  std::optional<InputKind> kind_;
};

// 2 images of 1 x 2 bytes.
std::string images() {
  return std::string("\0\0\x08\x03\0\0\0\2\0\0\0\1\0\0\0\2", 16) + std::string("\x0a\x14\0\xff", 4);
}

std::string array(const Shape& shape, const std::vector<float>& values) {
  return npy_header(shape).append(reinterpret_cast<const char*>(values.data()),
                                  values.size() * sizeof(float));
}

std::string golden(const std::string& name) {
  return read_whole(std::string(SLUICE_SOURCE_DIR) + "/tests/data/golden/" + name);
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
  // Nor does one that knows the names of its classes alone.
  read(images(), {{1, 2, 1}, Preprocessing{.sample_shape = {1, 2, 1}, .scale = std::nullopt}});
  EXPECT_THAT(message_, HasSubstr("/in: the model does not say what its dataset did"));
}

TEST_F(InputsTest, OtherShapesAreRefused) {
  read(images(), {{3}, kTenth});
  EXPECT_THAT(message_, HasSubstr("images [1, 2, 1], but the model takes [3]"));
  const std::string two_by_three =
      std::string("\0\0\x08\x03\0\0\0\1\0\0\0\2\0\0\0\3", 16) + "abcdef";
  read(two_by_three, {{3, 2, 1}, kTenth});
  EXPECT_THAT(message_, HasSubstr("images [2, 3, 1], but the model takes [3, 2, 1]"));
  read(two_by_three, {{6}, kTenth});
  EXPECT_EQ(message_, "");
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
  EXPECT_THAT(message_, HasSubstr("line 3: cell 2: expected a finite number, found \"x\""));
  read("1,2,3\n", {{2}, {}});
  EXPECT_THAT(message_, HasSubstr("line 1: 3 numbers, but the model takes 2"));
  read("u,v\n", {{2}, {}});
  EXPECT_THAT(message_, HasSubstr("no records"));
}

TEST_F(InputsTest, APictureIsOneRecord) {
  const std::string picture = golden("color.jpg");
  EXPECT_EQ(read(picture, {{4, 5, 3}, kTenth}).size(), 60u);
  EXPECT_EQ(read(picture, {{4, 5, 1}, kTenth}).size(), 20u);
  read(picture, {{20}, kTenth});
  EXPECT_THAT(message_, HasSubstr("a picture, but the model takes [20]"));
}

TEST_F(InputsTest, WhatIsNoneOfThemIsRefused) {
  read("", {{2}, {}});
  EXPECT_THAT(message_, HasSubstr("an empty file"));
  read(std::string("ab\0cd", 5), {{2}, {}});
  EXPECT_THAT(message_, HasSubstr("found bytes of no kind that is known here"));
  read(std::string("GIF89a\0\0", 8), {{2}, {}});
  EXPECT_THAT(message_,
              HasSubstr("expected .npy, IDX, CSV, lines of JSON, JPEG or PNG, found a GIF "
                        "picture: save it as PNG or JPEG"));
}

TEST_F(InputsTest, LinesComeCutAnywhere) {
  EXPECT_THAT(lines({"1,", "2\n3", ",4\n", "[[5], [6]]\n", "\n7,8"}, {{2}, {}}),
              ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_EQ(message_, "");
  EXPECT_THAT(lines({"[1, 2]\n[3]\n"}, {{2}, {}}), ElementsAre(1, 2));
  EXPECT_EQ(message_, "-: line 2: 1 number, but the model takes 2");
  lines({"[1, \"a\"]\n"}, {{2}, {}});
  EXPECT_THAT(message_, HasSubstr("line 1: expected a finite number, found \"a\""));
  lines({"[1, 2\n"}, {{2}, {}});
  EXPECT_THAT(message_, testing::StartsWith("-: line 1: "));
}

const Preprocessing kTable{
    .sample_shape = {2}, .scale = 0.5f, .columns = {"a", "b"}, .target = "label"};
const Preprocessing kNumbered{.sample_shape = {3}, .columns = {"0", "1", "2"}};

TEST_F(InputsTest, AHeaderIsToldByTheModelsColumns) {
  EXPECT_THAT(read("2,1,0\n5,6,7\n", {{3}, kNumbered}), ElementsAre(7, 6, 5));
  EXPECT_THAT(read("x,2,1,0\n4,5,6,7\n", {{3}, kNumbered}), ElementsAre(7, 6, 5));
  EXPECT_THAT(read("3,1,0\n5,6,7\n", {{3}, kNumbered}), ElementsAre(3, 1, 0, 5, 6, 7));
  read("a,1\n2,3\n", {{2}, kTable});
  EXPECT_THAT(message_, HasSubstr("line 1: no column \"b\""));
  read("x,1\n2,3\n", {{2}, kTable});
  EXPECT_THAT(message_, HasSubstr("line 1: cell 1: expected a finite number, found \"x\"; a header "
                                  "has no numbers beside its names"));
}

TEST_F(InputsTest, ABadFirstRecordIsNoHeader) {
  for (const char* cell : {"nan", "inf", "-Infinity", "1e400", ""}) {
    SCOPED_TRACE(cell);
    for (const InputFormat& format : {InputFormat{{2}, {}}, InputFormat{{2}, kTable}}) {
      read("1," + std::string(cell) + "\n3,4\n", format);
      EXPECT_THAT(message_, HasSubstr("line 1: cell 2: expected a finite number, found \"" +
                                      std::string(cell) + "\""));
    }
  }
  read("nan,nan\n3,4\n", {{2}, {}});
  EXPECT_THAT(message_, HasSubstr("line 1: cell 1: expected a finite number, found \"nan\""));
  read(",\n3,4\n", {{2}, {}});
  EXPECT_THAT(message_, HasSubstr("line 1: cell 1: expected a finite number"));
}

TEST_F(InputsTest, WhatSeparatesNumbersIsSaid) {
  read("1 2\n", {{2}, {}});
  EXPECT_THAT(message_, HasSubstr("line 1: one cell, \"1 2\", but the model takes 2 numbers; "
                                  "separate them by commas, or write a JSON array"));
  read("1 2\n", {{1}, {}});
  EXPECT_THAT(message_, HasSubstr("found \"1 2\"; separate numbers by commas"));
}

TEST_F(InputsTest, ColumnsThatAreNoFeaturesCanBeNamed) {
  const std::string table = "id,u,price,v\nx,1,7,2\n";
  EXPECT_THAT(read(table, {{2}, {}, "price", {"id"}}), ElementsAre(1, 2));
  EXPECT_EQ(kind_, InputKind::kTable);
  read(table, {{2}, {}});
  EXPECT_THAT(message_, HasSubstr("4 numbers, but the model takes 2; leave columns out by --target "
                                  "and --ignore"));
  EXPECT_THAT(read("a,b,id\n2,4,x\n", {{2}, kTable, "", {"id"}}), ElementsAre(1, 2));
  read("a,b,id\n2,4,x\n", {{2}, kTable, "", {"b"}});
  EXPECT_THAT(message_, HasSubstr("the model was trained with column \"b\": it cannot be ignored"));
  read(table, {{2}, {}, "price", {"note"}});
  EXPECT_THAT(message_, HasSubstr("has no column \"note\" to ignore, but \"id\", \"u\""));
  read("1,2\n", {{2}, {}, "price", {}});
  EXPECT_THAT(message_, HasSubstr("no header, in which --target and --ignore could name columns"));
}

TEST_F(InputsTest, JsonObjectsAreReadByColumns) {
  const std::string lines = "{\"b\": 2, \"a\": 1, \"id\": \"x\"}\n[3, 4]\n\n{\"a\":5,\"b\":6}";
  const auto expected = ElementsAre(0.5f, 1, 1.5f, 2, 2.5f, 3);
  EXPECT_THAT(read(lines, {{2}, kTable}), expected) << message_;
  EXPECT_EQ(kind_, InputKind::kTable);
  EXPECT_THAT(stream(lines, {{2}, kTable}, 7), expected) << message_;
  read("{\"a\": 1}", {{2}, kTable});
  EXPECT_THAT(message_,
              HasSubstr("line 1: no \"b\", which the model was trained with; it has \"a\""));
  read("{\"a\": 1, \"b\": null}", {{2}, kTable});
  EXPECT_THAT(message_, HasSubstr("line 1: \"b\": expected a finite number, found null"));
  read("[1, 1e39]", {{2}, {}});
  EXPECT_THAT(message_, HasSubstr("expected a finite number, found 1e+39"));
  read("{\"a\": 1, \"b\": 2}", {{2}, {}});
  EXPECT_THAT(message_, HasSubstr("line 1: a JSON object, but the model's file names no columns; "
                                  "expected an array of 2 numbers"));
  // A name in brackets is no JSON.
  EXPECT_THAT(read("[u],[v]\n1,2\n", {{2}, {}}), ElementsAre(1, 2));
}

TEST_F(InputsTest, AxesOfSizeOneMayBeMissingOrSurplus) {
  const std::vector<float> six = {1, 2, 3, 4, 5, 6};
  for (const Shape& sizes : {Shape{1, 3, 2}, Shape{3, 2}, Shape{3, 2, 1}, Shape{1, 3, 2, 1}}) {
    for (const Shape& record : {Shape{3, 2, 1}, Shape{3, 2}, Shape{1, 3, 2}}) {
      EXPECT_EQ(read(array(sizes, six), {record, {}}), six)
          << sizes.to_string() << " for " << record.to_string() << message_;
    }
  }
  EXPECT_EQ(read(array({6}, six), {{1}, {}}), six);
  EXPECT_EQ(read(array({6, 1, 1}, six), {{1}, {}}), six);
  read(array({2, 3}, six), {{3, 2, 1}, {}});
  EXPECT_THAT(message_, HasSubstr("an array [2, 3], but the model takes [3, 2, 1]"));
}

TEST_F(InputsTest, ArraysOfAnyOrderAreTheSame) {
  const auto expected = read(golden("array.npy"), {{3, 4}, {}});
  ASSERT_EQ(expected.size(), 24u) << message_;
  for (const char* name :
       {"array.npy", "array_fortran.npy", "array_turned.npy", "array_big_f8.npy"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(read(golden(name), {{3, 4}, {}}), expected) << message_;
    EXPECT_EQ(read(golden(name), {{2, 3, 4}, {}}), expected) << message_;
    for (const size_t piece : {1, 10, 1000}) {
      EXPECT_EQ(stream(golden(name), {{3, 4}, {}}, piece), expected) << message_;
      EXPECT_EQ(kind_, InputKind::kArray);
    }
  }
}

TEST_F(InputsTest, ArraysThatAreCutShortAreRefused) {
  const std::string whole = golden("array.npy");
  read(whole.substr(0, whole.size() - 1), {{3, 4}, {}});
  EXPECT_THAT(message_, HasSubstr("95 bytes follow; it is cut short or damaged"));
  // Through a pipe, the records before that have been taken.
  EXPECT_EQ(stream(whole.substr(0, whole.size() - 1), {{3, 4}, {}}, 50).size(), 12u);
  EXPECT_THAT(message_, HasSubstr("95 bytes follow; it is cut short or damaged"));
  stream(whole + "x", {{3, 4}, {}}, 50);
  EXPECT_THAT(message_, HasSubstr("it is cut short or damaged"));
}

TEST_F(InputsTest, StreamsAreToldByTheirFirstBytes) {
  for (const size_t piece : {1, 3, 1000}) {
    EXPECT_THAT(stream("u,v\n1,2\n3,4", {{2}, {}}, piece), ElementsAre(1, 2, 3, 4)) << message_;
    EXPECT_EQ(kind_, InputKind::kTable);
    EXPECT_EQ(stream(golden("color.png"), {{4, 5, 3}, kTenth}, piece),
              read(golden("color.png"), {{4, 5, 3}, kTenth}));
    EXPECT_EQ(kind_, InputKind::kPicture);
  }
  stream(images(), {{1, 2, 1}, kTenth}, 100);
  EXPECT_EQ(message_,
            "-: expected .npy, lines of CSV or JSON, JPEG or PNG, found IDX images: give "
            "the file by its name");
  stream(std::string("\0\0\0\0", 4), {{2}, {}}, 2);
  EXPECT_THAT(message_, HasSubstr("found bytes of no kind that is known here"));
  stream("", {{2}, {}}, 1);
  EXPECT_EQ(message_, "");
}

// The record goes on before the next line comes.
TEST_F(InputsTest, ALineIsARecordAtOnce) {
  int records = 0;
  InputStream input("-", {{2}, {}}, [&](std::span<const float> rows) {
    records += static_cast<int>(rows.size() / 2);
    return ok_status();
  });
  ASSERT_TRUE(input.feed("1,2\n").ok());
  EXPECT_EQ(records, 1);
  ASSERT_TRUE(input.feed("3,4\n5").ok());
  EXPECT_EQ(records, 2);
}

TEST_F(InputsTest, ChannelsComeFirstWhereTheModelHasThemSo) {
  const std::vector<float> last = read(golden("color.png"), {{4, 5, 3}, kTenth});
  const std::vector<float> first = read(golden("color.png"), {{3, 4, 5}, kTenth});
  ASSERT_EQ(first.size(), last.size());
  for (size_t c = 0; c < 3; ++c) {
    for (size_t i = 0; i < 20; ++i) EXPECT_EQ(first[c * 20 + i], last[i * 3 + c]);
  }
  const std::vector<float> grey = read(golden("color.png"), {{4, 5, 1}, kTenth});
  EXPECT_EQ(read(golden("color.png"), {{1, 4, 5}, kTenth}), grey);
  EXPECT_EQ(read(golden("color.png"), {{4, 5}, kTenth}), grey);
  // What both could be is as Keras has it.
  EXPECT_EQ(read(golden("color.png"), {{3, 5, 3}, kTenth}).size(), 45u);
  EXPECT_THAT(read(images(), {{1, 1, 2}, kTenth}), ElementsAre(1, 2, 0, 25.5f));
}

}  // namespace
}  // namespace sluice::data
