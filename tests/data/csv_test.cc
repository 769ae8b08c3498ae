#include "data/csv.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>

#include "tests/data/test_files.h"

namespace sluice::data {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CsvTest : public ::testing::Test {
 protected:
  Result<std::shared_ptr<const Records>> read(const std::string& text) {
    path_ = folder_.write("file.csv", text);
    return read_csv(path_, options_);
  }
  std::shared_ptr<const Records> good(const std::string& text) {
    auto records = read(text);
    EXPECT_TRUE(records.ok()) << records.status();
    return records.ok() ? *records : nullptr;
  }
  // What reading fails with, behind the file's name.
  std::string error(const std::string& text) {
    auto records = read(text);
    EXPECT_EQ(records.status().code(), StatusCode::kInvalidArgument);
    const std::string message = records.status().message();
    EXPECT_THAT(message, StartsWith(path_ + ": "));
    EXPECT_EQ(message.find('\n'), std::string::npos);
    return message.substr(path_.size() + 2);
  }

  TestFolder folder_;
  std::string path_;
  CsvOptions options_;
};

std::vector<float> record(const Records& records, uint32_t index) {
  std::vector<float> x(static_cast<size_t>(records.info().sample_shape.size()));
  records.gather(std::span(&index, 1), x);
  return x;
}

TEST_F(CsvTest, AColumnMayHaveTheWeights) {
  options_.weights = "how much";
  const auto records = good("a,how much,label\n7,0.5,1\n8,0,0\n9,2.5,1\n");
  EXPECT_THAT(records->targets().weights, ElementsAre(0.5f, 0, 2.5f));
  EXPECT_EQ(records->info().sample_shape, (Shape{1}));
  EXPECT_EQ(record(*records, 2), (std::vector<float>{9}));
  EXPECT_EQ(records->info().table.weights, "how much");
  // A second file may have them, anywhere, or not.
  const auto with =
      read_csv_like(folder_.write("with.csv", "label,how much,a\n1,3,4\n"), records->info());
  ASSERT_TRUE(with.ok()) << with.status();
  EXPECT_THAT((*with)->targets().weights, ElementsAre(3));
  const auto without =
      read_csv_like(folder_.write("without.csv", "label,a\n1,4\n"), records->info());
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_FALSE((*without)->weighted());
  EXPECT_EQ((*without)->info().table.weights, "");
}

TEST_F(CsvTest, WeightsGoWithTheirRecordsIntoBothParts) {
  std::string text = "w,a,label\n";
  for (int i = 0; i < 30; ++i) text += fmt::format("{},{},0\n", i, i);
  const auto parts = read_csv_parts(folder_.write("x.csv", text), {.weights = "w"}, /*seed=*/3);
  ASSERT_TRUE(parts.ok()) << parts.status();
  for (const auto& part : {parts->first, parts->second}) {
    for (uint32_t i = 0; i < part->info().records; ++i) {
      EXPECT_THAT(record(*part, i), ElementsAre(part->targets().weights[i]));
    }
  }
}

TEST_F(CsvTest, WeightsThatAreNoneAreRefused) {
  options_.weights = "w";
  for (const char* bad : {"-1", "nan", "inf", "x", ""}) {
    EXPECT_EQ(
        error(fmt::format("w,a,label\n1,2,0\n{},2,0\n", bad)),
        fmt::format("line 3, column 1 (\"w\"): expected a weight, at least 0, found \"{}\"", bad));
  }
  EXPECT_EQ(error("a,label\n1,2\n"),
            "line 1: has no column \"w\" of weights, but \"a\", \"label\"");
  options_.weights = "label";
  EXPECT_THAT(error("a,label\n1,2\n"), testing::HasSubstr("column \"label\" is the target"));
  options_.weights = "b";
  options_.ignored = {"b"};
  EXPECT_THAT(error("a,b,label\n1,2,2\n"), testing::HasSubstr("column \"b\" is ignored"));
}

TEST_F(CsvTest, WholeNumbersUpTo255AreKeptAsBytesWithTheirValues) {
  auto records = good("label,a,b\n2,0,255\n0,17,3\n");
  EXPECT_EQ(records->info().element, Element::kUint8);
  EXPECT_EQ(records->info().scale, 1.0f);
  EXPECT_EQ(records->info().records, 2);
  EXPECT_EQ(records->info().classes, 3);
  EXPECT_EQ(records->info().sample_shape, (Shape{2}));
  EXPECT_EQ(records->info().name, "file.csv");
  EXPECT_EQ(record(*records, 0), (std::vector<float>{0, 255}));
  EXPECT_EQ(record(*records, 1), (std::vector<float>{17, 3}));
  EXPECT_EQ(records->labels()[0], 2);
  EXPECT_EQ(records->labels()[1], 0);
}

TEST_F(CsvTest, SevenHundredAndEightyFourPixelsAreAnImage) {
  std::string header = "label", row = "9";
  for (int i = 0; i < 784; ++i) {
    header.append(",pixel").append(std::to_string(i));
    row.append(",").append(std::to_string(i % 256));
  }
  auto records = good(header + "\n" + row + "\n");
  EXPECT_EQ(records->info().sample_shape, (Shape{28, 28, 1}));
  const auto x = record(*records, 0);
  for (size_t i = 0; i < 784; ++i) {
    ASSERT_FLOAT_EQ(x[i], static_cast<float>(i % 256) / 255.0f);
  }
}

TEST_F(CsvTest, OtherNumbersAreKeptAsFloatsFromTheFirstRecordOn) {
  for (const char* odd : {"0.5", "-1", "256", "1e3", "1000000", "+1.5", "1e-40", ".5", "1.5E+00"}) {
    auto records = good(std::string("label,a\n0,7\n1,").append(odd).append("\n"));
    ASSERT_EQ(records->info().element, Element::kFloat32) << odd;
    EXPECT_EQ(record(*records, 0)[0], 7.0f);
    EXPECT_EQ(record(*records, 1)[0], static_cast<float>(std::strtod(odd, nullptr))) << odd;
  }
}

// pandas writes a column of whole numbers so that has once been one of floats.
TEST_F(CsvTest, TheSpellingOfANumberChangesNothing) {
  std::string header = "label", bytes, floats;
  for (int i = 0; i < 784; ++i) {
    header.append(",p").append(std::to_string(i));
    bytes.append(",").append(std::to_string(i % 256));
    floats.append(",")
        .append(std::to_string(i % 256))
        .append(i == 400   ? ".0"
                : i == 401 ? "e0"
                           : "");
  }
  const auto plain = good(header + "\n1" + bytes + "\n");
  const auto spelled = good(header + "\n1.0" + floats + "\n");
  EXPECT_EQ(spelled->info().scale, 1.0f / 255.0f);
  EXPECT_EQ(record(*spelled, 0), record(*plain, 0));
  EXPECT_EQ(spelled->labels()[0], 1);
  // One value that is no pixel: none is.
  const auto other = good(header + "\n1" + floats + "\n1,300" + floats.substr(2) + "\n");
  EXPECT_EQ(other->info().scale, 1.0f);
  EXPECT_EQ(record(*other, 0)[255], 255.0f);
}

TEST_F(CsvTest, AnyColumnIsTheTarget) {
  options_.target = "kind of it";
  auto records = good("a;kind of it;b\n1;0;2\n3;1;4\n");
  EXPECT_EQ(records->labels()[1], 1);
  EXPECT_EQ(record(*records, 1), (std::vector<float>{3, 4}));
  EXPECT_EQ(records->info().table.target, "kind of it");
  EXPECT_THAT(records->info().table.columns, ElementsAre("a", "b"));
}

TEST_F(CsvTest, AnythingMayStandInAnIgnoredColumn) {
  options_.ignored = {"id", "note"};
  auto records = good("id,a,label,note,b\nx1,1,0,,2\nx2,3,1,\"so, so\",4\n");
  EXPECT_EQ(record(*records, 1), (std::vector<float>{3, 4}));
  EXPECT_THAT(records->info().table.columns, ElementsAre("a", "b"));
  EXPECT_THAT(records->info().table.ignored, ElementsAre("id", "note"));
  EXPECT_EQ(error("id,a,label\n1,1,0\n"),
            "line 1: has no column \"note\" to ignore, but \"id\", \"a\", \"label\"");
  EXPECT_THAT(error("id,note,label\n1,1,0\n"), HasSubstr("expected columns of features"));
  options_.ignored = {"label"};
  EXPECT_EQ(error("a,label\n1,0\n"),
            "line 1: column \"label\" is the target: it cannot be ignored");
}

TEST_F(CsvTest, AFeatureThatIsNoNumberMayBeOneToIgnore) {
  EXPECT_EQ(error("id,label\nx1,0\n"),
            "line 2, column 1 (\"id\"): expected a number, found \"x1\": a column that is no "
            "feature can be ignored (--ignore)");
}

TEST_F(CsvTest, NamesOfClassesBecomeNumbersInSortedOrder) {
  auto records = good("label,a\npear,1\n\"apple, red\",2\npear,3\nfig,4\n");
  EXPECT_THAT(records->info().table.class_names, ElementsAre("apple, red", "fig", "pear"));
  EXPECT_EQ(records->info().classes, 3);
  EXPECT_THAT(records->labels(), ElementsAre(2, 0, 2, 1));
  // With one name among them, numbers are names too.
  records = good("label,a\n10,1\n9,2\nnone,3\n");
  EXPECT_THAT(records->info().table.class_names, ElementsAre("10", "9", "none"));
  records = good("label,a\nTrue,1\nFalse,2\n");
  EXPECT_THAT(records->labels(), ElementsAre(1, 0));
}

TEST_F(CsvTest, NumbersToPredictAreTakenAsTheyAre) {
  options_ = {.target = "price", .means = CsvOptions::Means::kNumbers};
  auto records = good("a,price\n1,2.5\n2,-3\n4,7\n");
  EXPECT_EQ(records->info().classes, 0);
  EXPECT_EQ(records->info().values, 1);
  EXPECT_THAT(records->targets().values, ElementsAre(2.5f, -3, 7));
  EXPECT_TRUE(records->labels().empty());
  EXPECT_EQ(error("a,price\n1,2.5\n2,cheap\n"),
            "line 3, column 2 (\"price\"): expected a number to predict, found \"cheap\"");
}

TEST_F(CsvTest, WhatIsTooSmallIsNothingAndWhatIsTooLargeIsCalledSo) {
  EXPECT_EQ(record(*good("label,a\n0,1e-400\n"), 0)[0], 0.0f);
  EXPECT_EQ(record(*good("label,a\n0,3.4e38\n"), 0)[0], 3.4e38f);
  for (const char* large : {"1e39", "-1e39", "1e400"}) {
    EXPECT_EQ(error(std::string("label,a\n0,") + large + "\n"),
              std::string("line 2, column 2 (\"a\"): expected a number that fits into float32 "
                          "(3.4e38 at most), found \"") +
                  large + "\"");
    EXPECT_THAT(error(std::string("label,a\n0,1\n") + large + ",1\n"),
                HasSubstr("expected a class number from 0 to 65535 or a name"));
  }
  EXPECT_THAT(error("label,a\n0,inf\n"), HasSubstr("expected a number, found \"inf\""));
  options_.means = CsvOptions::Means::kNumbers;
  EXPECT_THAT(error("label,a\n1e39,1\n"),
              HasSubstr("expected a number to predict that fits into float32 (3.4e38 at most)"));
}

TEST_F(CsvTest, TheLabelColumnMayBeAnywhere) {
  auto records = good("a,label,b\n1,0,2\n");
  EXPECT_EQ(records->labels()[0], 0);
  EXPECT_EQ(record(*records, 0), (std::vector<float>{1, 2}));
  records = good("a,b,label\n1,2,4\n");
  EXPECT_EQ(records->labels()[0], 4);
  EXPECT_EQ(record(*records, 0), (std::vector<float>{1, 2}));
}

TEST_F(CsvTest, SpacesQuotedNamesEmptyLinesAndOtherLineEndsAreRead) {
  auto records = good("\xEF\xBB\xBF\"label\", \"a, b\",c\r\n1, 2 ,3\r\n\r\n0,4,5 \r\n  \n1,\t6,7");
  EXPECT_EQ(records->info().records, 3);
  EXPECT_EQ(record(*records, 0), (std::vector<float>{2, 3}));
  EXPECT_EQ(record(*records, 1), (std::vector<float>{4, 5}));
  EXPECT_EQ(record(*records, 2), (std::vector<float>{6, 7}));
}

TEST_F(CsvTest, CompressedFilesAreRead) {
  auto records = good(gzip("label,a\n1,2\n"));
  EXPECT_EQ(record(*records, 0)[0], 2.0f);
}

TEST_F(CsvTest, ManyRecordsAreSpooledInOrder) {
  std::string text = "a,label,b,c\n";
  for (int i = 0; i < 200000; ++i) {
    text.append(std::to_string(i % 251)).append(",").append(std::to_string(i % 7));
    text.append(",1,").append(std::to_string(i % 3)).append("\n");
  }
  auto records = good(text);
  ASSERT_EQ(records->info().records, 200000);
  for (uint32_t i = 0; i < 200000; i += 997) {
    ASSERT_EQ(record(*records, i),
              (std::vector<float>{static_cast<float>(i % 251), 1.0f, static_cast<float>(i % 3)}));
    ASSERT_EQ(records->labels()[i], static_cast<int32_t>(i % 7));
  }
}

TEST_F(CsvTest, ErrorsNameLineAndColumn) {
  EXPECT_EQ(error("label,a,b\n1,2,3\n1,x2,3\n"),
            "line 3, column 2 (\"a\"): expected a number, found \"x2\"");
  EXPECT_EQ(error("label,a,b\n1,2.5,3\n1,,3\n"),
            "line 3, column 2 (\"a\"): expected a number, found \"\"");
  EXPECT_EQ(error("label,a\n0,1\n\n1.5,2\n"),
            "line 4, column 1 (\"label\"): expected a class number from 0 to 65535 or a name "
            "(numbers are predicted with the loss mse and a model of one output), found \"1.5\"");
  EXPECT_THAT(error("label,a\n-1,2\n"), HasSubstr("found \"-1\""));
  EXPECT_THAT(error("label,a\n,2\n"), HasSubstr("expected a class, found \"\""));
  EXPECT_THAT(error("label,a\n65536,2\n"), HasSubstr("class number"));
  EXPECT_THAT(error("label,a\n1,nan\n"), HasSubstr("expected a number, found \"nan\""));
  EXPECT_THAT(error("label,a\n1,1e99\n"), HasSubstr("expected a number"));
  EXPECT_THAT(error("label,a\n1,2;3\n"), HasSubstr("found \"2;3\""));
  EXPECT_EQ(error("a;label\n1,5;0\n"),
            "line 2, column 1 (\"a\"): expected a number, found \"1,5\": write it with a point");
}

TEST_F(CsvTest, LinesOfAnotherLengthAreCounted) {
  EXPECT_EQ(error("label,a,b\n1,2,3\n1,2\n"),
            "line 3: expected 3 columns as in the header, found 2");
  EXPECT_EQ(error("label,a,b\n1,2,3,4\n"), "line 2: expected 3 columns as in the header, found 4");
}

TEST_F(CsvTest, HeadersThatDoNotNameTheirColumnsAreRefused) {
  EXPECT_EQ(
      error("5,0,0\n"),
      "line 1: expected a header with a column \"label\", found \"5\", \"0\", \"0\": name the "
      "column to predict by --target");
  EXPECT_THAT(error("label,label,a\n"), HasSubstr("two columns have the name \"label\""));
  EXPECT_THAT(error("label,a,a\n"), HasSubstr("two columns have the name \"a\""));
  EXPECT_THAT(error(",label,a\n0,1,2\n"), HasSubstr("column 1 has no name"));
  EXPECT_THAT(error("label\n1\n"), HasSubstr("columns of features"));
}

TEST_F(CsvTest, FilesWithoutRecordsAreRefused) {
  EXPECT_THAT(error(""), HasSubstr("found an empty file"));
  EXPECT_THAT(error("label,a\n"), HasSubstr("found none"));
  EXPECT_THAT(error("label,a\n\n\n"), HasSubstr("found none"));
}

TEST_F(CsvTest, AMissingFileIsNamed) {
  auto records = read_csv(folder_.path("none.csv"));
  EXPECT_EQ(records.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(records.status().message(), HasSubstr(folder_.path("none.csv")));
}

TEST_F(CsvTest, BytesThatAreNoTextEndInOneLine) {
  EXPECT_THAT(error(std::string("\0\x01\xFF\x80\r\x02", 6)), HasSubstr("\"????"));
  EXPECT_THAT(error("label,a\n0,d\u00f6g \u65e5\u672c\n"), HasSubstr("\"d\u00f6g \u65e5\u672c\""));
  EXPECT_THAT(error("label,a\n0,d\xF6g\n"), HasSubstr("\"d?g\""));
  EXPECT_THAT(error("label,a\n1,\x01\x02\xFF\n"), HasSubstr("\"???\""));
  EXPECT_THAT(error("\xFF\xFEl\0a\0"), HasSubstr("UTF-16"));
}

class TwoCsvFilesTest : public CsvTest {
 protected:
  // What reading the second file with the first fails with, behind its name.
  std::string second_error(const std::string& first, const std::string& second) {
    const auto other = good(first);
    const std::string path = folder_.write("test.csv", second);
    const std::string message = read_csv_like(path, other->info()).status().message();
    EXPECT_THAT(message, StartsWith(path + ": "));
    return message.substr(path.size() + 2);
  }
  std::shared_ptr<const Records> second(const std::string& first, const std::string& second) {
    const auto other = good(first);
    auto records = read_csv_like(folder_.write("test.csv", second), other->info());
    EXPECT_TRUE(records.ok()) << records.status();
    return records.ok() ? *records : nullptr;
  }
};

TEST_F(TwoCsvFilesTest, ColumnsAreMatchedByName) {
  const auto test = second("label,a,b\n0,1,2\n", "b,label,a\n7,0,8\n");
  EXPECT_EQ(record(*test, 0), (std::vector<float>{8, 7}));
  EXPECT_EQ(second_error("label,a,b\n0,1,2\n", "label,a,c\n0,1,2\n"),
            "line 1: has no column \"b\", which " + path_ + " has");
  EXPECT_EQ(second_error("label,a\n0,1\n", "label,a,c\n0,1,2\n"),
            "line 1: has a column \"c\", which " + path_ + " does not have");
  EXPECT_THAT(second_error("label,a\n0,1\n", "kind,a\n0,1\n"), HasSubstr("column \"label\""));
}

TEST_F(TwoCsvFilesTest, OtherColumnsCanBePassedOver) {
  RecordsInfo like = good("label,a,b\n0,1,2\n")->info();
  const auto read = [&](const std::string& text) {
    return read_csv_like(folder_.write("test.csv", text), like, OtherColumns::kPassedOver);
  };
  // Whatever they are called, and hold.
  const auto test = read(",x,b,label,a,x\n0,nan,7,0,8,?\n");
  ASSERT_TRUE(test.ok()) << test.status();
  EXPECT_EQ(record(**test, 0), (std::vector<float>{8, 7}));
  EXPECT_THAT(read("a,b,a,label\n1,2,3,0\n").status().message(),
              HasSubstr("two columns have the name \"a\""));
  like.table.ignored = {"a"};
  EXPECT_THAT(read("a,b,label\n1,2,0\n").status().message(),
              HasSubstr("column \"a\" is a feature of " + path_ + ": it cannot be ignored"));
}

// How one file's values are kept is nobody else's rule.
TEST_F(TwoCsvFilesTest, ValuesMayBeOfAnyKindInTheSecond) {
  const auto floats = second("label,a\n0,200\n", "label,a\n1,300\n0,0.5\n");
  EXPECT_EQ(record(*floats, 0)[0], 300.0f);
  EXPECT_EQ(record(*floats, 1)[0], 0.5f);
  EXPECT_EQ(record(*second("label,a\n0,0.5\n", "label,a\n1,1\n"), 0)[0], 1.0f);
}

TEST_F(TwoCsvFilesTest, TheFirstOnesScaleIsTheSecondOnesToo) {
  std::string header = "label", pixels, odd;
  for (int i = 0; i < 784; ++i) {
    header.append(",p").append(std::to_string(i));
    pixels += ",51";
    odd += i == 0 ? ",510" : ",0.5";
  }
  const auto scaled = second(header + "\n1" + pixels + "\n", header + "\n1" + odd + "\n");
  EXPECT_FLOAT_EQ(record(*scaled, 0)[0], 2.0f);
  EXPECT_FLOAT_EQ(record(*scaled, 0)[1], 0.5f / 255);
  const auto unscaled = second(header + "\n1" + odd + "\n", header + "\n1" + pixels + "\n");
  EXPECT_FLOAT_EQ(record(*unscaled, 0)[0], 51.0f);
}

TEST_F(TwoCsvFilesTest, TheSameNamesAreTheSameClasses) {
  const auto test = second("label,a\npear,1\nfig,2\napple,3\n", "a,label\n5,pear\n6,fig\n");
  EXPECT_THAT(test->labels(), ElementsAre(2, 1));
  EXPECT_THAT(test->info().table.class_names, ElementsAre("apple", "fig", "pear"));
  EXPECT_EQ(test->info().classes, 3);
  EXPECT_EQ(second_error("label,a\npear,1\nfig,2\n", "label,a\nfig,1\nplum,2\n"),
            "line 3, column 1 (\"label\"): expected one of the classes of " + path_ +
                " (\"fig\", \"pear\"), found \"plum\"");
  EXPECT_THAT(second_error("label,a\n0,1\n", "label,a\nfig,1\n"),
              HasSubstr("expected a class number from 0 to 65535 as in"));
}

class CsvPartsTest : public CsvTest {
 protected:
  TrainTestRecords parts(const std::string& text, uint64_t seed = 0) {
    auto parts = read_csv_parts(folder_.write("file.csv", text), {}, seed);
    EXPECT_TRUE(parts.ok()) << parts.status();
    return parts.ok() ? *parts : TrainTestRecords();
  }
  static std::vector<float> values(const Records& records) {
    std::vector<float> x;
    for (uint32_t i = 0; i < records.info().records; ++i) x.push_back(record(records, i)[0]);
    return x;
  }
  // Sorted by class: 30 of each.
  static std::string sorted() {
    std::string text = "label,a\n";
    for (int i = 0; i < 90; ++i) {
      text += "c" + std::to_string(i / 30) + "," + std::to_string(i) + "\n";
    }
    return text;
  }
};

TEST_F(CsvPartsTest, OfEverySevenRecordsOneIsToTestWith) {
  const auto [train, test] = parts(sorted());
  EXPECT_GE(test->info().records, 12);
  EXPECT_LE(test->info().records, 13);
  std::vector<float> all = values(*train), more = values(*test);
  for (size_t i = 0; i < more.size(); ++i) EXPECT_EQ(static_cast<size_t>(more[i]) / 7, i);
  all.insert(all.end(), more.begin(), more.end());
  std::sort(all.begin(), all.end());
  for (size_t i = 0; i < 90; ++i) EXPECT_EQ(all[i], static_cast<float>(i));
}

TEST_F(CsvPartsTest, ASortedFileHasEveryClassInBoth) {
  const auto [train, test] = parts(sorted());
  for (const auto& part : {train, test}) {
    EXPECT_THAT(part->info().table.class_names, ElementsAre("c0", "c1", "c2"));
    for (int32_t label = 0; label < 3; ++label) EXPECT_THAT(part->labels(), Contains(label));
  }
}

TEST_F(CsvPartsTest, TheSeedDrawsThem) {
  EXPECT_EQ(values(*parts(sorted(), 5).second), values(*parts(sorted(), 5).second));
  EXPECT_NE(values(*parts(sorted(), 5).second), values(*parts(sorted(), 6).second));
}

TEST_F(CsvPartsTest, TwoRecordsAreEnoughAndOneIsNot) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto [train, test] = parts("label,a\n0,1\n1,2\n", seed);
    EXPECT_EQ(train->info().records, 1);
    EXPECT_EQ(test->info().records, 1);
  }
  const std::string one = folder_.write("one.csv", "label,a\n0,1\n");
  EXPECT_THAT(read_csv_parts(one, {}, 0).status().message(), HasSubstr("at least 2 records"));
}

}  // namespace
}  // namespace sluice::data
