#include "data/csv.h"

#include <gmock/gmock.h>

#include "tests/data/test_files.h"

namespace sluice::data {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CsvTest : public ::testing::Test {
 protected:
  Result<std::shared_ptr<const Records>> read(const std::string& text) {
    path_ = folder_.write("file.csv", text);
    return read_csv(path_);
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
};

std::vector<float> record(const Records& records, uint32_t index) {
  std::vector<float> x(static_cast<size_t>(records.info().sample_shape.size()));
  records.gather(std::span(&index, 1), x);
  return x;
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
  for (const char* odd : {"0.5", "-1", "256", "1e2", "1000000", "5.0"}) {
    auto records = good(std::string("label,a\n0,7\n1,").append(odd).append("\n"));
    ASSERT_EQ(records->info().element, Element::kFloat32) << odd;
    EXPECT_EQ(record(*records, 0)[0], 7.0f);
    EXPECT_EQ(record(*records, 1)[0], std::stof(odd));
  }
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
  EXPECT_EQ(error("label,a\n\n1.5,2\n"),
            "line 3, column 1 (\"label\"): expected a class number from 0 to 65535, found \"1.5\"");
  EXPECT_THAT(error("label,a\n-1,2\n"), HasSubstr("found \"-1\""));
  EXPECT_THAT(error("label,a\n65536,2\n"), HasSubstr("class number"));
  EXPECT_THAT(error("label,a\n1,nan\n"), HasSubstr("expected a number, found \"nan\""));
  EXPECT_THAT(error("label,a\n1,1e99\n"), HasSubstr("expected a number"));
  EXPECT_THAT(error("label,a\n1,2;3\n"), HasSubstr("found \"2;3\""));
}

TEST_F(CsvTest, LinesOfAnotherLengthAreCounted) {
  EXPECT_EQ(error("label,a,b\n1,2,3\n1,2\n"),
            "line 3: expected 3 columns as in the header, found 2");
  EXPECT_EQ(error("label,a,b\n1,2,3,4\n"), "line 2: expected 3 columns as in the header, found 4");
}

TEST_F(CsvTest, HeadersWithoutExactlyOneLabelAreRefused) {
  EXPECT_THAT(error("5,0,0\n"), AllOf(HasSubstr("column named \"label\""), HasSubstr("\"5,0,0\"")));
  EXPECT_THAT(error("label,label,a\n"), HasSubstr("found 2 of them"));
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
  EXPECT_THAT(error("label,a\n\x01\x02\xFF,3\n"), HasSubstr("\"???\""));
  EXPECT_THAT(error("label,a\n1,\xFF\r3\n"), EndsWith("\"??3\""));
}

TEST_F(CsvTest, ASecondFileIsKeptAsTheFirst) {
  auto floats = good("label,a\n0,0.5\n");
  const std::string whole = folder_.write("test.csv", "label,a\n1,1\n");
  auto test = read_csv_like(whole, floats->info());
  ASSERT_TRUE(test.ok()) << test.status();
  EXPECT_EQ((*test)->info().element, Element::kFloat32);
  EXPECT_EQ(record(**test, 0)[0], 1.0f);

  auto bytes = good("label,a\n0,5\n");
  const std::string half = folder_.write("half.csv", "label,a\n1,0.5\n");
  EXPECT_THAT(read_csv_like(half, bytes->info()).status().message(),
              HasSubstr("expected a whole number from 0 to 255, found \"0.5\" (kept as in"));
  const std::string wide = folder_.write("wide.csv", "label,a,b\n1,0,1\n");
  EXPECT_THAT(read_csv_like(wide, bytes->info()).status().message(),
              HasSubstr("expected 1 columns of features"));
}

}  // namespace
}  // namespace sluice::data
